"""The layer below the head by itself: every lambda that explains its gradient, none, or silence."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, hard_label
from gradinv_core.client import client_truth
from gradinv_core.errors import NonFiniteError
from gradinv_core.head import factor_heads, observe_head
from gradinv_core.image_recovery.deep_evidence import layer_below
from gradinv_core.image_recovery.layer_evidence import is_clean, layer_evidence
from gradinv_core.networks import build_network


def step(network="lenet_sigmoid", seed=1, label=None):
    model = build_network(network, 10, seed=seed) if isinstance(network, str) else network
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(seed))
    drawn = torch.from_numpy(np.random.default_rng(seed).dirichlet(np.ones(10)))
    label = drawn if label is None else label
    return model, capture_gradients(model, image, label), client_truth(model, image, label)


def evidence_of(model, gradients):
    view = observe_head(model, gradients)
    head = factor_heads(view.weight, view.weight_grad[None], view.bias)
    return layer_evidence(model, gradients, head, view.weight_grad)


@pytest.mark.parametrize("network", ["lenet_sigmoid", "lenet_tanh", "lenet_leaky_relu"])
@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_lambda_takes_up_any_factor(network, factor):
    model, gradients, truth = step(network, 2)
    (mode,) = layer_below(model, {name: part / factor for name, part in gradients.items()})
    assert mode.low <= factor * truth.scale <= mode.high
    assert mode.high - mode.low < 1e-4 * abs(mode.scale)


def test_more_sigmas_are_a_wider_range_around_the_same_lambda():
    model, gradients, _ = step()
    (two,), (five,) = layer_below(model, gradients), layer_below(model, gradients, sigmas=5.0)
    assert five.scale == two.scale
    assert five.low < two.low < two.high < five.high


def test_a_changed_gradient_fits_nowhere():
    model, gradients, _ = step()
    gradients["4.bias"] = torch.arange(12.0)
    assert layer_below(model, gradients) == ()


def test_beside_a_noisy_head_a_misfit_proves_nothing():
    model, gradients, _ = step()
    head = gradients["7.weight"]
    gradients["7.weight"] = head + 1e-5 * head.std() * torch.randn(
        head.shape, generator=torch.Generator().manual_seed(0)
    )
    gradients["4.bias"] = torch.arange(12.0)
    assert layer_below(model, gradients) is None


@pytest.mark.parametrize("network", ["lenet_leaky_relu", "lenet_relu"])
def test_a_lambda_too_large_to_be_looked_for_is_no_proof_of_a_change(network):
    """The prediction is right to 26 digits, so lambda is far beyond the search, and the gradient still honest."""
    model, gradients, truth = step(build_network(network, 10, seed=2, initialisation="uniform"), 2, hard_label(2, 10))
    assert 1e7 < abs(truth.scale) < math.inf
    assert gradients["7.weight"].any()
    assert layer_below(model, gradients) is None


@pytest.mark.parametrize("missing", ["vanished", "no gradient", "homogeneous", "no layer"])
def test_silence(missing):
    model, gradients, _ = step("fcn_small" if missing == "homogeneous" else "lenet_sigmoid")
    if missing == "vanished":
        gradients["7.weight"] = torch.zeros_like(gradients["7.weight"])
    elif missing == "no gradient":
        del gradients["4.bias"]
    elif missing == "no layer":
        model, gradients, _ = step(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)).eval())
    assert layer_below(model, gradients) is None


def test_the_residual_vanishes_at_the_truth_and_its_derivative_is_that_of_its_differences():
    model, gradients, truth = step(build_network("lenet_tanh", 10, seed=3).double(), 3)
    evidence = evidence_of(model, gradients)
    residual, derivative, std = evidence.residuals(torch.tensor([truth.scale, 1.3 * truth.scale], dtype=torch.float64))
    assert residual[0].abs().max() < 1e-12
    assert residual[1].abs().max() > 1e-4
    assert (std > 0).all()
    ends = truth.scale * torch.exp(torch.tensor([-1e-6, 1e-6], dtype=torch.float64))
    low, high = evidence.residuals(ends)[0]
    torch.testing.assert_close(derivative[0], (high - low) / 2e-6, rtol=1e-5, atol=1e-9)


def test_the_activation_bounds_lambda():
    sigmoid, gradients, truth = step("lenet_sigmoid")
    evidence, sign = evidence_of(sigmoid, gradients), int(math.copysign(1, truth.scale))
    assert evidence.largest(-sign) == 0  # the feature would be negative
    assert evidence.largest(sign) == pytest.approx(1 / float((truth.feature / truth.scale).abs().max()), rel=1e-4)
    assert evidence.reached_by(1.01 * evidence.largest(sign))
    assert not evidence.reached_by(0.5 * evidence.largest(sign))
    leaky = evidence_of(*step("lenet_leaky_relu")[:2])
    assert leaky.largest(1) == leaky.largest(-1) == math.inf
    assert leaky.reached_by(1e9)
    assert not leaky.reached_by(10.0)


def test_clean_is_what_rounding_leaves():
    model, gradients, _ = step()
    view = observe_head(model, gradients)
    head = factor_heads(view.weight, view.weight_grad[None], view.bias)
    assert is_clean(head, view.weight_grad)
    assert is_clean(head, view.weight_grad, 0.0)
    assert not is_clean(head, view.weight_grad, 1e-9)
    rounded = view.weight_grad.bfloat16().float()
    assert not is_clean(factor_heads(view.weight, rounded[None]), rounded)


def test_broken_gradients_are_refused():
    model, gradients, _ = step()
    gradients["4.bias"] = torch.full((12,), torch.nan)
    with pytest.raises(NonFiniteError, match=r"4\.bias"):
        layer_below(model, gradients)
