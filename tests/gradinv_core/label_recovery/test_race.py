"""The race: every verdict reached on real heads, honest counts, and ways that can be played back."""

import dataclasses

import numpy as np
import pytest
import torch

from gradinv_core import capture_gradients, mixup_label, recover_label, smooth_label
from gradinv_core.checkpoints import load_checkpoint
from gradinv_core.datasets import load_dataset
from gradinv_core.errors import ClassCountError, OptionError, ShapeError
from gradinv_core.head import factor_heads, observe_head
from gradinv_core.head.landscape import variance_losses
from gradinv_core.head.structures import LABEL_FORMATS
from gradinv_core.label_recovery import paper_search, scan
from gradinv_core.label_recovery.paper_search import Ending, Move
from gradinv_core.label_recovery.race import Outcome, RaceVerdict, Solver, race, verdict
from gradinv_core.networks import build_network


def head_of(model, image, label):
    view = observe_head(model, capture_gradients(model, image, label))
    return factor_heads(view.weight, view.weight_grad[None], view.bias), view


def digit(index):
    return load_dataset("digits", 32)[index][0]


@pytest.fixture(scope="module")
def untrained():
    model = build_network("lenet_sigmoid", 10, seed=0)
    return head_of(model, digit(0), mixup_label(0, 3, 10, ratio=0.65, epsilon=0.1))


@pytest.fixture(scope="module")
def trained():
    """A head whose dip is deep and narrow, beside a slope that leads out to infinity."""
    model = load_checkpoint("lenet_sigmoid", "mixup-epoch-80")
    return head_of(model, digit(3), mixup_label(3, 6, 10, ratio=0.65, epsilon=0.1))


def by_name(racers):
    assert [racer.name for racer in racers] == list(Solver)
    return {racer.name: racer for racer in racers}


def test_on_an_easy_head_all_four_are_right_and_two_know(untrained):
    head, view = untrained
    racers = race(head)
    exact = recover_label(view.weight, view.weight_grad)
    assert {verdict(racer, exact) for racer in racers} == {RaceVerdict.RIGHT}
    assert [racer.knows for racer in racers] == [True, True, False, False]
    assert [racer.status for racer in racers] == [Outcome.UNIQUE] * 2 + [Outcome.AMBIGUOUS] * 2
    for judge in racers[:2]:  # either of ours may judge as well
        assert {verdict(racer, judge) for racer in racers} == {RaceVerdict.RIGHT}


def test_a_search_that_leaves_its_bounds_is_out_of_bound(trained):
    head, view = trained
    exact = recover_label(view.weight, view.weight_grad)
    racer = by_name(race(head))[Solver.PAPER_LBFGS]
    assert racer.ending is Ending.OUT_OF_BOUND
    assert abs(racer.end) > paper_search.LBFGS_BOUND
    assert racer.status is Outcome.NOTHING
    assert verdict(racer, exact) is RaceVerdict.OUT_OF_BOUND


def test_without_bounds_lbfgs_stops_far_out_where_nothing_is(trained):
    head, view = trained
    exact = recover_label(view.weight, view.weight_grad)
    racers = by_name(race(head, bounded=False))
    lost = racers[Solver.PAPER_LBFGS]
    assert lost.ending is Ending.CONVERGED  # by its own rule all is well
    assert abs(lost.end) > 1000
    assert verdict(lost, exact) is RaceVerdict.LOCAL_MINIMUM
    assert "cannot tell" in lost.sentence
    assert verdict(racers[Solver.CLOSED_FORM], exact) is RaceVerdict.RIGHT


def test_beyond_both_bounds_only_lifting_them_helps_and_only_the_swarm():
    """A nearly hard label on a trained network: |lambda| is 119, beyond 50 and 100."""
    model = load_checkpoint("lenet_sigmoid", "mixup-epoch-80")
    head, view = head_of(model, digit(0), smooth_label(0, 10, 0.01))
    exact = recover_label(view.weight, view.weight_grad)
    assert exact.status == "unique"
    assert abs(exact.scale) > 100
    bounded, free = (by_name(race(head, bounded=bound)) for bound in (True, False))
    for name in (Solver.PAPER_LBFGS, Solver.PAPER_SWARM):
        assert verdict(bounded[name], exact) is RaceVerdict.OUT_OF_BOUND
    assert verdict(free[Solver.PAPER_SWARM], exact) is RaceVerdict.RIGHT
    assert not free[Solver.PAPER_SWARM].knows
    assert verdict(free[Solver.PAPER_LBFGS], exact) is RaceVerdict.LOCAL_MINIMUM
    assert abs(free[Solver.PAPER_LBFGS].end) > 1e5
    assert verdict(free[Solver.CLOSED_FORM], exact) is RaceVerdict.RIGHT


