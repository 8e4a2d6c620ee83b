"""What the core says to programmers never reaches the reader of the page."""

import ast
import json
import re
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict

import gradinv_core
from dashboard import cache
from dashboard.claims.plain_words import CONTRADICTION, in_words, of_error, speaks_to_programmers
from gradinv_core import errors
from gradinv_core.defences import read_defences
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import play
from gradinv_core.experiments.server.attack import attack_image, attack_label

KINDS = [getattr(errors, name) for name in errors.__all__]
IDENTIFIERS = re.compile(
    r"label_format|noise_std|weight_grad|bias_grad|gradient_scale|method=|\.weight\b|: expected |urlopen|"
    r"\d\.?\d*e[-+]\d\d"
)


def raised():
    """Every message with which the core raises an error of its own, holes filled."""
    for path in Path(gradinv_core.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            call = node.exc if isinstance(node, ast.Raise) else None
            kind = getattr(errors, getattr(getattr(call, "func", None), "id", ""), None)
            if kind is not None and call.args:
                yield kind, filled(call.args[0])


def filled(node):
    if isinstance(node, ast.JoinedStr):
        return "".join(map(filled, node.values))
    return str(node.value) if isinstance(node, ast.Constant) else "3.weight"


def test_no_error_of_the_core_speaks_to_programmers_on_the_page():
    messages = list(raised())
    assert len(messages) > 100
    for kind, message in messages:
        words = of_error(kind(message))
        assert not speaks_to_programmers(words), (message, words)
        assert words.endswith((".", "?")), (message, words)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_nobody_has_seen_yet_is_a_sentence_by_its_kind(kind):
    words = of_error(kind("some_option: expected 3.weight, got label_format='x' and 2e-05."))
    assert not speaks_to_programmers(words)
    assert words.endswith(".")


def refusal(**scenario):
    scene = play(Scenario(**scenario))

    def attack():
        found = attack_label(scene.network, scene.gradients, scene.announced)
        attack_image(scene.network, found.gradients)

    with pytest.raises(errors.GradientInversionError) as caught:
        attack()
    return of_error(caught.value)


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (
            {"dataset": "digits", "classes": 3},
            "With 3 classes too few can agree: λ is found and checked by classes that share a value, and that takes "
            "5. A bias in the last layer would tell λ at once.",
        ),
        (
            {"defences": "withhold head"},
            "The last layer's gradient was not sent. Label and feature are read off it, so there is nothing to begin "
            "with.",
        ),
        ({"defences": "prune:0.9"}, "The last layer's gradient is far from one outer product: what is left over is "),
        ({"network": "alexnet"}, "No exact route to the picture is known for a network of this kind: "),
    ],
)
def test_the_refusals_a_visitor_meets(scenario, words):
    told = refusal(**scenario)
    assert told.startswith(words)
    assert not IDENTIFIERS.search(told)


def test_a_max_pool_in_the_way_is_named():
    told = of_error(
        errors.NoExactRouteError(
            "no exact route to the image is known for this network yet: max pool features.5 does not stand right "
            "behind the first layer and its activation. Label and feature are recovered all the same."
        )
    )
    assert "one of its max pools drops all but the largest" in told
    assert not IDENTIFIERS.search(told)


def test_too_many_defences_are_a_sentence():
    with pytest.raises(errors.OptionError) as caught:
        read_defences("clip:1~gaussian:1~prune:0.5~quantise:8~sign~withhold head~drop rows:0.5")
    assert of_error(caught.value).startswith("There is room for 6 defences at a time")


def test_a_failed_download_is_a_sentence():
    told = of_error(
        errors.DatasetUnavailableError(
            "CIFAR-10 has to be downloaded once, and that failed (<urlopen error [Errno -2] Name or service not "
            "known>); connect this machine to the internet and try again."
        )
    )
    assert told.startswith("CIFAR-10 has to be downloaded once, and that does not work now: ")
    assert "urlopen" not in told


def test_contradicting_layers_are_one_sentence():
    error = errors.MisfitError("gradient 3.weight: expected the product of the recovered output gradient and one input")
    assert of_error(error) == CONTRADICTION


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It fits to 4.2e-01, lambda from -525 to 734.", "It fits to 0.42, λ from −525 to 734."),
        ("2.0e-07 is left.", "2\u00a0×\u00a010⁻⁷ is left."),
        ("12% of it. Pass gradient_scale='unknown' to accept that.", "12 % of it."),
        (
            "layer layer2.0.down skips pixels that layers layer2.0.conv1, layer2.0.down do not determine.",
            "layer2.0.down passes over pixels that layer2.0.conv1, layer2.0.down do not determine.",
        ),
    ],
)
def test_the_core_s_numbers_are_written_as_the_page_writes_them(text, words):
    assert in_words(text) == words


SCENARIOS = [
    {},
    {"dataset": "digits", "classes": "3"},
    {"defences": "withhold head"},
    {"defences": "prune:0.9"},
    {"defences": "gaussian:1"},
    {"defences": "gaussian:1e-05"},
    {"defences": "quantise:4", "aware": "yes"},
    {"defences": "drop rows:0.3"},
    {"defences": "clip:0.5~prune:0.5", "label": "custom"},
    {"defences": "sign"},
    {"label": "custom"},
    {"sharpness": "1000", "label": "none", "class": "3"},
    {"samples": "3"},
    {"defences": "gaussian:0.003"},
    {"dataset": "digits", "network": "lenet_sigmoid", "stage": "hard-epoch-160"},
]
RACES = (
    {},
    {"label": "custom"},
    {"sharpness": "1000", "label": "none", "class": "3"},
    {"dataset": "digits", "network": "lenet_sigmoid", "stage": "hard-epoch-160"},
)
"""Where every solver arrives, gives up, finds one of many or a wrong λ; other races say the same, after seconds."""


@pytest.mark.parametrize("query", SCENARIOS, ids=lambda query: ",".join(query.values()) or "plain")
def test_no_page_shows_an_identifier_or_a_raw_exponent(lab, rebuilt, query, monkeypatch):
    if query not in RACES:
        monkeypatch.setattr(cache, "solver_race", lambda *_: ())
    page = lab(**query)
    if "background jobs" in page.session_state and "network" not in query:  # where a picture comes, and comes soon
        page = rebuilt(page)
    assert_plain(page)
    assert_plain(page.switch_page("app_pages/failures.py").run())


def assert_plain(page):
    assert not page.exception
    for text in visible(page):
        assert not IDENTIFIERS.search(text), text


def visible(page):
    """Every text of a page: of its elements, their helps, their figures and tables, and what components get."""
    for block in (page.main, page.sidebar):
        for element in block:
            if element.proto is not None:
                yield from texts(MessageToDict(element.proto))


def texts(value):
    if isinstance(value, dict):
        for name, part in value.items():
            if name not in ("id", "bdata", "formId", "jsContent", "cssContent"):
                yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, str):
        if value.startswith(("{", "[")):
            try:
                yield from texts(json.loads(value))
            except json.JSONDecodeError:
                yield value
            else:
                return
        yield re.sub(r"data:image[^\"')]*", "", value)
