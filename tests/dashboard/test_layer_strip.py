"""The strip of layers says what leaks, with shapes and hatches as well as with colours."""

import pytest

from dashboard.drawing import theme
from dashboard.figures import StripBlock, StripLayer, convergence, layer_strip

EXACT = StripLayer("0", "convolution 5x5, 3 to 12", 3072, 3972, "exact", 3072, 2e-7, 1e-6)
ALMOST = StripLayer("2", "convolution 5x5, 12 to 12", 3072, 4368, "almost", 2400, 1e-5, 0.2)
NOT = StripLayer("4", "convolution 5x5, 12 to 12", 768, 300, "not", 300, 0.1, 0.9)


def bars(figure, name):
    return next(part for part in figure.data if part.name == name)


def counted(unknowns: int, equations: int, leak: str) -> StripLayer:
    return StripLayer("conv", "convolution", unknowns, equations, leak)


@pytest.mark.parametrize(
    ("layers", "title"),
    [
        ([EXACT], "The only layer leaks exactly"),
        ([EXACT, EXACT], "Both layers leak exactly"),
        ([EXACT] * 4, "All 4 layers leak exactly"),
        ([ALMOST, EXACT, EXACT], "2 of 3 layers leak exactly, 1 almost"),
        ([NOT, ALMOST, EXACT], "1 of 3 layers leaks exactly, 1 almost, 1 not"),
        ([NOT, ALMOST], "1 of 2 layers leaks almost, 1 not"),
        ([NOT, NOT], "2 not"),
    ],
)
def test_the_title_counts_what_leaks(layers, title):
    title = "No layer leaks" if title == "2 not" else title
    assert layer_strip(layers).checked().layout.title.text == title


def test_an_outline_is_filled_as_far_as_its_unknowns_are_determined():
    figure = layer_strip([NOT, ALMOST, EXACT]).checked()
    assert list(bars(figure, "unknowns").x) == [1, 1, 1]
    assert list(bars(figure, "leaks exactly").x) == [1]
    assert list(bars(figure, "leaks almost").x) == [2400 / 3072]
    assert list(bars(figure, "does not leak").x) == [300 / 768]
    # The picture is on top, and every bar stands in its own row.
    assert list(bars(figure, "does not leak").y) == [3]
    assert list(bars(figure, "leaks exactly").y) == [1]


def test_verdicts_differ_without_any_colour():
    figure = layer_strip([NOT, ALMOST, EXACT]).checked()
    assert bars(figure, "leaks exactly").marker.pattern.shape is None
    assert bars(figure, "leaks almost").marker.pattern.shape == theme.AMBIGUOUS_HATCH
    texts = [note.text for note in figure.layout.annotations]
    assert texts[0].startswith("convolution 5x5, 12 to 12<br>")
    assert "300 equations for 768 unknowns" in texts[0]
    assert "does not leak" in bars(figure, "does not leak").hovertext[0]
    assert (
        "residual 1\u00a0×\u00a010⁻⁵<br>error bar 0.20 of the input's size" in bars(figure, "leaks almost").hovertext[0]
    )


def test_networks_that_are_only_counted_never_look_solved():
    figure = layer_strip([counted(100, 250, "exact"), counted(100, 60, "almost"), counted(100, 10, "not")]).checked()
    assert figure.layout.title.text == "Only counted: 2 of 3 layers have fewer equations than unknowns"
    enough = bars(figure, "enough equations")
    assert enough.marker.pattern.shape == theme.AMBIGUOUS_HATCH
    assert list(enough.x) == [1]
    assert list(bars(figure, "fewer than half").x) == [0.1]
    half = bars(layer_strip([counted(100, 50, "almost")]).checked(), "half of them or more")
    assert half.marker.pattern.shape != enough.marker.pattern.shape
    assert (
        layer_strip([counted(1, 2, "exact")])
        .checked()
        .layout.title.text.startswith("Only counted: every layer has at least as many")
    )


def test_a_deep_network_is_cut_in_the_middle_and_says_so():
    figure = layer_strip([counted(100, 250, "exact")] * 54).checked()
    texts = [note.text for note in figure.layout.annotations]
    assert "… 35 more …" in texts
    assert len(texts) == 20
    assert figure.layout.height < 1200


