"""The network in one figure: its layers solved where there is an exact route, counted where there is none."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import streamlit as st

from dashboard.cache import PictureTask
from dashboard.claims.picture import Rebuilt
from dashboard.drawing.number_text import plain
from dashboard.figures import StripBlock, StripLayer, convergence, layer_strip
from dashboard.layout.story import chart
from dashboard.sections.story.view import LabView
from gradinv_core.architecture import Part
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.head import find_head
from gradinv_core.image_recovery import ImageRecovery, LayerBudget, Leak
from gradinv_core.networks import NETWORKS

__all__ = ["arranged", "show_budget", "show_layers"]

_EXPLANATION = (
    "A layer's input is a list of unknown numbers. Every weight's gradient is an equation for them, and so is every "
    "output that is known already. The rank counts the equations that say something new."
)
_ROWS = "The picture is on top, and each row is one layer: its equations for its unknowns."
_BLOCKS = (
    "The picture is on top. Each row is one layer, or a block of them with an arc for its skip: what comes in is added "
    "again to what the layers make of it (+). A square on an arc is a layer of its own. The numbers are equations for "
    "unknowns; point at a row for its layers."
)
_SOLVED = (
    "A filled outline means that all of a layer's input follows; the thin line under it is as long as there are "
    "equations."
)
_CHANGED = "They are those of the untouched gradient of one picture. What they lead to here is not what was there."
_COUNTED = (
    "They are only counted here: enough equations are necessary, not sufficient, because equations may repeat each "
    "other."
)
_COMPLETED = (
    "Where equations run out, bounds help: pixels lie between 0 and 1, a silent ReLU had a negative input, and "
    "neighbouring pixels are alike. Fitting all of that at once is a convex problem, solved round by round."
)


def show_layers(view: LabView, task: PictureTask, recovery: ImageRecovery, *, exact: bool) -> None:
    """Draw the layers of an attack; the head is added, which the label's part of the story has solved.

    Args:
        view: the solved scenario.
        task: that was attacked.
        recovery: what the attack found.
        exact: whether what the equations determine is what really was there.
    """
    solved = [
        StripLayer(
            layer.name,
            layer.kind,
            layer.unknowns,
            layer.equations,
            str(layer.leak),
            min(layer.rank, layer.unknowns),
            layer.residual,
            layer.error,
            layer.completed,
        )
        for layer in reversed(recovery.layers)
    ]
    solved.append(_head_row(view, task.network, recovery))
    known = {layer.name: layer for layer in solved}
    if not recovery.rests_on_label:
        known = {row.name: row for row in map(_unneeded, task.budget())} | known
    _draw(task, known, _SOLVED if exact else _CHANGED, view.dark, exact=exact)
    with st.expander("Layer by layer, in numbers"):
        _table(solved, [*(layer.seconds for layer in reversed(recovery.layers)), view.attack.recovery.seconds])
        open_layers = {layer.name: layer.convergence for layer in recovery.layers if layer.convergence}
        if open_layers:
            chart(convergence(open_layers, dark=view.dark), "convergence", _COMPLETED)


def show_budget(task: PictureTask, dark: bool) -> None:
    """Draw the layers of a network that nothing was solved for, from the picture to the head."""
    if rows := list(map(_counted, task.budget())):
        _draw(task, {row.name: row for row in rows}, _COUNTED, dark)


def _draw(task: PictureTask, layers: Mapping[str, StripLayer], meaning: str, dark: bool, *, exact: bool = True) -> None:
    """The figure, between the reason why a network of this kind leaks and the words on how to read it."""
    st.markdown(f"**Why a network of this kind leaks.** {NETWORKS[task.network.name].why_it_leaks}")
    rows = arranged(task.parts(), layers)
    chart(layer_strip(rows, exact=exact, dark=dark), "layers", _EXPLANATION)
    st.caption(f"{_BLOCKS if any(isinstance(row, StripBlock) for row in rows) else _ROWS} {meaning}")


def arranged(parts: Iterable[Part], layers: Mapping[str, StripLayer]) -> list[StripLayer | StripBlock]:
    """Rows as the network is put together, from the picture to the head: a chain's layers, or blocks with skips.

    Args:
        parts: of the network; none where it could not be followed.
        layers: by name, from the picture to the head. Those that are missing are left out.
    """
    blocks = {name: part for part in parts if part.skip is not None for name in (*part.layers, *part.skip)}
    rows: dict[str, StripLayer | StripBlock] = {}
    for name, layer in layers.items():
        part = blocks.get(name)
        if part is None or part.skip is None or not set(part.layers) & set(layers):
            rows[name] = layer
        elif part.name not in rows:
            inside, skip = (
                tuple(layers[each] for each in names if each in layers) for names in (part.layers, part.skip)
            )
            rows[part.name] = StripBlock(part.name, inside, skip)
    return list(rows.values())


def _counted(layer: LayerBudget) -> StripLayer:
    equations = layer.output_equations + layer.gradient_equations
    leak = str(Leak.of(equations, layer.unknowns))
    shape = " x ".join(map(str, layer.input_shape))
    return StripLayer(layer.name, f"{layer.kind}, {shape}", layer.unknowns, equations, leak)


def _unneeded(layer: LayerBudget) -> StripLayer:
    return replace(_counted(layer), leak="unneeded")


def _head_row(view: LabView, network: PublicNetwork, recovery: ImageRecovery) -> StripLayer:
    """The last layer: all of its input leaks, or all but its size."""
    classes, features = view.attack.head.weight.shape
    settled = Rebuilt(view.server, recovery).label_settled
    feature = recovery.steps[0]
    size = float(feature.value.norm())
    return StripLayer(
        find_head(network.model),
        f"head, {features} to {classes}",
        features,
        classes * features,
        "exact" if settled else "almost",
        features if settled else features - 1,
        float(view.attack.head.residual[0]),
        None if feature.std is None or size == 0 else float(feature.std.norm()) / size,
    )


def _table(rows: list[StripLayer], seconds: list[float]) -> None:
    columns = [
        {
            "layer": f"{row.name}: {row.kind}",
            "unknowns": row.unknowns,
            "equations": row.equations,
            "rank": row.rank,
            "residual": _short(row.residual),
            "error bar": _short(row.error),
            "seconds": time,
        }
        for row, time in zip(rows, seconds, strict=True)
    ]
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    st.dataframe(
        columns,
        hide_index=True,
        column_config={
            "layer": text(width="large"),
            "unknowns": number(format="localized", help="Numbers that went into the layer."),
            "equations": number(format="localized", help="What the gradient and the layer's output say about them."),
            "rank": number(format="localized", help="How many of the unknowns the equations determine."),
            "residual": text(help="What of the layer's gradient the answer does not explain."),
            "error bar": text(help="The server's own standard deviation, over the input's size."),
            "seconds": number(format="%.2f"),
        },
    )


def _short(value: float | None) -> str:
    """Few digits, and a power of ten as people write it, which no format of a number column does."""
    return "" if value is None else plain(value, 2)
