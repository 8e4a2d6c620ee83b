"""A scenario survives the address; nonsense in an address becomes the default and a sentence."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gradinv_core.augmentation import AUGMENTATIONS
from gradinv_core.client import BATCH_NORM_MODES
from gradinv_core.defences import DEFENCES, write_defences
from gradinv_core.experiments.scenario import (
    DATASET_CHOICES,
    MOST_SAMPLES,
    UNTRAINED,
    Scenario,
    from_query,
    to_query,
)
from gradinv_core.networks import INITIALISATIONS, NETWORKS


def stages(network: str) -> tuple[str, ...]:
    return (UNTRAINED, "hard-epoch-5") if network == "lenet_sigmoid" else (UNTRAINED,)


scenarios = some.builds(
    Scenario,
    dataset=some.sampled_from(DATASET_CHOICES),
    image=some.integers(0, 10_000),
    own_photo=some.booleans(),
    network=some.sampled_from(tuple(NETWORKS)),
    classes=some.sampled_from([0, 2, 10, 1000]),
    head_bias=some.booleans(),
    initialisation=some.sampled_from(INITIALISATIONS),
    augmentation=some.sampled_from(list(AUGMENTATIONS)),
    epsilon=some.integers(0, 100).map(lambda percent: percent / 100),
    ratio=some.integers(0, 100).map(lambda percent: percent / 100),
    partner=some.integers(0, 10_000),
    target=some.integers(-1, 999),
    shares=some.sampled_from(["1", "0.5, 0.3, 0.2", "3: 0.5, 7: 0.5"]),
    seed=some.integers(0, 2**31 - 1),
    sharpness=some.sampled_from([0.1, 1.0, 3.0, 1000.0]),
    gain=some.sampled_from([0.5, 1.0, 30.0]),
    samples=some.integers(1, MOST_SAMPLES),
    batch_norm=some.sampled_from(BATCH_NORM_MODES),
    defences=some.permutations([DEFENCES[name].build() for name in DEFENCES]).map(
        lambda all_: write_defences(all_[:3])
    ),
    aware=some.booleans(),
)


def test_the_default_scenario_leaves_the_address_empty():
    assert to_query(Scenario()) == {}
    assert from_query({}, stages) == (Scenario(), [])


def test_only_what_differs_is_written_and_the_version():
    scenario = Scenario(network="lenet_sigmoid", stage="hard-epoch-5", head_bias=True, epsilon=0.25, target=3)
    query = to_query(scenario)
    assert query == {
        "network": "lenet_sigmoid",
        "stage": "hard-epoch-5",
        "bias": "yes",
        "epsilon": "0.25",
        "class": "3",
        "v": "1",
    }
    assert from_query(query, stages) == (scenario, [])


@given(scenarios)
def test_every_scenario_survives_the_address(scenario):
    assert from_query(to_query(scenario), stages) == (scenario, [])


names = some.sampled_from(
    [
        "network",
        "label",
        "epsilon",
        "image",
        "class",
        "stage",
        "classes",
        "seed",
        "bias",
        "shares",
        "defences",
        "v",
        "x",
    ]
)


@given(some.dictionaries(names, some.text()))
def test_anything_in_an_address_gives_a_scenario(query):
    scenario, sentences = from_query(query, stages)
    assert to_query(scenario).keys() <= {*query, "v"}
    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("network", "vgg", "network “vgg”, but it can only be fcn4, fcn_small,"),
        ("dataset", "folder", "dataset “folder”, but it can only be digits,"),
        ("image", "-1", "image “-1”, but it must be a whole number from 0 to 10,000,000; the page shows 0 instead."),
        ("image", "٣", "image “٣”, but it must be a whole number"),
        ("epsilon", "nan", "epsilon “nan”, but it must be a number from 0 to 1; the page shows 0.1 instead."),
        ("ratio", "1.01", "ratio “1.01”, but it must be a number from 0 to 1"),
        ("bias", "maybe", "bias “maybe”, but it can only be yes, no; the page shows no instead."),
        ("classes", "1", "classes “1”, but one class is nothing to choose from"),
        (
            "class",
            "1000",
            "class “1000”, but it must be a whole number from 0 to 999; the page shows the picture's own",
        ),
        ("stage", "hard-epoch-5", "stage “hard-epoch-5”, but it can only be untrained;"),
        ("defences", "clip:0", "defences “clip·0”, but got the part 'clip:0'"),
        (
            "defences",
            "hide",
            "drop rows, perturb feature, withhold head, got 'hide'; correct that part; the page shows none",
        ),
        ("samples", "0", "samples “0”, but it must be a whole number from 1 to 8; the page shows 1 instead."),
        ("norm", "off", "norm “off”, but it can only be evaluation, training;"),
        ("gain", "0", "gain “0”, but it must be a number from 0.001 to 1000; the page shows 1 instead."),
        ("label", "vague", "label “vague”, but it can only be none, smoothing,"),
        (
            "shares",
            "half",
            "shares “half”, but it must look like 0.5, 0.3, 0.2 or like 3: 0.5, 7: 0.3, 1: 0.2;",
        ),
        ("seed", "1e3", "seed “1e3”, but it must be a whole number"),
    ],
)
def test_nonsense_becomes_the_default_and_a_sentence(name, text, sentence):
    scenario, sentences = from_query({name: text}, stages)
    assert scenario == Scenario()
    assert len(sentences) == 1
    assert sentence in sentences[0]


def test_a_strangers_text_is_shown_short_and_without_markup():
    _, sentences = from_query({"network": "[click](http://example.com)<b>" + "x" * 200}, stages)
    assert "[" not in sentences[0]
    assert "<" not in sentences[0]
    assert len(sentences[0]) < 400


def test_another_version_is_said_and_still_read():
    scenario, sentences = from_query({"v": "7", "seed": "3"}, stages)
    assert scenario == Scenario(seed=3)
    assert sentences == ["This address comes from another version of the page, so parts of it may be missing here."]


def test_a_scenario_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Scenario().seed = 1  # type: ignore[misc]