def block(name: str, *layers: StripLayer, skip: tuple[StripLayer, ...] = ()) -> StripBlock:
    return StripBlock(name, layers, skip)


def test_a_block_is_one_row_with_the_numbers_of_all_its_layers():
    figure = layer_strip([EXACT, block("layer1.0", EXACT, ALMOST, skip=(NOT,)), EXACT]).checked()
    texts = [note.text for note in figure.layout.annotations]
    assert "block of 2 layers" in texts[1]
    assert (
        "8,640 equations for 6,144 unknowns" in texts[1]
    )  # a layer on the skip has equations, and no unknowns of its own
    assert list(bars(figure, "leaks almost").x) == [(3072 + 2400) / 6144]
    told = bars(figure, "leaks almost").hovertext[0]
    assert all(f"<b>{layer.name}</b>" in told for layer in (EXACT, ALMOST, NOT))
    assert figure.layout.title.text == "3 of 5 layers leak exactly, 1 almost, 1 not"


def test_a_skip_is_drawn_around_its_block_and_nowhere_else():
    drawn = layer_strip([EXACT, block("layer1.0", EXACT, EXACT), EXACT]).checked()
    skip = bars(drawn, "skip")
    assert None in skip.x
    assert min(value for value in skip.x if value is not None) < 0
    heights = [value for value in skip.y if value is not None]
    assert 1 < min(heights) < 2 < max(heights) < 3
    assert "the loss gradient comes back the same way" in skip.hovertext[0]
    assert all(part.name != "skip" for part in layer_strip([EXACT] * 3).checked().data)


def test_what_a_search_filled_in_looks_like_nothing_else():
    found = StripLayer("conv1", "convolution", 3072, 864, "not", 0, 1e-4, 0.1, filled=True)
    figure = layer_strip([found, EXACT, EXACT]).checked()
    searched = bars(figure, "filled in by a search")
    assert (list(searched.base), list(searched.x)) == ([0], [1])
    assert searched.marker.pattern.shape not in (None, theme.AMBIGUOUS_HATCH)
    assert all(part.name != "does not leak" for part in figure.data)
    assert figure.layout.title.text == "2 of 3 layers leak exactly, 1 was filled in by a search"


def test_layers_that_nobody_needs_are_not_counted():
    between = StripLayer("blocks.0.mlp.0", "fully connected", 100, 50, "unneeded")
    figure = layer_strip([EXACT, block("blocks.0.mlp", between, between), EXACT])
    assert figure.title == "Both layers leak exactly; the 2 layers between need not be undone"
    assert list(bars(figure.checked(), "not needed").y) == [2]
    assert list(bars(figure.checked(), "unknowns").y) == [3, 1]


def test_the_text_alternative_tells_every_row():
    words = layer_strip([ALMOST, block("layer1.0", EXACT, EXACT)]).alt
    assert words.startswith("2 of 3 layers leak exactly, 1 almost. From the picture to the head: ")
    assert "block of 2 layers: 7,944 equations for 6,144 unknowns, error bar 1\u00a0×\u00a010⁻⁶ of its size" in words
    assert words.endswith("leaks exactly.")


@pytest.mark.parametrize("dark", [False, True])
def test_it_follows_the_theme(dark):
    figure, colours = layer_strip([EXACT, ALMOST], dark=dark).checked(), theme.palette(dark)
    assert figure.layout.template.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert bars(figure, "leaks exactly").marker.color == colours.recovered
    assert bars(figure, "unknowns").marker.line.color == colours.truth


def test_a_completed_layer_shows_how_its_search_came_to_rest():
    figure = convergence({"0": [10.0 ** (-place / 100) for place in range(1000)], "2": [1.0, 0.5]}).checked()
    assert figure.layout.title.text == "The open directions settled to 0.50 in 1,000 rounds"
    first, second = figure.data
    assert len(first.x) <= 400
    assert (first.x[0], first.x[-1]) == (1, 1000)
    assert first.line.dash != second.line.dash
