"""One window at a time: when it is open, shut or refuted."""

from math import inf

import pytest
import torch

from gradinv_core import capture_gradients, smooth_label
from gradinv_core.head import factor_heads, observe_head
from gradinv_core.label_recovery import Window
from gradinv_core.networks import build_network
from gradinv_core.windows import WindowState
from gradinv_core.windows.look_through import look_through
from gradinv_core.windows.views import Observation


def observe(gradient_scale="known", head_bias=False, without=(), network="lenet_tanh", change=None):
    model = build_network(network, 10, seed=3, head_bias=head_bias)
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(3))
    gradients = capture_gradients(model, image, smooth_label(2, 10, 0.1))
    gradients = {name: part for name, part in gradients.items() if name not in without} | (change or {})
    view = observe_head(model, gradients)
    head = factor_heads(view.weight, view.weight_grad[None], view.bias)
    return Observation(model, gradients, view, head, "unknown", gradient_scale, None, 0.95)


def test_every_lambda_is_possible_that_a_training_step_may_have():
    assert observe().possible == [(-inf, -1.0), (1.0, inf)]
    (_, below), (above, _) = observe("unknown").possible
    assert -1e-300 < below < 0 < above < 1e-300


def test_a_view_is_cut_to_what_is_possible():
    view = observe().open(Window.BIAS, [(0.5, 3.0), (2.0, 4.0)], "why")
    assert (view.state, view.intervals, view.sentence) == (WindowState.OPEN, [(1.0, 4.0)], "why")


def test_a_view_of_everything_is_shut_and_one_of_the_impossible_is_refuted():
    seen = observe()
    assert seen.open(Window.SIMPLEX, [(-inf, inf)], "why").state is WindowState.SHUT
    refuted = seen.open(Window.BIAS, [(-0.5, 0.5)], "why")
    assert (refuted.state, refuted.intervals) == (WindowState.REFUTED, seen.possible)
    assert "the gradient was multiplied" in refuted.sentence
    assert observe("unknown").open(Window.BIAS, [(0.1, 0.5)], "why").state is WindowState.OPEN


@pytest.mark.parametrize(
    ("options", "place", "state", "words"),
    [
        ({}, 2, "shut", "The last layer has no bias."),
        ({"head_bias": True}, 2, "open", "The gradient of the bias is the residual itself"),
        ({"head_bias": True, "without": ("7.bias",)}, 2, "shut", "was not sent"),
        ({}, 3, "open", "fits one lambda only, whatever the label is"),
        ({"without": ("4.bias",)}, 3, "shut", "cannot be read backwards, or its gradient is missing"),
        ({"network": "fcn_small"}, 3, "shut", "twice the feature with half the gradient"),
        ({"change": {"4.bias": torch.arange(12.0)}}, 3, "refuted", "No possible lambda explains"),
        ({}, 0, "open", "Exactly one lambda makes the classes agree"),
        ({"gradient_scale": "unknown"}, 1, "shut", "The gradient's scale is unknown"),
        ({}, 1, "open", "some share of the label lies outside 0 to 1"),
    ],
)
def test_every_window_says_why(options, place, state, words):
    seen = observe(**options)
    view = look_through(seen)[place]
    assert view.state == state
    assert words in view.sentence
    assert (view.intervals == seen.possible) is (state != "open")


def test_noise_in_the_head_hides_the_layer_below():
    seen = observe()
    noise = 1e-3 * seen.view.weight_grad.std()
    noisy = seen.view.weight_grad + noise * torch.randn(
        seen.view.weight_grad.shape, generator=torch.Generator().manual_seed(0)
    )
    view = look_through(observe(change={"7.weight": noisy}))[3]
    assert view.state != "refuted"
    assert view.state == "open" or view.sentence == "Noise hides what the layer below the head says."