def test_within_bounds_a_trained_head_still_has_wrong_minima():
    """Found by trying seeds in order; the first head at which L-BFGS converges elsewhere."""
    model = load_checkpoint("lenet_sigmoid", "hard-epoch-40")
    for index in range(20):
        label = mixup_label(index % 10, (index + 3) % 10, 10, ratio=0.65, epsilon=0.0)
        head, view = head_of(model, digit(index), label)
        path = paper_search.lbfgs(head, LABEL_FORMATS["unknown"])
        exact = recover_label(view.weight, view.weight_grad)
        if path.converged and exact.status == "unique" and abs(path.scale / exact.scale - 1) > 1e-2:
            break
    racer = by_name(race(head))[Solver.PAPER_LBFGS]
    assert racer.ending is Ending.CONVERGED
    assert verdict(racer, exact) is RaceVerdict.LOCAL_MINIMUM


def test_where_many_fit_the_verdict_is_undecided(known_head):
    known = known_head("hard", logit_scale=60.0, seed=0)
    head = factor_heads(known.weight, known.weight_grad[None])
    exact = recover_label(known.weight, known.weight_grad)
    assert exact.status == "ambiguous"
    racers = by_name(race(head))
    assert verdict(racers[Solver.SCAN], exact) is RaceVerdict.UNDECIDED
    assert not any(racer.knows for racer in racers.values())
    inside = dataclasses.replace(racers[Solver.PAPER_SWARM], end=exact.scale, ending=Ending.CONVERGED)
    assert verdict(inside, exact) is RaceVerdict.UNDECIDED
    assert verdict(dataclasses.replace(inside, end=-exact.scale), exact) is RaceVerdict.LOCAL_MINIMUM


def test_a_solver_that_says_it_is_open_is_not_called_wrong(known_head):
    """The bias gradient settles a label without structure; the scan, which does not see it, keeps an interval."""
    known = known_head("dirichlet", head_bias=True, seed=1, signed=True)
    head = factor_heads(known.weight, known.weight_grad[None], known.bias)
    exact = recover_label(known.weight, known.weight_grad, known.bias, known.bias_grad)
    racers = by_name(race(head))
    assert verdict(racers[Solver.SCAN], exact) is RaceVerdict.UNDECIDED
    assert Move.RESTART in racers[Solver.SCAN].moves  # the second scan, on the simplex alone
    absent = racers[Solver.CLOSED_FORM]
    assert (absent.end, absent.evaluations, absent.path) == (None, 0, ())
    assert verdict(absent, exact) is RaceVerdict.NOTHING
    assert "without a bias" in absent.sentence


def test_nothing_agrees_with_no_answer(untrained):
    head, view = untrained
    racers = race(head)
    vanished = recover_label(view.weight, torch.zeros_like(view.weight_grad))
    assert {verdict(racer, vanished) for racer in racers} == {RaceVerdict.NOTHING}


def test_the_same_seed_runs_the_same_race(untrained):
    head, _ = untrained
    first, second, other = race(head, seed=4), race(head, seed=4), race(head, seed=5)
    for one, two in zip(first, second, strict=True):
        np.testing.assert_equal(
            dataclasses.asdict(dataclasses.replace(one, seconds=0.0)),
            dataclasses.asdict(dataclasses.replace(two, seconds=0.0)),
        )
    assert not np.array_equal(first[3].path[0], other[3].path[0])
    assert first[0].end == other[0].end


