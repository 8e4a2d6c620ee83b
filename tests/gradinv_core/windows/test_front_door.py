"""The windows against the client's truth: what they exclude is never right, and what they call unique is never wrong.

Lambda is the factor in ``x = lambda g_r``. As ``1 / (p_r - y_r)`` in exact numbers it is another one where p_r nearly
equals y_r: the client rounds that difference, and the gradient inherits it.
"""

import functools

import numpy as np
import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, hard_label, mixup_label, smooth_label
from gradinv_core.checkpoints import load_checkpoint
from gradinv_core.client import capture_batch_gradients, client_truth
from gradinv_core.datasets import load_dataset
from gradinv_core.errors import NonFiniteError, OptionError, RankError
from gradinv_core.head import observe_head
from gradinv_core.label_recovery import Window
from gradinv_core.networks import build_network
from gradinv_core.windows import FourWindows, WindowsStatus, WindowState, four_windows

NETWORKS = ("lenet_sigmoid", "lenet_tanh", "lenet_leaky_relu", "fcn_small")
STRUCTURE, SIMPLEX, BIAS, BELOW = range(4)


def dirichlet(seed):
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.ones(10)))


def picture(seed):
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(seed))


LABELS = {
    "smoothing": lambda seed: smooth_label(seed % 10, 10, 0.1),
    "mixup": lambda seed: mixup_label(seed % 10, (seed + 3) % 10, 10, ratio=0.7, epsilon=0.05),
    "dirichlet": dirichlet,
}


@functools.cache
def step(network="lenet_sigmoid", seed=1, kind="mixup", head_bias=False):
    """Model, gradients and the client's truth of one training step."""
    model = build_network(network, 10, seed=seed, head_bias=head_bias)
    image, label = picture(seed), LABELS[kind](seed)
    return model, capture_gradients(model, image, label), client_truth(model, image, label)


def multiplied(gradients, factor):
    return {name: factor * gradient for name, gradient in gradients.items()}


def noisy(gradients, relative, seed, same_everywhere):
    """Noise of one size in every entry, relative to the head's entries; or relative to each tensor's own."""
    generator = torch.Generator().manual_seed(seed)
    head = next(gradient for gradient in reversed(gradients.values()) if gradient.ndim == 2)

    def size(gradient):
        return (head if same_everywhere else gradient).square().mean().sqrt()

    return {name: g + relative * size(g) * torch.randn(g.shape, generator=generator) for name, g in gradients.items()}


def sent_scale(model, gradients, truth, row):
    """Lambda of a row of the gradient as it was sent."""
    sent = observe_head(model, gradients).weight_grad[row].double()
    return float((truth.feature @ sent) / (sent @ sent))


def label_at(model, gradients, found: FourWindows):
    """The label that the middle of the intersection means."""
    head = observe_head(model, gradients)
    gradient, scale = head.weight_grad.double(), (found.intersection[0][0] + found.intersection[-1][1]) / 2
    feature = scale * gradient[found.row]
    logits = head.weight.detach().double() @ feature + (0 if head.bias is None else head.bias.detach().double())
    return torch.softmax(logits, 0) - gradient @ feature / (feature @ feature)


def holds(intervals, scale):
    return any(low <= scale <= high for low, high in intervals)


def states(found):
    return tuple(view.state.value for view in found.windows)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize(("head_bias", "seed"), [(False, 1), (True, 1), (False, 4)])
