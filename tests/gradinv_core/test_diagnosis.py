"""Every cause is named from what the server holds, on networks, pictures and labels that no threshold was read off."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gradinv_core import capture_gradients, hard_label, mixup_label, reconstruct_image, recover_label, smooth_label
from gradinv_core.checkpoints import load_checkpoint
from gradinv_core.client import capture_batch_gradients
from gradinv_core.datasets import load_dataset
from gradinv_core.diagnosis import Cause, Diagnosis, diagnose, diagnose_image
from gradinv_core.diagnosis.cause import REMEDIES, TITLES
from gradinv_core.diagnosis.traces import dropped_rows, grid_levels, hole_share, sample_count
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import play
from gradinv_core.head import observe_head
from gradinv_core.images import resize
from gradinv_core.metrics import psnr
from gradinv_core.networks import build_network

HELD = ("lenet_tanh", "lenet_leaky_relu", "fcn_small")  # thresholds were chosen on the sigmoid LeNet alone


def sample(network="lenet_tanh", seed=100, classes=10, **options):
    model = build_network(network, classes, seed=seed, **options)
    image, _ = load_dataset("photographs", 32)[seed % 200]
    return model, image, mixup_label(seed % classes, (seed + 3) % classes, classes, ratio=0.7, epsilon=0.05)


def sent(network="lenet_tanh", seed=100, **options):
    model, image, label = sample(network, seed, **options)
    return model, capture_gradients(model, image, label)


def changed(gradients, change):
    return {name: change(gradient) for name, gradient in gradients.items()}


def noisy(gradients, relative, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return changed(
        gradients,
        lambda g: g + relative * g.norm() / g.numel() ** 0.5 * torch.randn(g.shape, generator=generator),
    )


def pruned(gradient, share=0.6):
    kept = gradient.abs().flatten().kthvalue(max(int(share * gradient.numel()), 1)).values
    return torch.where(gradient.abs() <= kept, 0.0, gradient)


def rounded(gradient, levels):
    step = gradient.abs().max() / levels
    return torch.round(gradient / step) * step


@pytest.mark.parametrize("network", HELD)
@pytest.mark.parametrize("seed", [101, 102, 103])
def test_a_plain_gradient_has_nothing_wrong(network, seed):
    found = diagnose(*sent(network, seed))
    assert found.cause is Cause.NONE
    assert found.traces == ()


@pytest.mark.parametrize("network", HELD)
@pytest.mark.parametrize("seed", [111, 112, 113])
def test_what_was_done_to_a_gradient_is_named(network, seed):
    model, gradients = sent(network, seed)
    assert diagnose(model, changed(gradients, pruned)).cause is Cause.PRUNED
    assert diagnose(model, changed(gradients, lambda g: rounded(g, 5))).cause is Cause.QUANTISED
    assert diagnose(model, changed(gradients, torch.sign)).cause is Cause.QUANTISED
    assert diagnose(model, noisy(gradients, 0.1, seed)).cause is Cause.NOISY
    assert diagnose(model, noisy(gradients, 3.0, seed)).cause is Cause.NOISY
    assert diagnose(model, changed(gradients, torch.zeros_like)).cause is Cause.VANISHED
    assert diagnose(model, dict(list(gradients.items())[:-1])).cause is Cause.WITHHELD


@pytest.mark.parametrize("network", HELD)
@pytest.mark.parametrize("count", [2, 5, 12])
def test_a_batch_is_counted_as_far_as_the_classes_allow(network, count):
    model, _, _ = sample(network, 120)
    pictures = load_dataset("photographs", 32)
    images = [pictures[index * 17][0] for index in range(count)]
    labels = [smooth_label(index % 10, 10, 0.1) for index in range(count)]
    found = diagnose(model, capture_batch_gradients(model, images, labels))
    assert found.cause is Cause.BATCH
    assert 2 <= found.measures["samples"] <= min(count, 9)


@pytest.mark.parametrize("network", [*HELD, "lenet_relu"])
def test_a_rescaled_gradient_is_named_wherever_it_tells_its_scale(network):
    """With nearly equal logits it need not: then the rescaled gradient is the honest one of another label."""
    named = 0
    for seed in range(200, 216):
        model, gradients = sent(network, seed)
        clipped = changed(gradients, lambda g: 0.05 * g)
        view = observe_head(model, clipped)
        tells = recover_label(view.weight, view.weight_grad, gradient_scale="unknown").status == "unique"
        cause = diagnose(model, clipped).cause
        assert cause is Cause.CLIPPED or not tells
        named += cause is Cause.CLIPPED
    assert named >= 4


def test_the_factor_is_measured():
    model, gradients = sent(seed=130)
    found = diagnose(model, changed(gradients, lambda g: 0.25 * g))
    assert found.measures["factor"] == pytest.approx(0.25, rel=1e-3)


def test_rescaled_gradients_of_a_biased_head_are_named():
    model, gradients = sent("lenet_tanh", 131, head_bias=True)
    assert diagnose(model, gradients).cause is Cause.NONE
    assert diagnose(model, changed(gradients, lambda g: 40 * g)).cause is Cause.CLIPPED


@pytest.mark.parametrize("seed", [141, 142, 143])
def test_labels_that_the_head_cannot_settle(seed):
    model, image, _ = sample("fcn_small", seed)
    drawn = np.random.default_rng(seed).dirichlet(np.ones(10))
    assert diagnose(model, capture_gradients(model, image, torch.tensor(drawn))).cause is Cause.STRUCTURELESS
    few, gradients = sent("lenet_tanh", seed, classes=3)
    assert diagnose(few, gradients).cause is Cause.TOO_FEW_CLASSES


def test_one_hot_predictions_of_a_trained_network():
    model, digits = load_checkpoint("lenet_sigmoid", "hard-epoch-40"), load_dataset("digits", 32)
    causes = []
    for index in range(1200, 1600):
        image, target = digits[index]
        with torch.no_grad():
            others = 1 - float(torch.softmax(model(image[None]).double(), 1).max())
        if others < 1e-8:
            label = smooth_label(target, 10, 0.1)
            causes.append(diagnose(model, capture_gradients(model, image, label)).cause)
    assert len(causes) >= 3
    assert causes.count(Cause.ONE_HOT) >= 0.8 * len(causes)
    assert set(causes) <= {Cause.ONE_HOT, Cause.NONE}


def test_a_row_that_was_rounded_away_is_no_dropped_one():
    scene = play(
        Scenario(
            dataset="digits", network="lenet_sigmoid", stage="hard-epoch-160", augmentation="none", seed=2, image=470
        )
    )
    gradient = observe_head(scene.network.model, scene.gradients).weight_grad
    assert dropped_rows(gradient.double().numpy()) == 1  # one less 2e-9 is one to float32
    assert diagnose(scene.network.model, scene.gradients).cause is Cause.ONE_HOT


def test_batch_norm_in_training_mode_leaves_weights_at_right_angles_to_their_gradients():
    model = build_network("resnet18", 10, seed=150)
    image, label = load_dataset("photographs", 64)[7][0], hard_label(2, 10)
    for mode, expected in (("training", Cause.TRAINING_BATCH_NORM), ("evaluation", Cause.NO_CHAIN)):
        gradients = capture_gradients(model, image, label, batch_norm=mode)
        assert diagnose(model, gradients).cause is Cause.NONE  # the label leaks all the same
        assert diagnose_image(model, gradients, None, (3, 64, 64)).cause is expected


def small(activation, seed, gain=1.0):
    """The gradient of a LeNet for 16 x 16 pictures, which no threshold was read off either; and it is quick."""
    layers = []
    for channels, stride in ((3, 2), (12, 2), (12, 1)):
        layers += [nn.Conv2d(channels, 12, 5, stride=stride, padding=2), activation()]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(192, 10, bias=False)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            bound = 1 / math.sqrt(parameter[0].numel())
            parameter.uniform_(-bound, bound, generator=generator)
        model[2].weight *= gain
    image = resize(load_dataset("photographs", 32)[seed % 200][0], 16)
    label = mixup_label(seed % 10, (seed + 3) % 10, 10, ratio=0.7, epsilon=0.05)
    return model, capture_gradients(model, image, label), image


def picture_of(model, gradients, image):
    """What the diagnosis says of the picture, and the decibels that the truth gives it."""
    recovery = reconstruct_image(model, gradients, image.shape, method="analytic")
    return diagnose_image(model, gradients, recovery, tuple(image.shape)), psnr(recovery.image, image)


def test_layers_that_keep_part_of_the_picture():
    """Whether enough ReLUs are awake depends on the picture: the diagnosis must know."""
    causes = []
    for seed in range(160, 168):
        found, decibels = picture_of(*small(nn.ReLU, seed))
        causes.append(found.cause)
        if found.cause is Cause.RANK_DEFICIENT:
            assert found.measures["rank"] < found.measures["unknowns"]
        else:
            assert found.cause is Cause.NONE
            assert decibels > 50
    assert set(causes) == {Cause.RANK_DEFICIENT, Cause.NONE}
    assert all(picture_of(*small(nn.LeakyReLU, seed))[0].cause is Cause.NONE for seed in range(160, 163))


def test_flat_units_are_told_from_missing_equations():
    causes = []
    for seed in range(162, 168):
        found, decibels = picture_of(*small(nn.Tanh, seed, gain=120))
        causes.append(found.cause)
        if found.cause is Cause.SATURATED:
            assert found.measures["flat units"] > 0.5
        else:
            assert found.cause is Cause.NONE
            assert decibels > 35
    assert causes.count(Cause.SATURATED) >= 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(5, 30), st.integers(8, 60))
def test_an_outer_product_carries_no_trace(seed, classes, features):
    rng = np.random.default_rng(seed)
    residual, feature = rng.normal(size=classes), np.maximum(rng.normal(size=features), 0)
    residual -= residual.mean()
    product = np.outer(residual, feature).astype(np.float32).astype(np.float64)
    if not product.any():
        return
    assert hole_share(product) == 0
    assert dropped_rows(product) == 0
    assert grid_levels(product) is None or product.size < 100
    assert sample_count(product) == 1


@given(st.integers(0, 2**31), st.integers(2, 200))
def test_a_grid_is_found_whatever_its_step(seed, levels):
    rng = np.random.default_rng(seed)
    steps = np.append(rng.integers(-levels, levels + 1, 400), levels)
    found = grid_levels(steps * rng.uniform(1e-6, 10))
    divisor = math.gcd(*(int(step) for step in steps))
    assert found == levels // divisor


def test_every_cause_has_words():
    assert set(TITLES) == set(REMEDIES) == set(Cause)
    found = Diagnosis(Cause.NOISY, "A sentence.")
    assert found.title == "The gradient is noisy"
    assert found.remedy.startswith("Only less noise")


def test_what_was_announced_of_the_loss_is_no_cause():
    model, image, label = sample("fcn_small", 104, head_bias=True)
    warm = capture_gradients(model, image, label, temperature=4.0)
    found = diagnose(model, warm)
    assert (found.cause, found.title) == (Cause.TEMPERATURE, "A temperature in the loss")
    assert found.measures["factor"] == pytest.approx(4, rel=1e-3)  # as far as float32 tells it
    assert f"with a temperature of {found.measures['factor']:.4g} in the loss it fits" in found.message
    assert diagnose(model, warm, temperature=4.0).cause is Cause.NONE


@pytest.mark.parametrize("head_bias", [True, False])
def test_another_loss_is_named(head_bias):
    model, image, label = sample("fcn_small", 105, head_bias=head_bias)
    loss = nn.functional.binary_cross_entropy_with_logits(model(image[None]), label[None].float())
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    found = diagnose(model, dict(zip(dict(model.named_parameters()), gradients, strict=True)))
    assert (found.cause, found.title) == (Cause.OTHER_LOSS, "Another loss than cross-entropy")
    assert "under softmax cross-entropy they add up to zero whatever the label" in found.message


def test_a_label_of_no_format_names_all_that_may_be_behind_it():
    model, image, _ = sample("fcn_small", 106, head_bias=True)
    found = diagnose(model, capture_gradients(model, image, torch.arange(1.0, 11.0) / 55))
    assert (found.cause, found.title) == (Cause.STRUCTURELESS, "No label format fits")
    assert "class weights" in found.message


@pytest.mark.parametrize("head_bias", [True, False])
@pytest.mark.parametrize("rate", [3e-2, 1e-1])  # with less, the label is right and certain all the same
def test_weight_decay_that_was_left_in_is_measured(head_bias, rate):
    model, image, label = sample("lenet_tanh", 107, head_bias=head_bias)
    weights, sent = dict(model.named_parameters()), capture_gradients(model, image, label)
    found = diagnose(model, {name: part + rate * weights[name].detach() for name, part in sent.items()})
    assert (found.cause, found.title) == (Cause.WEIGHT_DECAY, "Weight decay was left in")
    assert found.measures["weight decay"] == pytest.approx(rate, rel=1e-2)
    assert "times its weights: weight decay was added to the gradient" in found.message
