"""Activations read backwards, against the activations themselves and autograd's derivatives of them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gradinv_core.image_recovery.activations import ACTIVATIONS, PIXELS, invert, output_range

INVERTIBLE = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky": lambda parameter=0.1: nn.LeakyReLU(parameter),
    "elu": lambda parameter=1.0: nn.ELU(parameter),
    "softplus": lambda parameter=1.0: nn.Softplus(parameter),
}
inputs = st.lists(st.floats(-5, 5).filter(lambda z: abs(z) > 1e-3), min_size=1, max_size=20)


def derivatives(module, z):
    """Output, slope, and the slope's derivative in the output, by autograd."""
    z = z.clone().requires_grad_(True)
    output = module(z)
    (slope,) = torch.autograd.grad(output.sum(), z, create_graph=True)
    bend = torch.zeros_like(z)
    if slope.requires_grad:
        (curvature,) = torch.autograd.grad(slope.sum(), z, allow_unused=True, materialize_grads=True)
        bend = curvature / slope
    return output.detach(), slope.detach(), bend.detach()


def check(module, z):
    output, slope, bend = derivatives(module, z)
    inverted = invert(module, output, torch.full_like(output, 1e-12))
    torch.testing.assert_close(inverted.value, z, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(inverted.slope, slope, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(inverted.bend, bend, rtol=1e-6, atol=1e-6)
    assert inverted.doubt == 0.0


@pytest.mark.parametrize("name", INVERTIBLE)
@settings(deadline=None)
@given(values=inputs)
def test_value_slope_and_bend_are_autograds(name, values):
    check(INVERTIBLE[name](), torch.tensor(values, dtype=torch.float64))


@pytest.mark.parametrize("name", ["leaky", "elu", "softplus"])
@settings(deadline=None)
@given(values=inputs, parameter=st.floats(0.05, 3))
def test_whatever_the_activations_parameter(name, values, parameter):
    check(INVERTIBLE[name](parameter), torch.tensor(values, dtype=torch.float64))


def test_far_out_inputs_of_a_softplus_come_back():
    """Beyond PyTorch's threshold it switches to a straight line; nothing may jump there."""
    z = torch.tensor([-25.0, -12.0, 12.0, 19.99, 20.01, 80.0], dtype=torch.float64)
    inverted = invert(nn.Softplus(), nn.Softplus()(z), torch.zeros(6))
    torch.testing.assert_close(inverted.value, z, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", INVERTIBLE)
def test_outputs_out_of_range_are_read_as_the_edge(name):
    """Noise pushes recovered outputs over an activation's bounds: the answer stays finite, the slope positive."""
    outputs = torch.tensor([-1e3, -1.0, 0.0, 1.0, 1e3], dtype=torch.float64)
    inverted = invert(INVERTIBLE[name](), outputs, torch.ones(5))
    assert torch.isfinite(inverted.value).all()
    assert torch.isfinite(inverted.bend).all()
    assert (inverted.slope > 0).all()


@pytest.mark.parametrize("kind", ACTIVATIONS, ids=lambda kind: kind.__name__)
def test_every_output_lies_in_the_range_told_beforehand(kind):
    limits = output_range(kind())
    outputs = kind()(torch.linspace(-50, 50, 1001, dtype=torch.float64))
    assert limits.low <= float(outputs.min())
    assert float(outputs.max()) <= limits.high
    assert limits.low <= limits.centre <= limits.high


def test_the_image_is_the_output_of_nothing():
    assert output_range(None) == PIXELS == (limits := output_range(None))
    assert (limits.low, limits.high) == (0.0, 1.0)
    assert limits.centre - limits.spread == 0.0
    assert output_range(nn.AvgPool2d(2)).low == -float("inf")


def test_a_relu_tells_its_input_where_it_is_active():
    output = torch.tensor([0.0, 1e-9, 0.5, 2.0, -1e-9], dtype=torch.float64)
    inverted = invert(nn.ReLU(), output, torch.full((5,), 1e-8, dtype=torch.float64))
    assert inverted.slope.tolist() == [0, 0, 1, 1, 0]
    assert torch.equal(inverted.value[2:4], output[2:4])
    assert not inverted.bend.any()
    assert not torch.as_tensor(inverted.doubt).any()  # so precise that no unit is expected near the kink


def test_a_relu_near_its_kink_is_doubted():
    output = torch.tensor([0.0, 0.05, 1.0, 1.0], dtype=torch.float64)
    inverted = invert(nn.ReLU(), output, torch.full((4,), 0.01, dtype=torch.float64))
    assert inverted.slope.tolist() == [0, 0, 1, 1]
    assert (inverted.doubt[:2] > 0).all()
    assert not inverted.doubt[2:].any()
    assert inverted.doubt[1] > inverted.doubt[0]  # what came out small is less sure than what came out zero


def test_a_relus_smallest_outputs_count_as_silent_however_sure():
    output = torch.tensor([1e-8, 1.0], dtype=torch.float64)
    assert invert(nn.ReLU(), output, torch.full((2,), 1e-20)).slope.tolist() == [0, 1]
    dead = invert(nn.ReLU(), torch.zeros(3, dtype=torch.float64), torch.full((3,), 1e-20))
    assert not dead.slope.any()


def test_a_leaky_output_near_its_kink_leaves_the_slope_in_doubt():
    """At the kink both slopes are as likely: their standard deviation is their difference times the root of a half."""
    outputs = torch.tensor([0.0, 1e-3, -1e-3, 1.0], dtype=torch.float64)
    doubt = invert(nn.LeakyReLU(0.1), outputs, torch.full((4,), 1e-3, dtype=torch.float64)).doubt
    chance = 0.15865525393145707  # of a normal number beyond one standard deviation
    expected = 0.9 * torch.tensor([0.5, chance, chance, 0.0], dtype=torch.float64).sqrt()
    torch.testing.assert_close(doubt, expected)
