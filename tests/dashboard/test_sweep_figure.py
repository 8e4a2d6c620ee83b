"""The figure of a sweep: every attack keeps its value and its number, the title says where the attack works."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dashboard.drawing import theme
from dashboard.figures.sweep_axis import ticks, value_axis
from dashboard.figures.sweep_bands import SweepAxis, SweepMarks, band_words, sweep_bands
from gradinv_core.experiments.sweep.summary import SWEEP_METRICS, Kind

NAN = float("nan")
ERROR, COSINE, PSNR = SWEEP_METRICS["label_error"], SWEEP_METRICS["feature_cosine"], SWEEP_METRICS["psnr"]
NOISE = SweepAxis("Gaussian noise", "noise", (-3.0, -2.0, -1.0), ("0.001", "0.01", "0.1"), (True, False, True))
KINDS = (Kind.CERTAIN, Kind.OPEN, Kind.NOTHING, Kind.CERTAIN, Kind.WRONG, Kind.NOTHING)


def marks(values, kinds=KINDS) -> SweepMarks:
    """Two repeats over three places, in the order in which they come."""
    count = len(values)
    positions, repeats = np.arange(count) % 3, np.arange(count) // 3
    hovers = [f"attack {index}" for index in range(count)]
    right = [not np.isnan(value) for value in values]
    return SweepMarks(positions, repeats, values, kinds[:count], right, hovers, planned=2)


ERRORS = (1e-6, 0.004, NAN, 3e-6, 0.2, NAN)


def trace(figure, name):
    return next(part for part in figure.data if part.name == name)


def title(figure) -> str:
    return figure.layout.title.text


def test_every_attack_is_drawn_with_its_value_and_its_number():
    figure = sweep_bands(NOISE, ERROR, marks(ERRORS)).checked()
    drawn = {}
    for kind in Kind:
        part = trace(figure, kind)
        drawn |= {int(number): value for number, value in zip(part.customdata, part.y, strict=True)}
    assert sorted(drawn) == [0, 1, 2, 3, 4, 5]
    assert [drawn[index] for index in (0, 1, 3, 4)] == [1e-6, 0.004, 3e-6, 0.2]
    assert drawn[2] == drawn[5] > 1  # beyond any error
    assert list(trace(figure, Kind.OPEN).hovertext) == ["attack 1"]


def test_repeats_stand_side_by_side_around_their_place():
    part = trace(sweep_bands(NOISE, ERROR, marks(ERRORS)).checked(), Kind.CERTAIN)
    assert part.x[0] < -3 < part.x[1]
    assert abs(np.array(part.x) - -3).max() < 0.5


def test_kinds_differ_in_shape_and_the_bad_ones_in_colour():
    figure = sweep_bands(NOISE, ERROR, marks(ERRORS)).checked()
    looks = {kind: trace(figure, kind).marker for kind in Kind}
    assert len({look.symbol for look in looks.values()}) == 4
    assert looks[Kind.CERTAIN].color == looks[Kind.OPEN].color == theme.LIGHT.recovered
    assert looks[Kind.WRONG].color == looks[Kind.NOTHING].color == theme.LIGHT.baseline


def test_median_and_band_leave_out_attacks_without_an_answer():
    figure = sweep_bands(NOISE, ERROR, marks((1e-6, NAN, 0.5, 3e-6, 0.2, NAN))).checked()
    np.testing.assert_allclose(trace(figure, "median").y, [2e-6, 0.2, 0.5])
    ribbon = figure.data[0]
    assert (ribbon.fill, ribbon.hoverinfo) == ("toself", "skip")
    np.testing.assert_allclose(ribbon.y, [1e-6, 0.2, 0.5, 0.5, 0.2, 3e-6])


def test_a_gap_in_the_middle_is_not_bridged():
    figure = sweep_bands(NOISE, ERROR, marks((1e-6, NAN, 0.5))).checked()
    assert [len(part.x) for part in figure.data if part.fill == "toself"] == [2, 2]


def test_shares_count_every_attack():
    figure = sweep_bands(NOISE, ERROR, marks(ERRORS)).checked()
    assert list(trace(figure, "says it is certain").y) == [1, 0.5, 0]
    assert list(trace(figure, "right class").y) == [1, 1, 0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (ERRORS, "Gaussian noise: most labels are right to one percent up to 0.01"),
        (2 * (1e-6, 1e-6, 1e-6), "Gaussian noise: most labels are right to one percent at every value"),
        (2 * (0.1, NAN, 1.0), "Gaussian noise: most labels are right to one percent at no value"),
        (2 * (0.1, 1e-3, 1e-3), "Gaussian noise: most labels are right to one percent from 0.01 up"),
        (2 * (1e-3, 1.0, 1e-3), "Gaussian noise: most labels are right to one percent at 2 of 3 values"),
        ((1e-3,), "Gaussian noise, so far: most labels are right to one percent at every value"),
        ((), "Gaussian noise: no attack has ended yet"),
    ],
)
def test_the_title_says_where_the_attack_works(values, words):
    assert title(sweep_bands(NOISE, ERROR, marks(values)).checked()) == words


def test_falling_values_run_from_left_to_right_and_the_title_says_down():
    bits = SweepAxis("Rounding", "bits", (16.0, 8.0, 2.0), ("16", "8", "2"), (True, True, True))
    figure = sweep_bands(bits, COSINE, marks(2 * (1.0, 0.995, 0.4))).checked()
    assert title(figure) == "Rounding: most features point the right way down to 8"
    left, right = figure.layout.xaxis.range
    assert left > 16 > 2 > right


def test_values_without_an_order_are_not_joined():
    stages = SweepAxis("Training", "stage", (0.0, 1.0, 2.0), ("a", "b", "c"), (True, True, True), ordered=False)
    figure = sweep_bands(stages, PSNR, marks((30.0, 10.0, NAN))).checked()
    assert title(figure) == "Training, so far: most pictures can be recognised at 1 of 3 values"
    assert {part.mode for part in figure.data} == {"markers"}
    assert trace(figure, "median").error_y.array is not None


@pytest.mark.parametrize("metric", SWEEP_METRICS.values(), ids=SWEEP_METRICS.keys())
@pytest.mark.parametrize("values", [[], [0.0], [0.999999], [1e-12, 0.3], [-0.4, 0.2], [3.0, 80.0], [150.0]])
@pytest.mark.parametrize("silent", [False, True])
def test_the_axis_holds_every_value_and_the_row_without_an_answer_lies_outside(metric, values, silent):
    axis = value_axis(np.array(values), metric, silent=silent)
    low, high = axis.range
    assert low < high
    assert (metric.missing in axis.tick_texts) is silent
    assert len(set(axis.tick_texts)) == len(axis.tick_texts) >= 2
    if metric.logarithmic:
        shown = np.log10(np.clip(axis.clip(np.array(values)), 1e-9, 1))
        assert not silent or shown.max(initial=0) < np.log10(axis.silent_place) < high
    else:
        shown = np.array(values)
        if metric is COSINE and shown.max(initial=0) > 1:
            return  # no cosine is
        assert not silent or low < axis.silent_place < shown.min(initial=metric.shown[0])
    assert low < shown.min(initial=high)
    assert shown.max(initial=low) < high


@pytest.mark.parametrize("dark", [False, True])
def test_the_figure_follows_the_theme_and_writes_only_major_ticks(dark):
    figure = sweep_bands(NOISE, ERROR, marks(ERRORS), dark=dark).checked()
    assert figure.layout.template.layout.paper_bgcolor == figure.layout.template.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.template.layout.font.color == theme.palette(dark).text
    assert figure.layout.xaxis2.ticktext == ("0.001", "0.1")


def test_the_caption_says_what_the_shade_is():
    assert band_words(3) == "all of them"
    assert band_words(10) == "the middle 80 % of them"


def test_the_figure_knows_nothing_of_the_page():
    code = "import sys, dashboard.figures.sweep_bands; sys.exit('streamlit' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(theme.__file__).parents[2])


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.0, 1e-4, 3e-4, 1e-3, 0.1, 1.0], ["0", "10⁻⁴", "3\u00a0×\u00a010⁻⁴", "10⁻³", "10⁻¹", "1"]),
        ([0.001, 0.5, 2000.0], ["0.001", "0.5", "2,000"]),
        (["hard", "mixup"], ["hard", "mixup"]),
    ],
)
def test_the_ticks_of_one_axis_are_written_one_way(values, texts):
    assert ticks(values) == texts
