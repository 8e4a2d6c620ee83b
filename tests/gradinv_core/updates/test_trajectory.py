"""The path in logit space against torch.optim.SGD, and its derivatives against differences."""

import numpy as np
import pytest
import torch

from gradinv_core.head import factor_heads
from gradinv_core.updates.gradient import scaled_sum
from gradinv_core.updates.implied_label import STARTS, implied_labels
from gradinv_core.updates.local_steps import LocalSteps
from gradinv_core.updates.trajectory import TrainedHead

RULES = [{}, {"weight_decay": 1e-2}, {"momentum": 0.9}, {"weight_decay": 1e-2, "momentum": 0.5}]


def observe(trained, steps, rate, rule):
    """The observation, and the lambda that belongs to the client's feature."""
    plan = LocalSteps(rate, steps, rule.get("weight_decay", 0.0), rule.get("momentum", 0.0))
    layer, after = trained.before[-1], trained.after[-1]
    total = scaled_sum(layer.weight.detach(), after.weight.detach(), plan)
    bias = None if layer.bias is None else layer.bias.detach()
    head = factor_heads(layer.weight.detach(), total[None], bias)
    direction = torch.from_numpy(head.row_gradient[0])
    scale = float(trained.feature @ direction / direction.square().sum())
    return TrainedHead(head, plan, bias is not None), np.array([scale])


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("bias", [False, True])
def test_the_path_ends_where_the_optimiser_ended(client, rule, bias):
    trained = client(6, 0.1, bias=bias, dtype=torch.float64, **rule)
    seen, scale = observe(trained, 6, 0.1, rule)
    assert seen.head.residual[0] < 1e-13  # the shrinking of the first weights was taken out exactly
    end = seen.ends(scale, trained.label.numpy()[None])[0]
    assert np.allclose(end, seen.head.ratios[0] / scale, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_derivatives_are_those_of_differences(client, rule):
    trained = client(6, 0.1, bias=True, dtype=torch.float64, **rule)
    seen, scale = observe(trained, 6, 0.1, rule)
    label = trained.label.numpy()[None]
    found = seen.sensitivity(scale, label)
    assert np.array_equal(found.label, seen.label_slopes(scale, label))
    for column in range(10):
        nudge = 1e-6 * np.eye(10)[column]
        rise = (seen.ends(scale, label + nudge) - seen.ends(scale, label - nudge))[0] / 2e-6
        assert np.allclose(found.label[0, :, column], rise, rtol=0, atol=1e-7)


def test_the_derivative_in_the_logits_is_that_of_a_constant_shift(client):
    """A frozen bias is such a shift: it enters every step and never moves."""
    trained = client(6, 0.1, dtype=torch.float64)
    seen, scale = observe(trained, 6, 0.1, {})
    label = trained.label.numpy()[None]
    for column in range(10):
        shifted = []
        for side in (1e-6, -1e-6):
            head = type(seen.head)(**{**vars(seen.head), "bias": side * np.eye(10)[column]})
            shifted.append(TrainedHead(head, seen.steps, False).ends(scale, label)[0])
        rise = (shifted[0] - shifted[1]) / 2e-6
        assert np.allclose(seen.sensitivity(scale, label).logits[0, :, column], rise, rtol=0, atol=1e-7)


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.__name__)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_implied_label_of_the_right_lambda_is_the_label(client, rule, start):
    trained = client(6, 0.05, kind="mixup", dtype=torch.float64, **rule)
    seen, scale = observe(trained, 6, 0.05, rule)
    labels, found = implied_labels(seen, scale, start(seen, scale))
    assert found.all()
    assert trained.error(torch.from_numpy(labels[0])) < 1e-9


def test_every_implied_label_sums_to_one(client):
    trained = client(4, 0.1)
    seen, scale = observe(trained, 4, 0.1, {})
    scales = scale * np.array([0.7, 0.9, 1.1, 1.5])
    labels, found = implied_labels(seen, scales, STARTS[0](seen, scales))
    assert np.allclose(labels[found].sum(1), 1, rtol=0, atol=1e-6)
    assert found.any()


def test_lambda_is_at_least_what_all_steps_at_their_most_leave():
    seen = LocalSteps(0.1, 3, 0.0, 0.9)
    assert seen.shares.tolist() == pytest.approx([1 + 0.9 + 0.81, 1.9, 1.0])
    assert seen.total == pytest.approx(5.61)
    assert LocalSteps(0.1, 2, 0.5).shrinks.tolist() == pytest.approx([1, 0.95, 0.9025])
