"""The head's gradient beside its best outer product: if the two look alike, one sample made the gradient."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dashboard.drawing.number_text import plain
from dashboard.drawing.theme import palette
from dashboard.figures.base import TITLE_HEIGHT, Array, name_classes, style
from dashboard.figures.sketch import Sketch

__all__ = ["gradient_heatmap", "outside_rank_one"]

_MOST_FEATURES = 96
_MOST_CLASSES = 40


def gradient_heatmap(
    gradient: npt.ArrayLike, class_names: Sequence[str] | None = None, *, title: str = "", dark: bool = False
) -> Sketch:
    """Two maps with one signed colour scale: what was sent, and its outer product of rank one.

    Args:
        gradient: (C, d) gradient of the head's weights.
        class_names: (C,) names, class numbers without.
        title: for what was sent alone, where the product is not spoken of.
        dark: colours for a dark page.

    Returns:
        The figure. A large gradient is cut down to its strongest rows and columns, never averaged; the axis says so.
    """
    colours = palette(dark)
    sent = np.asarray(gradient, dtype=np.float64)
    maps = {"what was sent": sent} if title else {"what was sent": sent, "outer product": _outer_product(sent)}
    size = float(np.linalg.norm(sent))

    rows, columns = _strongest(sent, 1, _MOST_CLASSES), _strongest(sent, 0, _MOST_FEATURES)
    names = name_classes(tuple(class_names or ()), sent.shape[0])
    limit = float(np.abs(sent).max()) or 1.0
    figure = Sketch((1,) * len(maps), gap=0.03, beside=True)
    for panel, (words, values) in enumerate(maps.items(), start=1):
        shown = values[np.ix_(rows, columns)]
        figure.add_heatmap(
            z=shown,
            customdata=[[plain(value, 9) for value in row] for row in shown],
            x=[str(index) for index in columns],
            y=[names[index] for index in rows],
            zmin=-limit,
            zmax=limit,
            colorscale=colours.signed_scale,
            showscale=panel == len(maps),
            colorbar={"thickness": 12, "outlinewidth": 0, "tickfont": {"size": 12}, "exponentformat": "power"},
            hovertemplate="%{y}, feature %{x}<br>gradient %{customdata}<extra></extra>",
            panel=panel,
        )
        across = ("x domain", "x2 domain")[panel - 1]
        figure.add_annotation(text=words, xref=across, x=0.5, yref="paper", y=1, yanchor="bottom")
    style(figure, title or _finding(outside_rank_one(sent), size), colours, height=360)
    figure.update_layout(margin={"t": TITLE_HEIGHT + 32, "b": 36})
    # One line under both maps: two of them would run into each other on a phone.
    figure.add_annotation(
        text=_cut(sent, rows.size, columns.size),
        xref="paper",
        x=0.5,
        yref="paper",
        y=0,
        yanchor="top",
        yshift=-8,
    )
    figure.update_annotations(font={"size": 14, "color": colours.muted})
    figure.update_yaxes(showgrid=False, autorange="reversed", type="category", nticks=20)
    if len(maps) > 1:
        figure.update_yaxes(showticklabels=False, panel=2)
    figure.update_xaxes(showticklabels=False, ticks="", type="category")
    return figure


def outside_rank_one(gradient: npt.ArrayLike) -> float:
    """What the best outer product misses of a gradient (C, d), relative to the whole; 0 for zeros."""
    sent = np.asarray(gradient, dtype=np.float64)
    size = float(np.linalg.norm(sent))
    return float(np.linalg.norm(sent - _outer_product(sent))) / size if size else 0.0


def _outer_product(gradient: Array) -> Array:
    """Best approximation of rank one, by a few power iterations: a full decomposition of a wide head takes seconds."""
    right = gradient[np.argmax(np.linalg.norm(gradient, axis=1))]
    for _ in range(6):
        right = right / (np.linalg.norm(right) or 1.0)
        left = gradient @ right
        right = gradient.T @ (left / (np.linalg.norm(left) or 1.0))
    right = right / (np.linalg.norm(right) or 1.0)
    return np.outer(gradient @ right, right)


def _strongest(values: Array, axis: int, most: int) -> npt.NDArray[np.intp]:
    """Indices of the rows (axis 1) or columns (axis 0) of largest norm, in their own order."""
    norms = np.linalg.norm(values, axis=axis)
    return np.sort(np.argsort(-norms, kind="stable")[:most])


def _cut(gradient: Array, rows: int, columns: int) -> str:
    classes, features = gradient.shape
    if columns == features and rows == classes:
        return f"{features} features"
    parts = [f"strongest {columns} of {features:,} features"] if columns < features else [f"{features} features"]
    if rows < classes:
        parts.append(f"{rows} of {classes:,} classes")
    return ", ".join(parts)


def _finding(residual: float, size: float) -> str:
    if size == 0:
        return "The gradient is zero: nothing was sent"
    if residual == 0:
        return "One outer product is the whole gradient"
    if residual < 1e-3:
        return f"One outer product is the gradient, but for {plain(residual, 2)} of its size"
    return f"One outer product misses {plain(100 * residual, 2)} % of the gradient"
