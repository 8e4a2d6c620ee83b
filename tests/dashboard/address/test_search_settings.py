"""The settings of a search survive the address, next to the scenario's; nonsense becomes the default and a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dashboard.address.search_settings import LABEL_CHOICES, MOST_ITERATIONS, SearchSettings
from gradinv_core.experiments.scenario import UNTRAINED, Scenario, from_query, to_query
from gradinv_core.experiments.settings import read_settings, write_settings
from gradinv_core.image_recovery.matching import MatchingOptions

OPTIMIZERS, DISTANCES = ["signed adam", "adam", "lbfgs"], ["cosine", "l2"]
searches = some.builds(
    SearchSettings,
    label=some.sampled_from(LABEL_CHOICES),
    optimizer=some.sampled_from(OPTIMIZERS),
    distance=some.sampled_from(DISTANCES),
    iterations=some.integers(1, MOST_ITERATIONS),
    total_variation=some.sampled_from([0.0, 1e-4, 0.01, 0.125, 10.0]),
    start=some.sampled_from(["noise", "exact"]),
    run=some.sampled_from(["no", "one", "comparison"]),
)


def test_the_default_leaves_the_address_empty():
    assert write_settings(SearchSettings()) == {}
    assert read_settings({}, SearchSettings) == (SearchSettings(), [])


@given(searches)
def test_every_search_survives_the_address_and_leaves_the_scenario_alone(settings):
    query = write_settings(settings)
    assert read_settings(query, SearchSettings) == (settings, [])
    assert from_query(query, lambda _: (UNTRAINED,)) == (Scenario(), [])


def test_a_scenario_and_a_search_share_no_name():
    scenario = Scenario("digits", 1, "alexnet", 100, True, "uniform", "x", "mixup", 0.2, 0.3, 2, 3, "1", 4)
    settings = SearchSettings("true", "adam", "l2", 7, 0.5, "exact", "one")
    assert not (to_query(scenario).keys() - {"v"}) & write_settings(settings).keys()
    assert len(to_query(scenario)) + len(write_settings(settings)) == 15 + 7


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("matchlabel", "guess", "matchlabel “guess”, but it can only be recovered, true, hard, learned;"),
        ("optimizer", "sgd", "optimizer “sgd”, but it can only be signed adam, adam, lbfgs;"),
        ("iterations", "0", "iterations “0”, but it must be a whole number from 1 to 20,000; the page shows 600"),
        ("iterations", "9999999999", "it must be a whole number from 1 to 20,000"),
        ("smoothness", "nan", "smoothness “nan”, but it must be a number from 0 to 10; the page shows 0.01 instead."),
        ("start", "here", "start “here”, but it can only be noise, exact;"),
        ("run", "forever", "run “forever”, but it can only be no, one, comparison; the page shows no instead."),
    ],
)
def test_nonsense_becomes_the_default_and_a_sentence(name, text, sentence):
    settings, sentences = read_settings({name: text}, SearchSettings)
    assert settings == SearchSettings()
    assert len(sentences) == 1
    assert sentence in sentences[0]


def test_a_resting_search_differs_in_nothing_else():
    assert SearchSettings(iterations=7, run="one").resting == SearchSettings(iterations=7)


def test_the_library_takes_whatever_the_page_offers():
    for optimizer in OPTIMIZERS:
        for distance in DISTANCES:
            assert MatchingOptions(optimizer=optimizer, distance=distance).optimizer == optimizer
