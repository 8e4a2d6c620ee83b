"""Figures hold the exact values they were given, state their finding, and read well in both themes."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from dashboard.drawing import theme
from dashboard.drawing.number_text import percent, plain, tex
from dashboard.figures import feature_plot, gradient_heatmap, label_bars, probability_bars

CONFIG = Path(theme.__file__).parents[1] / ".streamlit" / "config.toml"


def soft_label(classes: int) -> np.ndarray:
    label = np.full(classes, 0.1 / classes)
    label[[3, 7]] += 0.6, 0.3
    return label


def trace(figure, name):
    return next(part for part in figure.data if part.name == name)


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("name", "colours"), [("light", theme.LIGHT), ("dark", theme.DARK)])
def test_figures_and_components_share_their_colours(name, colours):
    section = tomllib.loads(CONFIG.read_text())["theme"][name]
    assert section["backgroundColor"] == colours.background
    assert section["textColor"] == colours.text == colours.truth
    assert section["blueColor"] == colours.recovered
    assert section["orangeColor"] == colours.baseline
    assert section["grayColor"] == colours.muted


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK])
def test_words_and_marks_stand_out_from_the_page(colours):
    assert contrast(colours.text, colours.background) > 12
    for colour in (colours.muted, colours.recovered, colours.baseline):
        assert contrast(colour, colours.background) >= 4.5  # what WCAG asks of words


def test_the_page_is_private_and_local():
    config = tomllib.loads(CONFIG.read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert config["server"]["enableXsrfProtection"]
    assert config["server"]["enableCORS"]
    assert config["server"]["maxUploadSize"] == 20
    assert not config["browser"]["gatherUsageStats"]
    assert "http" not in CONFIG.read_text()


def test_figures_know_nothing_of_the_page():
    code = "import sys, dashboard.figures; assert 'streamlit' not in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CONFIG.parents[2])


def test_label_bars_state_their_finding_and_keep_every_entry():
    truth = soft_label(10)
    figure = label_bars(truth + 3e-7, truth, np.eye(10)[3], title="Soft label recovered to 3 × 10⁻⁷").checked()
    assert figure.layout.title.text == "Soft label recovered to 3 × 10⁻⁷"
    np.testing.assert_array_equal(trace(figure, "recovered").y, truth + 3e-7)
    np.testing.assert_array_equal(trace(figure, "truth").y, truth)
    assert list(trace(figure, "iDLG (one class only)").x) == [3]


@pytest.mark.parametrize("classes", [100, 1000])
def test_label_bars_of_many_classes_show_those_that_matter_and_the_shared_level(classes):
    truth = soft_label(classes)
    figure = label_bars(truth, truth).checked()
    bars = trace(figure, "recovered")
    assert len(bars.y) <= 20
    assert {"class 3", "class 7", f"{classes - len(bars.y) + 1} others, each"} <= set(figure.layout.xaxis.ticktext)
    assert bars.y[-1] == pytest.approx(0.1 / classes)


def test_an_ambiguous_label_is_hatched_and_says_so():
    truth = soft_label(10)
    allowed = (truth / 2, np.minimum(truth + 0.2, 0.8))
    figure = label_bars(truth, truth, title="Many labels fit", settled=False, allowed=allowed).checked()
    bars = trace(figure, "best guess, and all that fits")
    assert bars.marker.pattern.shape == theme.AMBIGUOUS_HATCH
    np.testing.assert_array_equal(bars.y, truth)
    np.testing.assert_allclose(bars.error_y.arrayminus, truth / 2)
    np.testing.assert_allclose(np.add(bars.y, bars.error_y.array), np.minimum(truth + 0.2, 0.8))
    assert figure.layout.title.text == "Many labels fit"


def test_an_ambiguous_feature_is_hatched_and_says_so():
    title = "The pattern is exact, its size is open"
    figure = feature_plot(np.arange(9.0), 2 * np.arange(9.0), title=title, ambiguous=True).checked()
    assert trace(figure, "best guess").marker.pattern.shape == theme.AMBIGUOUS_HATCH
    assert figure.layout.title.text == title


def test_small_numbers_of_both_signs_stay_visible_in_the_heatmap():
    scale = theme.LIGHT.signed_scale
    places, tints = zip(*scale, strict=True)
    assert list(places) == sorted(places)
    assert (places[0], places[-1]) == (0, 1)
    assert (tints[0], tints[-1]) == (theme.LIGHT.negative, theme.LIGHT.recovered)
    assert dict(scale)[0.5] == theme.LIGHT.background
    tint = next(colour for place, colour in scale if place > 0.5 + 0.5e-3)
    assert contrast(tint, theme.LIGHT.background) > 1.1


def test_the_heatmap_puts_the_outer_product_beside_the_gradient():
    rng = np.random.default_rng(0)
    gradient = np.outer(rng.normal(size=10), rng.normal(size=32))
    figure = gradient_heatmap(gradient).checked()
    sent, product = figure.data
    np.testing.assert_array_equal(sent.z, gradient)
    np.testing.assert_allclose(product.z, gradient, atol=1e-12)
    assert figure.layout.title.text.startswith("One outer product is the gradient, but for")
    alone = gradient_heatmap(gradient, title="A row for each class").checked()
    assert len(alone.data) == 1
    assert alone.data[0].showscale
    assert alone.layout.title.text == "A row for each class"


def test_a_large_gradient_is_cut_and_says_so():
    rng = np.random.default_rng(0)
    figure = gradient_heatmap(np.outer(rng.normal(size=1000), rng.normal(size=4096))).checked()
    assert np.shape(figure.data[0].z) == (40, 96)
    assert "strongest 96 of 4,096 features, 40 of 1,000 classes" in [note.text for note in figure.layout.annotations]


def test_a_gradient_of_two_samples_is_not_called_one_outer_product():
    figure = gradient_heatmap(np.eye(6)).checked()
    assert figure.layout.title.text == "One outer product misses 91 % of the gradient"
    assert gradient_heatmap(np.zeros((5, 4))).checked().layout.title.text == "The gradient is zero: nothing was sent"


def test_the_feature_plot_states_its_finding_and_cuts_long_features():
    feature = np.arange(300.0)
    figure = feature_plot(feature * 1.002, feature, title="Feature recovered").checked()
    assert figure.layout.title.text == "Feature recovered"
    assert figure.layout.xaxis.title.text == "the 128 largest of 300 entries"
    outline = trace(figure, "truth")
    assert list(outline.y) == [feature[-128], *feature[-128:], feature[-1]]
    assert (outline.x[0], outline.x[-1]) == (-0.5, 127.5)  # around the whole of the first bar, and of the last


def test_probability_bars_name_the_prediction():
    figure = probability_bars([0.1, 0.7, 0.2], [0.0, 0.0, 1.0], ["cat", "dog", "owl"]).checked()
    assert figure.layout.title.text == "The network says “dog” with 70 %"
    assert list(trace(figure, "label").y) == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("dark", [False, True])
def test_every_figure_is_transparent_and_follows_the_theme(dark):
    truth, colours = soft_label(10), theme.palette(dark)
    figures = (
        label_bars(truth, truth, dark=dark).checked(),
        probability_bars(truth, truth, dark=dark).checked(),
        gradient_heatmap(np.outer(truth, truth), dark=dark).checked(),
        feature_plot(truth, truth, dark=dark).checked(),
    )
    for figure in figures:
        assert (
            figure.layout.template.layout.paper_bgcolor == figure.layout.template.layout.plot_bgcolor == "rgba(0,0,0,0)"
        )
        assert figure.layout.template.layout.font.color == colours.text
        assert figure.layout.title.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-1.8312, "−1.83"),
        (3.2e-7, "3.2\u00a0×\u00a010⁻⁷"),
        (123456, "1.2\u00a0×\u00a010⁵"),
        (np.inf, "∞"),
        (np.nan, "–"),
    ],
)
def test_numbers_read_like_numbers(value, text):
    assert plain(value) == text


def test_shares_and_formulas():
    assert percent(0.012) == "1.2 %"
    assert percent(0.65) == "65 %"
    assert percent(0.9999) == "over 99 %"
    assert percent(1) == "100 %"
    assert percent(1e-6) == "under 0.1 %"
    assert percent(0) == "0 %"
    assert tex(3.21e-7, 3) == r"3.2 \times 10^{-7}"
    assert tex(-1.83) == "-1.830"
    assert tex(float("-inf")) == r"-\infty"