@pytest.mark.parametrize("bounded", [True, False])
def test_ways_can_be_played_back(trained, bounded):
    head, _ = trained
    for racer in race(head, bounded=bounded):
        lengths = {len(racer.path), len(racer.moves), len(racer.losses), len(racer.counts)}
        assert len(lengths) == 1
        assert racer.moves[0] is Move.START
        assert list(racer.counts) == sorted(racer.counts)
        assert 0 < racer.counts[-1] <= racer.evaluations
        assert racer.seconds > 0
        for scales, losses in zip(racer.path, racer.losses, strict=True):
            assert scales.dtype == losses.dtype == np.float64
            expected = variance_losses(head, scales[None], LABEL_FORMATS["unknown"])[0]
            np.testing.assert_allclose(losses, expected, rtol=1e-6, atol=1e-18)
        assert any(np.isclose(racer.end, scales, rtol=1e-12).any() for scales in racer.path)
    assert racer.counts == tuple(500 * (index + 1) for index in range(len(racer.path)))
    assert len(racer.segments) == len(racer.path)


def test_lbfgs_says_how_it_moved(trained):
    head, _ = trained
    path = paper_search.lbfgs(head, LABEL_FORMATS["unknown"])
    assert path.moves.count(Move.START) == 1
    assert path.moves.count(Move.RESTART) <= 1
    for index, move in enumerate(path.moves):
        if move in (Move.START, Move.RESTART):
            assert path.path[index][0] in (1.0, -1.0)
        if move is Move.SKIP:  # by half a unit, then one, two, four, always outwards
            length = abs(path.path[index][0] - path.path[index - 1][0])
            assert np.log2(length) == pytest.approx(round(np.log2(length)))
    assert Move.SKIP in path.moves
    assert path.segments == ()


def test_a_search_says_why_it_ended(trained):
    head, _ = trained
    structure = LABEL_FORMATS["unknown"]
    hasty = paper_search.lbfgs(head, structure, steps=1, bound=1e30)
    assert hasty.ending is Ending.OUT_OF_STEPS
    assert not hasty.converged
    lost = paper_search.swarm(lambda scales: np.ones_like(scales), 0, 10, 2, paper_search.UNBOUNDED_SEGMENTS)
    assert lost.ending is Ending.OUT_OF_BOUND
    assert lost.evaluations == 10 * 2 * 2 * len(paper_search.UNBOUNDED_SEGMENTS)
    starts = [index for index, move in enumerate(lost.moves) if move is not Move.STEP]
    assert starts == list(range(0, len(lost.moves), 2))
    assert lost.segments[0] == (0.7, 6.0)
    assert lost.segments[-1] == (-1e6 - 0.3, -1e5)


def test_the_scan_reports_its_stages_and_changes_nothing(untrained):
    head, _ = untrained
    structure, stages = LABEL_FORMATS["unknown"], []
    watched = scan.solve(head, structure, True, 1.96, on_survey=lambda scales, count: stages.append((scales, count)))
    assert watched == scan.solve(head, structure, True, 1.96)
    assert [len(stages), stages[0][1]] == [2, len(stages[0][0])]
    assert len(stages[1][0]) <= 24
    assert stages[0][1] < stages[1][1] <= watched.evaluations


def test_smoothed_labels_race_with_the_papers_top_one_loss():
    model = build_network("lenet_sigmoid", 10, seed=0)
    head, view = head_of(model, digit(2), smooth_label(2, 10, 0.1))
    exact = recover_label(view.weight, view.weight_grad)
    racers = race(head, structure=LABEL_FORMATS["smoothing"])
    assert [verdict(racer, exact) for racer in racers[:2]] == [RaceVerdict.RIGHT] * 2


def test_what_cannot_race_is_refused_in_one_sentence(known_head, untrained):
    known = known_head("mixup", seed=0)
    two = factor_heads(known.weight, torch.stack([known.weight_grad] * 2))
    with pytest.raises(ShapeError, match="head: expected a single observed head, got 2"):
        race(two)
    with pytest.raises(OptionError, match="head: expected a gradient that is not zero"):
        race(factor_heads(known.weight, torch.zeros_like(known.weight_grad)[None]))
    with pytest.raises(OptionError, match="structure: expected a label structure, got None"):
        race(untrained[0], structure=None)
    small = known_head("hard", classes=4, seed=0)
    with pytest.raises(ClassCountError, match="expected at least 5 classes, got 4"):
        race(factor_heads(small.weight, small.weight_grad[None]))
    with pytest.raises(OptionError, match="bound: expected a number >= 1"):
        paper_search.lbfgs(untrained[0], LABEL_FORMATS["mixup"], bound=0.5)
    with pytest.raises(OptionError, match="segments: expected at least one"):
        paper_search.swarm(lambda scales: scales, segments=())
