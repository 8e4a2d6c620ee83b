"""The settings of a sweep survive the address, next to scenario and search; nonsense becomes a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dashboard.address.search_settings import SearchSettings
from dashboard.address.sweep_settings import MOST_REPEATS, SweepSettings
from gradinv_core.experiments.scenario import UNTRAINED, Scenario, from_query, to_query
from gradinv_core.experiments.settings import read_settings, write_settings
from gradinv_core.experiments.sweep.parameters import SWEEP_PARAMETERS

sweeps = some.builds(
    SweepSettings,
    parameter=some.sampled_from(list(SWEEP_PARAMETERS)),
    repeats=some.integers(1, MOST_REPEATS),
    picture=some.booleans(),
    run=some.sampled_from(["no", "yes"]),
)


def test_the_default_leaves_the_address_empty():
    assert write_settings(SweepSettings()) == {}
    assert read_settings({}, SweepSettings) == (SweepSettings(), [])


@given(sweeps)
def test_every_sweep_survives_the_address_and_leaves_the_others_alone(settings):
    query = write_settings(settings)
    assert read_settings(query, SweepSettings) == (settings, [])
    assert from_query(query, lambda _: (UNTRAINED,)) == (Scenario(), [])
    assert read_settings(query, SearchSettings) == (SearchSettings(), [])


def test_scenario_search_and_sweep_share_no_name():
    scenario = Scenario("digits", 1, "alexnet", 100, True, "uniform", "x", "mixup", 0.2, 0.3, 2, 3, "1", 4)
    search = SearchSettings("true", "adam", "l2", 7, 0.5, "exact", "one")
    sweep = write_settings(SweepSettings("clip", 3, True, "yes"))
    assert len(sweep) == 4
    assert not sweep.keys() & (to_query(scenario).keys() | write_settings(search).keys())


@given(some.dictionaries(some.sampled_from(["sweep", "repeats", "sweep_picture", "run_sweep", "x"]), some.text()))
def test_anything_in_an_address_gives_a_sweep(query):
    settings, sentences = read_settings(query, SweepSettings)
    assert settings.parameter in SWEEP_PARAMETERS
    assert write_settings(settings).keys() <= query.keys()
    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("sweep", "luck", "sweep “luck”, but it can only be noise, clip, prune,"),
        ("repeats", "0", "repeats “0”, but it must be a whole number from 1 to 100; the page shows 10 instead."),
        ("repeats", "101", "it must be a whole number from 1 to 100"),
        ("sweep_picture", "1", "sweep_picture “1”, but it can only be yes, no; the page shows no instead."),
        ("run_sweep", "now", "run_sweep “now”, but it can only be no, yes; the page shows no instead."),
    ],
)
def test_nonsense_becomes_the_default_and_a_sentence(name, text, sentence):
    settings, sentences = read_settings({name: text}, SweepSettings)
    assert settings == SweepSettings()
    assert len(sentences) == 1
    assert sentence in sentences[0]


def test_a_resting_sweep_differs_in_nothing_else():
    assert SweepSettings("clip", 3, True, "yes").resting == SweepSettings("clip", 3, True)
