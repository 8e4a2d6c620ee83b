"""A plan is the same every time, every sample has an address, and a key says all that its outcome follows from."""

from dataclasses import replace
from itertools import pairwise

import pytest

from gradinv_core.checkpoints import available_stages
from gradinv_core.experiments.scenario import OWN_CLASS, from_query, to_query
from gradinv_core.experiments.study import PRESETS, plan, read_specification
from gradinv_core.experiments.study.reading import parse_specification
from gradinv_core.experiments.study.workers.local import handfuls


@pytest.mark.parametrize("name", PRESETS)
def test_every_sample_survives_the_address_and_has_a_key_of_its_own(name):
    samples = plan(read_specification(name, quick=True))
    assert len({sample.key("code") for sample in samples}) == len(samples)
    for sample in samples:
        assert from_query(to_query(sample.scenario), available_stages) == (sample.scenario, [])


def test_the_same_plan_every_time_and_more_seeds_go_on(small):
    specification = parse_specification(small.text, "small")
    samples = plan(specification)
    assert samples == plan(specification)
    longer = plan(replace(specification, seeds=6))
    assert [sample.key("") for sample in longer[: len(samples)]] == [sample.key("") for sample in samples]


def test_every_cell_comes_once_before_any_comes_again_and_networks_stay_together(small):
    samples = plan(parse_specification(small.text, "small"))
    assert sorted(sample.cell for sample in samples[:8]) == list(range(8))
    networks = [sample.scenario.public for sample in samples]
    changes = sum(one != other for one, other in pairwise(networks))
    assert changes == len(set(networks)) - 1


def test_all_cells_get_the_same_pictures_and_strengths(small):
    first = [sample.scenario for sample in plan(parse_specification(small.text, "small"))[:8]]
    assert len({(one.image, one.partner) for one in first}) == 1
    assert len({(one.epsilon, one.ratio) for one in first if one.augmentation == "mixup+smoothing"}) == 1


def test_what_a_block_fixes_is_not_drawn_and_a_trained_network_keeps_the_picture_s_class():
    text = '[[cells]]\ndataset = "digits"\nnetwork = "fcn_small"\nstage = "hard-epoch-5"\nepsilon = 0.25\nratio = 0.5\n'
    (sample,) = plan(parse_specification(f'{text}augmentation = "mixup+smoothing"', "mine"))
    assert (sample.scenario.epsilon, sample.scenario.ratio, sample.scenario.target) == (0.25, 0.5, OWN_CLASS)


def test_a_key_depends_on_the_scenario_the_solvers_and_the_code_and_not_on_the_place(small):
    sample = plan(parse_specification(small.text, "small"))[0]
    assert sample.key("a") == replace(sample, number=99, cell=5).key("a")
    others = [sample, replace(sample, solvers=("ours",)), replace(sample, scenario=replace(sample.scenario, image=9))]
    assert len({other.key("a") for other in others} | {sample.key("b")}) == 4


def test_a_block_may_play_more_samples_of_each_seed():
    text = "seeds = 3\n[[cells]]\nclasses = [10, 17]\n[[cells]]\nclasses = 20\nsamples_per_seed = 2"
    specification = parse_specification(text, "mine")
    samples = plan(specification)
    assert [sample.scenario.classes for sample in samples] == [10, 17, 20, 20] * 3
    assert specification.total == len(samples)
    assert "samples_per_seed" not in set().union(*specification.fixed)


def test_a_process_gets_samples_that_share_a_network_together_a_few_at_a_time(small):
    samples = plan(parse_specification(small.text.replace("seeds = 4", "seeds = 1\nsamples_per_seed = 5"), "small"))
    handed = list(handfuls(samples))
    assert [sample for handful in handed for sample in handful] == list(samples)
    assert [len(handful) for handful in handed] == [8, 2] * 4
    assert all(len({sample.scenario.public for sample in handful}) == 1 for handful in handed)
    assert len(list(handfuls(replace(sample, kind="picture") for sample in samples))) == len(samples)