def test_the_truth_is_inside_and_unique_is_right(network, kind, head_bias, seed):
    model, gradients, truth = step(network, seed, kind, head_bias)
    found = four_windows(model, gradients)
    scale = sent_scale(model, gradients, truth, found.row)
    assert scale == pytest.approx(1 / float((truth.probabilities - truth.label)[found.row]), rel=1e-5)
    assert [view.window for view in found.windows if view.state == "open" and not holds(view.intervals, scale)] == []
    assert holds(found.intersection, scale)
    assert found.status in (WindowsStatus.UNIQUE, WindowsStatus.AMBIGUOUS)
    assert all(view.state is not WindowState.REFUTED for view in found.windows[1:])
    assert (found.windows[BIAS].state == "open") is head_bias
    if found.status is WindowsStatus.UNIQUE:
        assert (label_at(model, gradients, found) - truth.label).abs().max() < 1e-3
    if kind != "dirichlet" or head_bias or network != "fcn_small":
        assert found.status is WindowsStatus.UNIQUE


@pytest.mark.parametrize("seed", range(3))
def test_a_label_without_structure_comes_through_the_layer_below(seed):
    model, gradients, truth = step("lenet_sigmoid", seed, "dirichlet")
    found = four_windows(model, gradients)
    assert states(found) == ("refuted", "open", "shut", "open")
    assert found.status is WindowsStatus.UNIQUE
    assert found.intersection == found.windows[BELOW].intervals
    assert found.sentence.endswith("its label has another format than assumed, or the gradient was scaled down.")
    assert (label_at(model, gradients, found) - truth.label).abs().max() < 1e-5
    assert states(four_windows(model, gradients, label_format="any"))[STRUCTURE] == "shut"


def test_without_bias_or_layer_below_a_range_is_left():
    model, gradients, _ = step("fcn_small", 1, "dirichlet")
    found = four_windows(model, gradients)
    assert states(found) == ("refuted", "open", "shut", "shut")
    assert found.status is WindowsStatus.AMBIGUOUS
    assert found.intersection == found.windows[SIMPLEX].intervals
    assert "no bias: twice the feature" in found.windows[BELOW].sentence


@pytest.mark.parametrize("index", [0, 16])
@pytest.mark.parametrize("kind", ["hard", "smoothing", "dirichlet"])
def test_a_trained_network(index, kind):
    """Its predictions are one-hot, so the head leaves lambda open upwards; with hard labels it even reaches 1e13."""
    model, (image, digit) = load_checkpoint("lenet_sigmoid", "hard-epoch-160"), load_dataset("digits", 32)[index]
    label = hard_label(digit, 10) if kind == "hard" else LABELS[kind](digit)
    gradients, truth = capture_gradients(model, image, label), client_truth(model, image, label)
    found = four_windows(model, gradients)
    scale = sent_scale(model, gradients, truth, found.row)
    assert all(holds(view.intervals, scale) for view in found.windows if view.state is WindowState.OPEN)
    assert holds(found.intersection, scale)
    if found.status is WindowsStatus.UNIQUE:
        assert (label_at(model, gradients, found) - label).abs().max() < 1e-3
    else:
        assert found.status is WindowsStatus.AMBIGUOUS
    if kind == "smoothing":
        assert found.status is WindowsStatus.UNIQUE
        assert found.windows[BELOW].state is WindowState.OPEN


def test_an_unbounded_range_says_why():
    model = build_network("fcn_small", 10, seed=2)
    with torch.no_grad():
        model[-1].weight.mul_(2000.0)
    image, label = picture(2), smooth_label(3, 10, 0.1)
    found = four_windows(model, capture_gradients(model, image, label))
    assert found.status is WindowsStatus.AMBIGUOUS
    assert np.isinf(found.intersection[0][0]) or np.isinf(found.intersection[-1][1])
    assert "no lambda is too large" in found.sentence


def test_a_vanished_gradient_leaves_everything():
    model, gradients, _ = step()
    found = four_windows(model, multiplied(gradients, 0.0))
    assert states(found) == ("shut",) * 4
    assert found.status is WindowsStatus.NOTHING
    assert found.intersection == [(-np.inf, -1.0), (1.0, np.inf)]
    assert found.sentence == "Nothing: the head's gradient is exactly zero, so no window is open."


class Silent(nn.Module):
    def forward(self, value):
        return 0 * value


