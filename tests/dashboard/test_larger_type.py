"""Larger type for a projector: a figure's letters grow with the page's, and a remembered figure stays as it is."""

from copy import deepcopy

import numpy as np

from dashboard.figures import gradient_heatmap
from dashboard.layout.plotly_chart import _enlarged


def sizes(part):
    if isinstance(part, list):
        return [size for each in part for size in sizes(each)] if part and isinstance(part[0], dict) else []
    if not isinstance(part, dict):
        return []
    own = [value["size"] for name, value in part.items() if name in ("font", "tickfont") and "size" in value]
    return own + [size for value in part.values() for size in sizes(value)]


def test_every_letter_of_a_figure_grows_by_a_quarter():
    spec = gradient_heatmap(np.outer([1.0, -2.0, 3.0], np.arange(1.0, 5.0))).spec
    before = deepcopy(spec)
    larger = _enlarged(spec)
    assert spec == before
    assert sizes(before)
    assert sizes(larger) == [round(1.25 * size) for size in sizes(before)]
    assert [trace["z"] for trace in larger["data"]] == [trace["z"] for trace in before["data"]]
