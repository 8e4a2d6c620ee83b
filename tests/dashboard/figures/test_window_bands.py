"""The windows on one axis: settled is a mark, open is hatched, and the title says what is left."""

from math import inf

import pytest

from dashboard.drawing import theme
from dashboard.figures.lambda_scale import LambdaScale
from dashboard.figures.window_bands import Band, window_bands

NARROW = Band("label structure", [(-1.79302, -1.79300)])
WIDE = Band("simplex", [(-5.07, -1.74), (3.0, inf)])
SHUT = Band("bias", [(-inf, -1.0), (1.0, inf)], "shut")
REFUTED = Band("layer below", [(-inf, -1.0), (1.0, inf)], "refuted")


def together(intervals, state="open"):
    return Band("all together", intervals, state, together=True)


def drawn(figure):
    return {part.name: part for part in figure.data}


@pytest.mark.parametrize(
    ("row", "title"),
    [
        (together([(-1.79302, -1.79300)]), "Together the windows leave one λ: −1.793"),
        (together([(-5.0, -2.0)]), "Together the windows leave every λ from −5.00 to −2.00"),
        (together([(3.0, inf)]), "Together the windows leave every λ from 3.00 to ∞"),
        (together([(-5.0, -2.0), (2.0, 3.0)]), "Together the windows leave 2 ranges of λ"),
        (together([(-inf, -1.0), (1.0, inf)], "shut"), "No window is open: every λ is possible"),
        (together([]), "Together the windows leave no λ"),
    ],
)
def test_the_title_says_what_is_left(row, title):
    assert window_bands([NARROW, WIDE, SHUT, REFUTED, row]).checked().layout.title.text == title


def test_every_state_looks_different_without_any_colour():
    parts = drawn(window_bands([NARROW, WIDE, SHUT, REFUTED, together([(-1.79302, -1.79300)])]).checked())
    assert set(parts) == {"says nothing", "fits nowhere", "left open", "settled"}
    assert parts["left open"].marker.pattern.shape == theme.AMBIGUOUS_HATCH
    assert list(parts["left open"].y) == [4, 4]
    assert list(parts["says nothing"].y) == [3]
    assert list(parts["fits nowhere"].y) == [2]
    assert list(parts["settled"].y) == [5, 1]


def test_bands_too_thin_to_see_are_marks_where_they_stand():
    figure = window_bands([NARROW, Band("layer below", [(-40.001, -40.0), (2.0, 2.0001)])]).checked()
    parts = drawn(figure)
    axis = LambdaScale.around([-40.001, 2.0])
    assert list(parts["settled"].x) == pytest.approx([axis.position(-1.79301)], abs=1e-6)
    assert list(parts["one of several"].x) == pytest.approx([axis.position(-40), axis.position(2)], abs=1e-3)
    assert parts["one of several"].marker.symbol == "diamond-open"
    assert parts["settled"].hovertext == ("label structure<br>λ from −1.793020 to −1.793000",)


def test_bars_end_where_their_intervals_end_and_infinity_at_the_edge():
    figure = window_bands([WIDE]).checked()
    bars, axis = drawn(figure)["left open"], LambdaScale.around([-5.07, -1.74, 3.0, inf])
    assert list(bars.base) == pytest.approx([axis.position(-5.07), axis.position(3.0)])
    assert bars.base[1] + bars.x[1] == pytest.approx(axis.end)
    assert tuple(figure.layout.xaxis.range) == (-axis.end, axis.end)
    assert bars.hovertext[1] == "simplex<br>λ from 3.000 to ∞"


@pytest.mark.parametrize(("least", "edge"), [(1.0, 1.0), (0.0, 0.01)])
def test_the_gap_covers_what_is_impossible(least, edge):
    figure = window_bands([Band("bias", [(0.02, 0.04)])], least=least).checked()
    (gap,) = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert (-gap.x0, gap.x1) == pytest.approx([LambdaScale.around([0.02, 0.04]).position(edge)] * 2)


def test_the_truth_is_one_dashed_line_or_none():
    truth = drawn(window_bands([NARROW, WIDE], true_scale=-1.793).checked())["truth"]
    assert len(set(truth.x)) == 1
    assert truth.line.dash == "dash"
    assert "λ = −1.793" in truth.hovertemplate
    for missing in (None, inf):
        assert "truth" not in drawn(window_bands([NARROW, WIDE], true_scale=missing).checked())


def test_the_result_stands_apart_and_every_row_has_its_words():
    figure = window_bands([NARROW, WIDE, SHUT, REFUTED, together([])]).checked()
    assert [shape.type for shape in figure.layout.shapes] == ["rect", "line"]
    texts = [note.text for note in figure.layout.annotations]
    assert [text[3 : text.index("</b>")] for text in texts] == [
        "label structure",
        "simplex",
        "bias",
        "layer below",
        "all together",
    ]
    for text, words in zip(texts, ("λ = −1.793", "2 ranges", "says nothing", "fits nowhere", "no λ"), strict=True):
        assert f">{words}<" in text


@pytest.mark.parametrize("dark", [False, True])
def test_it_follows_the_theme(dark):
    figure, colours = window_bands([NARROW, WIDE], true_scale=2.0, dark=dark).checked(), theme.palette(dark)
    assert figure.layout.template.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert drawn(figure)["settled"].marker.color == colours.recovered
    assert drawn(figure)["truth"].line.color == colours.truth