def test_with_a_zero_feature_the_gradient_of_the_bias_is_left():
    model, image, label = build_network("lenet_sigmoid", 10, head_bias=True), picture(1), dirichlet(1)
    model[5] = Silent()
    gradients, truth = capture_gradients(model, image, label), client_truth(model, image, label)
    found = four_windows(model, gradients)
    assert states(found) == ("shut", "shut", "open", "shut")
    assert found.status is WindowsStatus.UNIQUE
    assert found.row == truth.row
    assert found.intersection[0] == pytest.approx((truth.scale, truth.scale), rel=1e-5)
    assert found.sentence.startswith("Unique: the last layer's input is zero, so only the bias gradient is left")
    assert four_windows(model, gradients, gradient_scale="unknown").status is WindowsStatus.NOTHING
    forty = four_windows(model, multiplied(gradients, 40.0))
    assert forty.status is WindowsStatus.CONTRADICTION
    assert "which is none" in forty.sentence


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("head_bias", "seed"), [(False, 4), (True, 1)])
def test_a_gradient_scaled_down_passes_for_that_of_the_mean_of_label_and_prediction_only(network, head_bias, seed):
    """The limit: ``k a = p - ((1 - k) p + k y)`` in every layer. What is unique is that label, and never another."""
    model, gradients, truth = step(network, seed, "mixup", head_bias)
    sent = multiplied(gradients, 0.05)
    found = four_windows(model, sent)
    if found.status is WindowsStatus.UNIQUE:
        assert (label_at(model, sent, found) - (0.95 * truth.probabilities + 0.05 * truth.label)).abs().max() < 1e-3
        assert found.windows[STRUCTURE].state is WindowState.REFUTED
        assert found.sentence.endswith("or the gradient was scaled down.")
        assert holds(found.intersection, sent_scale(model, sent, truth, found.row))
    else:
        assert found.status in (WindowsStatus.AMBIGUOUS, WindowsStatus.CONTRADICTION)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("head_bias", [False, True])
def test_a_gradient_scaled_up_contradicts_itself(network, head_bias):
    model, gradients, _ = step(network, 1, "mixup", head_bias)
    found = four_windows(model, multiplied(gradients, 20.0))
    assert found.status is WindowsStatus.CONTRADICTION
    assert found.intersection == []
    assert found.sentence == (
        "Contradiction: the simplex admits no lambda, whatever the label is, so the gradient was multiplied or changed."
    )
    if head_bias:
        assert found.windows[BIAS].state is WindowState.REFUTED
        assert "between -1 and 1" in found.windows[BIAS].sentence


def test_windows_that_miss_each_other_contradict():
    """Below a leaky ReLU the bias gradient is one over lambda, so that a tenth more of it is another lambda."""
    model, gradients, _ = step("lenet_leaky_relu")
    found = four_windows(model, gradients | {"4.bias": 1.1 * gradients["4.bias"]})
    assert states(found) == ("open", "open", "shut", "open")
    assert (found.status, found.intersection) == (WindowsStatus.CONTRADICTION, [])
    assert found.sentence.endswith("so the gradient was changed, or the label has another format.")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("factor", [0.05, 30.0])
def test_an_unknown_scale_shuts_the_simplex(network, factor):
    for seed, head_bias in ((1, True), (4, False)):
        model, gradients, truth = step(network, seed, "mixup", head_bias)
        sent = multiplied(gradients, factor)
        found = four_windows(model, sent, gradient_scale="unknown")
        assert found.windows[SIMPLEX].state is WindowState.SHUT
        assert "scale is unknown" in found.windows[SIMPLEX].sentence
        assert not found.known_scale
        assert found.status is not WindowsStatus.CONTRADICTION
        assert holds(found.intersection, sent_scale(model, sent, truth, found.row))


