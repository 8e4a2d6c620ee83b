"""A quick slice of the wrong worlds: what a client may really have sent, and never a sure answer that is wrong."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from drawn_heads import Head, Label, draw_head, draw_label
from study_wrong_worlds import HEADS, STUDIED, Case, kind_of, set_up
from world_verdicts import CLOSE, Outcome, judge, judge_told
from wrong_worlds import WORLDS, play

KINDS = ("hard", "smoothing", "mixup", "mixup+smoothing")
CLASSES = (2, 3, 10)  # `make study` takes a hundred as well, and twenty seeds
QUICK = [name for name in WORLDS if name != "steps_100"]
TOLD = [name for name in QUICK if name.startswith(("class_weights", "acc", "amp", "temperature", "heads_two"))]
UPDATES = [name for name in QUICK if name.startswith(("sign", "update", "decay", "steps"))]


def slice_of(world: str) -> list[Case]:
    first = list(WORLDS).index(world)  # not the same kinds of label for every world
    turns = {"withheld": STUDIED[first % 2], "free": STUDIED[1 - first % 2]}  # a search each: one family in turn
    return [
        Case(world, classes, family, head, seed, kind_of(seed, KINDS))
        for classes, family, head in product(CLASSES, STUDIED, HEADS)
        for seed in range(first, first + (3 if head == "biased" else 1))
        if family == turns.get(head, family) and (classes == 2 or world != "one_logit")
    ]


@pytest.mark.parametrize("world", QUICK)
def test_never_sure_and_wrong(world):
    """Nor a crash; below five classes, scale and loss cannot be tested, and the condition has to say so."""
    for case in slice_of(world):
        verdict = judge(set_up(case))
        allowed = case.classes < 5 and verdict.outcome == Outcome.WRONG_IF
        assert allowed or verdict.outcome not in (Outcome.WRONG, Outcome.WRONG_IF, Outcome.CRASHED), (case, verdict)


@pytest.mark.parametrize("world", QUICK)
def test_without_a_format_a_sure_answer_says_what_it_rests_on(world):
    """Any probability vector would do then, so that only the row sums and the simplex can contradict."""
    for classes, family, seed in product(CLASSES, STUDIED, range(2)):
        if classes == 2 or world != "one_logit":
            case = Case(world, classes, family, "biased", seed, "dirichlet")
            verdict = judge(set_up(case), label_format="any")
            assert verdict.outcome not in (Outcome.WRONG, Outcome.CRASHED), (case, verdict)
            assert world != "honest" or verdict.outcome in (Outcome.RIGHT, Outcome.RIGHT_IF)


@pytest.mark.parametrize("world", ["honest", "alike_2_same"])
@pytest.mark.parametrize("head", HEADS)
def test_right_gradients_lose_nothing(world, head):
    for seed, family in product(range(4), STUDIED):
        verdict = judge(set_up(Case(world, 10, family, head, seed, kind_of(seed, KINDS))))
        assert verdict.outcome == Outcome.RIGHT, (seed, family, verdict)
        assert verdict.error < CLOSE or world != "honest"


@pytest.mark.parametrize("world", TOLD)
def test_told_of_loss_and_scale_the_label_is_right(world):
    check_told(world, ("biased", "free"), seeds=2)


@pytest.mark.parametrize("world", UPDATES)
def test_told_of_the_update_the_label_is_right(world):
    slow = world.startswith("steps")  # the search along a path without a bias gradient: seconds
    check_told(world, ("biased",) if slow else ("biased", "free"), seeds=2)


def check_told(world: str, heads: tuple[str, ...], seeds: int) -> None:
    """Whatever is called unique is right, and something is."""
    unique = 0
    for seed, family, head in product(range(seeds), STUDIED, heads):
        case = Case(world, 10, family, head, seed, kind_of(seed, KINDS))
        told = judge_told(set_up(case))
        assert told is not None
        assert told.there, told.words
        assert told.error < CLOSE or not told.unique, (case, told)
        unique += told.unique
    assert unique > 0


@pytest.fixture
def client() -> tuple[Head, Label, torch.Tensor, torch.Tensor]:
    """A head, a mixed and smoothed label, and the logits and the prediction in float64."""
    rng = np.random.default_rng(5)
    head = draw_head("spread", 10, True, rng)
    assert head.bias is not None
    logits = head.weight.double() @ head.feature.double() + head.bias.double()
    return head, draw_label("mixup+smoothing", 10, rng), logits, torch.softmax(logits, 0)


def residual_of(world: str, head: Head, label: Label) -> torch.Tensor:
    """The residual of a world, after a look at whether its weight gradient is that residual times the feature."""
    played = play(world, head, label, np.random.default_rng(0))
    assert played.bias_grad is not None
    torch.testing.assert_close(played.weight_grad, torch.outer(played.bias_grad, head.feature), rtol=1e-5, atol=1e-7)
    return played.bias_grad.double()


def test_worlds_are_what_they_say(client):
    """Their residuals by the textbook derivatives, against what autograd gave."""
    head, label, z, p = client
    y, twice, tempered = label.values, torch.softmax(p, 0) - label.values, torch.softmax(z / 4, 0)
    expected = {
        "honest": p - y,
        "bce_mean": (torch.sigmoid(z) - y) / 10,
        "mse_logits": (z - y) / 5,
        "mse_softmax": p * ((p - y) - p @ (p - y)) / 5,
        "softmax_twice": p * (twice - p @ twice),
        "accumulated_4": (p - y) / 4,
        "update_rate_0.1": -0.1 * (p - y),
        "temperature_4": 4 * (tempered - y),
        "temperature_4_bare": (tempered - y) / 4,
        "heads_two_labels": (p - y) / 2,
        "z_loss": p - y + 0.02 * torch.logsumexp(z, 0) * p,
    }
    for world, residual in expected.items():
        torch.testing.assert_close(residual_of(world, head, label), residual, rtol=1e-5, atol=1e-7)


def test_class_weights_pull_the_residual_to_the_weighted_label(client):
    head, label, _, probabilities = client
    weights = play("class_weights_soft", head, label, np.random.default_rng(0)).options["class_weights"].double()
    weighted = weights * label.values
    expected = weighted.sum() * probabilities - weighted
    torch.testing.assert_close(residual_of("class_weights_soft", head, label), expected, rtol=1e-5, atol=1e-7)


def test_local_steps_keep_one_direction_and_forget_the_scale(client):
    head, label, *_ = client
    played = play("steps_20", head, label, np.random.default_rng(1))
    values = torch.linalg.svdvals(played.weight_grad.double())
    assert values[1] < 1e-3 * values[0]
    assert played.update is not None
    assert played.update.steps == 20
    honest = play("honest", head, label, np.random.default_rng(1))
    assert (played.weight_grad - honest.weight_grad).abs().max() > 1e-3


def test_a_withheld_bias_gradient_is_withheld_everywhere(client):
    head, label, *_ = client
    played = play("decay_1e-2", head, label, np.random.default_rng(0)).withheld()
    assert played.bias is not None
    assert played.bias_grad is None
    assert played.update is not None
    assert list(played.update.before) == list(played.update.after) == ["weight"]
    assert play("steps_5", head, label, np.random.default_rng(0)).withheld().update is None
