"""The page says only what holds: a fast part of the walk over its sentences; `study_sentences.py` walks all of it."""

import ast
import inspect
from dataclasses import replace
from pathlib import Path

import pytest
import sentence_walk
from sentence_checks import CHECKERS, changed, informed
from sentence_walk import walk
from study_sentences import DEFENCES, SHARES, false_ones, scenarios

from dashboard import claims
from dashboard.claims import Claim, Kind, batch, cause, feature, gradient, label, picture, race, reason, windows
from gradinv_core.defences import DEFENCES as CATALOGUE
from gradinv_core.defences import read_defences
from gradinv_core.experiments.scenario import Scenario

MODULES = (batch, cause, feature, gradient, label, picture, race, reason, windows)
LENET = Scenario(network="lenet_sigmoid", shares=SHARES, partner=3)


def held(world):
    """Nothing false, and no server that had all it needs is sure and wrong."""
    assert not false_ones(world)
    if not changed(world) or informed(world):
        assert not [claim.text for _, claim in world.told if claim.kind is Kind.MISLED]
    return {claim.kind for _, claim in world.told}


def text_of(world, *kinds):
    return next(claim.text for _, claim in world.told if claim.kind in kinds)


def test_every_kind_of_sentence_has_a_checker():
    assert set(CHECKERS) == set(Kind)


def test_every_kind_of_sentence_is_said_somewhere():
    folder = Path(claims.__file__).parents[1]
    paths = [*folder.glob("claims/*.py"), folder / "sections" / "failures" / "why.py"]
    source = "".join(path.read_text(encoding="utf-8") for path in paths)
    assert not [kind.name for kind in Kind if f"Kind.{kind.name}" not in source]


def test_every_function_that_makes_a_sentence_is_walked():
    source = inspect.getsource(sentence_walk)
    for module in MODULES:
        for name in module.__all__:
            made = getattr(module, name)
            if inspect.isfunction(made) and "Claim" in str(inspect.signature(made).return_annotation):
                assert name in source, f"{module.__name__}.{name}"


def test_sections_and_figures_make_no_such_sentence_themselves():
    claimed = ("is exact", "are exact", "**Unique", "**Ambiguous", "ot recovered", "follows no pattern", "so sure of")
    folder = Path(claims.__file__).parents[1]
    for path in [*folder.rglob("sections/**/*.py"), *folder.glob("figures/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not [words for words in claimed if words in node.value], path.name


def test_the_walk_meets_every_defence_informed_and_not():
    met = {(name, scenario.aware) for scenario in scenarios() for name in names(scenario.defences)}
    assert met >= {(name, aware) for name in CATALOGUE for aware in (False, True)}


def names(defences):
    return [defence.name for defence in read_defences(defences)]


@pytest.mark.parametrize("aware", [False, True])
@pytest.mark.parametrize("defences", DEFENCES)
def test_every_sentence_under_a_defence_holds(defences, aware):
    held(walk(Scenario(shares=SHARES, defences=defences, aware=aware), searches=defences == "clip:1"))
    held(walk(replace(LENET, augmentation="custom", image=3, defences=defences, aware=aware), pictures=False))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 0, 100])
def test_every_sentence_about_few_and_many_classes_holds(classes, bias):
    held(walk(replace(LENET, dataset="digits", classes=classes, head_bias=bias, image=2), pictures=False))


def test_the_pattern_is_not_exact_where_features_were_hidden():
    kinds = held(walk(Scenario(defences="perturb feature:0.1")))
    assert Kind.PATTERN_EXACT not in kinds
    assert Kind.PATTERN_OFF in kinds


def test_signs_do_not_make_a_sure_network():
    assert Kind.SURE_NETWORK not in held(walk(Scenario(defences="sign", aware=True), pictures=False))


def test_smoothing_is_not_called_structureless_for_certain():
    world = walk(Scenario(defences="perturb feature:0.1"), pictures=False)
    held(world)
    assert text_of(world, Kind.NO_PATTERN).startswith("**Ambiguous.** Either this label follows no pattern")


def test_an_open_brightness_has_error_bars_that_know_of_it_or_none():
    world = walk(Scenario(augmentation="custom"))
    kinds = held(world)
    assert Kind.BRIGHTNESS_OPEN in kinds
    assert (Kind.BARS in kinds) is not (Kind.NO_BARS in kinds)


def test_two_alike_pictures_are_an_average_and_nothing_unique():
    world = walk(replace(LENET, dataset="digits", samples=2, target=3), pictures=False)
    kinds = held(world)
    assert Kind.UNIQUE not in kinds


def test_pictures_that_were_taken_apart_are_all_right_and_others_stay_together():
    apart = held(walk(Scenario(network="lenet_relu", samples=4), pictures=False))
    assert Kind.BATCH_APART in apart
    assert Kind.BATCH_TOGETHER in held(walk(Scenario(network="fcn_small", samples=8), pictures=False))


def test_ranges_hold_the_truth_where_entries_were_rounded():
    for bits in (6, 8, 10):
        world = walk(Scenario(defences=f"quantise:{bits}", aware=True), pictures=False)
        assert Kind.RANGE_MISSED not in held(world)


def test_a_false_sentence_would_be_found():
    world = walk(Scenario(), pictures=False)
    world.told = [("label", Claim(Kind.SURE_NETWORK, "So sure.")), ("label", Claim(Kind.PATTERN_EXACT, "Exact."))]
    assert [claim.kind for _, claim in false_ones(world)] == [Kind.SURE_NETWORK]
