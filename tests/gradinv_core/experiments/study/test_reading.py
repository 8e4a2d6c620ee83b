"""A specification is checked before anything runs, and says in one sentence what is wrong with it."""

import pytest

from gradinv_core.checkpoints import available_stages
from gradinv_core.errors import OptionError
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.study import PRESETS, read_specification
from gradinv_core.experiments.study.plan import core_seconds, in_words, plan
from gradinv_core.experiments.study.reading import parse_specification

CELLS = '[[cells]]\nnetwork = "fcn_small"\n'


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_planned_and_has_a_quick_form_of_two_minutes(name):
    full, quick = read_specification(name), read_specification(name, quick=True)
    assert full.total > quick.total > 0
    assert core_seconds(plan(quick)) < 240  # two minutes on two cores, as far as can be told
    assert full.title
    assert full.about.endswith(".")


def test_presets_are_those_that_were_promised():
    assert PRESETS == ("ours", "paper-labels", "paper-pictures-conv", "paper-pictures-fcn")


def test_a_block_is_every_combination_of_its_values():
    text = 'seeds = 3\n[[cells]]\nnetwork = ["fcn_small", "vit_small"]\nclasses = [10, 100]\naugmentation = "mixup"'
    found = parse_specification(text, "mine")
    assert [(cell.network, cell.classes, cell.augmentation) for cell in found.cells] == [
        ("fcn_small", 10, "mixup"),
        ("fcn_small", 100, "mixup"),
        ("vit_small", 10, "mixup"),
        ("vit_small", 100, "mixup"),
    ]
    assert found.total == 12
    assert found.rows == ("network", "classes")  # whatever varies, unless it is said


def test_trained_stands_for_every_trained_stage():
    found = parse_specification('[[cells]]\nnetwork = "fcn_small"\nstage = "trained"\ndataset = "digits"', "mine")
    assert tuple(cell.stage for cell in found.cells) == available_stages("fcn_small")[1:]


def test_the_quick_form_lies_over_the_rest(small):
    full, quick = (parse_specification(small.text, "small", quick=quick) for quick in (False, True))
    assert (full.seeds, quick.seeds) == (4, 1)
    assert full.cells == quick.cells


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("title = ", r"mine: expected a TOML file, got one that cannot be read \(.*\); mend it"),
        (f"seed = 3\n{CELLS}", "mine: unknown key seed; known are about, cells, epsilon"),
        (f"{CELLS}colour = 1", "mine: unknown key cells.colour; known are .*network"),
        (f"{CELLS}image = 1", "mine: unknown key cells.image"),
        ("", r"mine: cells: expected at least one table \[\[cells\]\], got none"),
        (f'seeds = "3"\n{CELLS}', "mine: seeds: expected a whole number from 1 to 1,000,000, got '3'"),
        (f"seeds = true\n{CELLS}", "mine: seeds: expected a whole number from 1 to 1,000,000, got True"),
        (f'kind = "sound"\n{CELLS}', "mine: kind: expected one of label, picture, got 'sound'"),
        (f'solvers = ["magic"]\n{CELLS}', "mine: solvers: expected one of ours, paper, bias, idlg, got 'magic'"),
        (f"solvers = []\n{CELLS}", "mine: solvers: expected a list out of ours, paper, bias, idlg"),
        (f"ratio = [0.9, 0.5]\n{CELLS}", r"mine: ratio: expected \[low, high\] in \[0, 1\]"),
        (f'rows = ["colour"]\n{CELLS}', "mine: rows: expected one of dataset, network"),
        ('[[cells]]\nnetwork = "vgg"', "cells.network: got 'vgg', but it can only be fcn4, fcn_small"),
        (f'{CELLS}dataset = "imagenet"', "cells.dataset: got 'imagenet', but it can only be digits, photographs"),
        (f'{CELLS}classes = "ten"', "cells.classes: expected a whole number, got 'ten'"),
        (f"{CELLS}classes = []", "cells.classes: expected at least one value, got an empty list"),
        (f"{CELLS}head_bias = 1", "cells.head_bias: expected true or false, got 1"),
        (f'{CELLS}epsilon = "much"', "cells.epsilon: expected a number, got 'much'"),
        (
            f'{CELLS}stage = "late"',
            "cells.stage of fcn_small: expected one of untrained, .*, trained, a file of gradinv train, got 'late'",
        ),
        (
            '[[cells]]\nnetwork = "alexnet"\nstage = "trained"',
            "cells.stage of alexnet: expected one of untrained, a file of gradinv train, got",
        ),
        (f'{CELLS}stage = "trained"\nclasses = 100', "expected no classes, head_bias or initialisation with trained"),
        (f'{CELLS}defences = "armour:1"', "cells.defences: got 'armour:1', but"),
    ],
)
def test_one_clear_sentence_for_each_mistake(text, sentence):
    with pytest.raises(OptionError, match=sentence):
        parse_specification(text, "mine")


def test_a_quick_form_that_is_not_there_is_said():
    with pytest.raises(OptionError, match=r"quick: expected a table \[quick\]"):
        parse_specification(CELLS, "mine", quick=True)


def test_a_source_that_is_not_there_names_the_presets(tmp_path):
    with pytest.raises(OptionError, match=r"expected one of ours, paper-labels.*, or a TOML file, got"):
        read_specification(tmp_path / "absent.toml")


def test_the_plan_says_what_it_will_do(small):
    specification = parse_specification(small.text, "small")
    said = in_words(specification, plan(specification), 2)
    assert "32 samples in 8 cells on 1 networks (fcn_small), asked of ours, bias, idlg" in said
    assert "with 2 processes" in said


def test_a_cell_without_anything_is_the_default_scenario():
    assert parse_specification("[[cells]]", "mine").cells == (Scenario(),)
