"""What every figure shares: fonts, hair lines, a title that states the finding, no frame and no background."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.drawing.theme import FONT, Palette
from dashboard.figures.sketch import Sketch

__all__ = ["TITLE_HEIGHT", "Array", "as_vector", "name_classes", "style", "whole_name"]

Array = npt.NDArray[np.float64]

TITLE_HEIGHT = 40
"""Pixels at the top of every figure that hold its title, for pages that write it somewhere else."""


def as_vector(values: npt.ArrayLike) -> Array:
    """Any one-dimensional numbers as a float64 array."""
    return np.asarray(values, dtype=np.float64).reshape(-1)


def name_classes(class_names: list[str] | tuple[str, ...] | None, classes: int) -> list[str]:
    """Names for the axis; where none are given, or some are missing, a number that says that it is one."""
    given = list(class_names or ())[:classes]
    return given + [f"class {index}" for index in range(len(given), classes)]


def whole_name(name: str, index: int) -> str:
    """A class in a hover text: its number, and its name where that says more."""
    return f"class {index}" if name in (str(index), f"class {index}") else f"{name} (class {index})"


def style(figure: Sketch, title: str, colours: Palette, *, height: int = 300) -> Sketch:
    """Give a figure the common look, in place.

    The look is a template, which the browser applies. What a figure sets itself goes before it.

    Args:
        figure: any.
        title: the finding, in one line.
        colours: the theme's palette.
        height: pixels.

    Returns:
        The same figure.
    """
    margin = {"l": 8, "r": 8, "t": TITLE_HEIGHT + 8, "b": 8}
    figure.update_layout(template=_look(colours), title={"text": title}, height=height, margin=margin)
    return figure


@cache
def _look(colours: Palette) -> dict[str, Any]:
    """What all figures of a palette share."""
    axis = {
        "gridcolor": colours.grid,
        "linecolor": colours.muted,
        "zerolinecolor": colours.muted,
        "tickfont": {"color": colours.text, "size": 14},
        "title": {"font": {"color": colours.muted, "size": 14}},
        "automargin": True,
        "fixedrange": True,
    }
    return {
        "layout": {
            "xaxis": axis | {"showgrid": False, "zeroline": False, "ticklabeloverflow": "allow"},
            "yaxis": axis,
            "title": {
                "font": {"size": 17, "color": colours.text},
                "x": 0,
                "xanchor": "left",
                "xref": "container",
                "y": 0.98,
                "yanchor": "top",
            },
            "font": {"family": FONT, "color": colours.text, "size": 14},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            # Below the figure, where it may wrap on a phone without covering the title.
            "legend": {
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "xref": "container",
                "y": 0,
                "yanchor": "bottom",
                "yref": "container",
                "font": {"color": colours.text, "size": 14},
            },
            "hoverlabel": {
                "bgcolor": colours.background,
                "bordercolor": colours.muted,
                "font": {"family": FONT, "color": colours.text, "size": 14},
            },
            "hovermode": "closest",
            "dragmode": False,
            "bargap": 0.3,
            "autotypenumbers": "strict",  # a class called "3" is a name
        }
    }