def test_of_an_unstructured_label_an_unknown_scale_leaves_only_the_feature():
    model, gradients, truth = step("lenet_sigmoid", 2, "dirichlet")
    found = four_windows(model, multiplied(gradients, 3.0), gradient_scale="unknown")
    assert found.status is WindowsStatus.AMBIGUOUS
    assert found.sentence.endswith("but the label needs the gradient's scale as well.")
    low, high = found.intersection[0]
    assert low <= truth.scale / 3 <= high
    assert high - low < 1e-3


@pytest.mark.parametrize("level", [1e-4, 1e-3])
@pytest.mark.parametrize("same_everywhere", [True, False])
def test_noise_widens_and_stays_honest(level, same_everywhere):
    held = []
    for seed in range(8):
        model, gradients, truth = step(NETWORKS[seed % 4], seed, list(LABELS)[seed % 3], seed < 4)
        sent = noisy(gradients, level, seed, same_everywhere)
        found = four_windows(model, sent)
        scale = 1 / float((truth.probabilities - truth.label)[found.row])
        assert found.status in (WindowsStatus.UNIQUE, WindowsStatus.AMBIGUOUS)
        held.append(holds(found.intersection, scale))
    assert sum(held) >= len(held) - 1  # 95 % at the least


def test_a_wider_confidence_widens_every_window():
    model, gradients, truth = step("lenet_sigmoid", 1, "mixup", True)
    sent = noisy(gradients, 1e-3, 0, True)
    half, sure = (four_windows(model, sent, confidence=confidence) for confidence in (0.5, 0.999))
    for narrow, wide in zip(half.windows, sure.windows, strict=True):
        assert wide.intervals[0][0] <= narrow.intervals[0][0]
        assert wide.intervals[-1][1] >= narrow.intervals[-1][1]
    assert holds(sure.intersection, truth.scale)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient_scale": "clipped"}, "gradient_scale: expected one of known, unknown, got 'clipped'."),
        ({"confidence": 95}, "confidence: expected a number between 0 and 1, got 95; 0.95 is usual."),
        ({"confidence": True}, "confidence: expected a number between 0 and 1, got True; 0.95 is usual."),
        ({"label_format": "soft"}, "label_format: expected one of hard, smoothing, mixup, mixup+smoothing, unknown, "),
        ({"noise_std": -1.0}, "noise_std: expected a number >= 0 or None, got -1.0."),
    ],
)
def test_wrong_options_are_named(options, message):
    model, gradients, _ = step()
    with pytest.raises(OptionError) as error:
        four_windows(model, gradients, **options)
    assert str(error.value).startswith(message)


def test_gradients_that_are_not_of_one_sample_are_refused():
    model, gradients, _ = step("lenet_tanh")
    pictures = load_dataset("photographs", 32)
    images, labels = [pictures[3][0], pictures[40][0]], [dirichlet(1), dirichlet(2)]
    with pytest.raises(RankError, match="expected the gradient of one sample, which is rank one"):
        four_windows(model, capture_batch_gradients(model, images, labels))
    broken = gradients["7.weight"].clone()
    broken[0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match=r"7\.weight.*got NaN or infinity|expected finite numbers"):
        four_windows(model, gradients | {"7.weight": broken})
    with pytest.raises(OptionError, match=r"expected names of the network's parameters, got 7\.bias"):
        four_windows(model, {"7.bias": torch.zeros(10)})  # the head has none
    with pytest.raises(OptionError, match=r"expected an entry 7\.weight for the last layer, got 4\.bias"):
        four_windows(model, {"4.bias": torch.zeros(12)})


def test_too_few_classes_shut_the_structure():
    model, label = build_network("lenet_sigmoid", 3, seed=0), torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    found = four_windows(model, capture_gradients(model, picture(0), label))
    assert found.windows[STRUCTURE].state is WindowState.SHUT
    assert found.windows[STRUCTURE].sentence.startswith("3 classes are too few")
    assert [view.window for view in found.windows] == list(Window)[:4]
