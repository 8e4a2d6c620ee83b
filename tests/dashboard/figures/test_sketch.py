"""Figures as plain dictionaries: what they say, and that Plotly knows every word of those on the pages."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard.figures.sketch import Sketch


def test_numbers_become_json_and_what_is_none_is_null():
    figure = Sketch()
    figure.add_scatter(x=np.arange(3), y=np.array([0.5, np.nan, np.inf]), customdata=(np.int64(1), None), line=None)
    (trace,) = json.loads(json.dumps(figure.spec, allow_nan=False))["data"]
    assert trace["x"] == [0, 1, 2]
    assert trace["y"] == [0.5, None, None]
    assert trace["customdata"] == [1, None]
    assert "line" not in trace


def test_an_update_keeps_what_it_does_not_name():
    figure = Sketch()
    figure.update_xaxes(title={"text": "share", "font": {"size": 12}})
    figure.update_xaxes(title={"font": {"color": "red"}}, range=[0, 1])
    axis = figure.spec["layout"]["xaxis"]
    assert axis["title"] == {"text": "share", "font": {"size": 12, "color": "red"}}
    assert axis["range"] == [0, 1]


@pytest.mark.parametrize("beside", [False, True])
def test_panels_share_an_axis_and_divide_the_other(beside):
    figure = Sketch((3, 1), gap=0.2, beside=beside)
    figure.add_bar(y=[1], panel=2)
    figure.update_yaxes(showgrid=False, panel=2)
    layout, (trace,) = figure.checked().layout, figure.spec["data"]
    assert (trace["xaxis"], trace["yaxis"]) == ("x2", "y2")
    first, second = (layout.xaxis, layout.xaxis2) if beside else (layout.yaxis, layout.yaxis2)
    assert np.diff(first.domain) == pytest.approx(0.6)
    assert np.diff(second.domain) == pytest.approx(0.2)
    assert (first.domain[0] == 0) if beside else (first.domain[1] == 1)
    assert (layout.yaxis2.matches, layout.xaxis2.matches) == (("y", None) if beside else (None, "x"))
    assert (layout.yaxis.showgrid, layout.yaxis2.showgrid) == (None, False)


def test_a_word_that_plotly_does_not_know_is_found():
    figure = Sketch()
    figure.add_bar(y=[1], colour="blue")
    with pytest.raises(ValueError, match="colour"):
        figure.checked()


@pytest.mark.parametrize(
    ("place", "query", "least"),
    [
        ("", {}, 5),
        ("", {"classes": "1000", "label": "none"}, 5),
        ("", {"network": "alexnet", "classes": "100"}, 5),
        ("", {"defences": "perturb feature:0.1"}, 4),
        ("app_pages/failures.py", {}, 1),
        ("app_pages/protection.py", {}, 1),
    ],
)
def test_plotly_knows_every_word_of_the_figures_on_a_page(lab, place, query, least):
    charts = lab(place, **query).get("plotly_chart")
    assert len(charts) >= least
    for chart in charts:
        spec = json.loads(chart.proto.spec)
        assert go.Figure(spec).data
        assert spec["layout"]["title"]["text"] == ""  # the page says it
        assert chart.proto.alt
