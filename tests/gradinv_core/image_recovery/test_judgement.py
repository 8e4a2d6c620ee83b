"""What is said of a picture beside it: one sample or several, lambda's doubt, and no error bar nobody can vouch for."""

import numpy as np
import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, hard_label, reconstruct_image, recover_from_gradients, smooth_label
from gradinv_core.client import capture_batch_gradients
from gradinv_core.errors import MisfitError, OptionError
from gradinv_core.image_recovery.open_scale import doubt_of
from gradinv_core.label_recovery import LabelRecovery, Status
from gradinv_core.metrics import psnr

SHAPE = (3, 8, 8)
LABEL = smooth_label(3, 10, 0.1)


def image(seed=0):
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def chain(network):
    below = nn.Conv2d(3, 12, 5, 2, 2), nn.Sigmoid(), nn.Conv2d(12, 12, 3, 1, 1), nn.Sigmoid()
    return network(*below, nn.Flatten(), nn.Linear(192, 10, bias=False))


@pytest.fixture
def linear(network):
    widths = nn.Linear(192, 48, bias=False), nn.ReLU(), nn.Linear(48, 32, bias=False), nn.ReLU()
    return network(nn.Flatten(), *widths, nn.Linear(32, 10, bias=False))


def answer(intervals, scale):
    nothing = torch.ones(2, dtype=torch.float64)
    return LabelRecovery(nothing, nothing, scale, 0, "any", 0.0, Status.AMBIGUOUS, "", intervals)


@pytest.mark.parametrize("pictures", [2, 4])
@pytest.mark.parametrize("label", [hard_label(3, 10), LABEL], ids=["hard", "smoothed"])
def test_several_pictures_of_one_class_are_no_exact_picture(chain, pictures, label):
    images = [image(seed) for seed in range(pictures)]
    recovery = reconstruct_image(chain, capture_batch_gradients(chain, images, [label] * pictures), SHAPE)
    assert recovery.std is None
    assert "Layer 0 fits one sample only to " in recovery.reason
    average = "rounding and noise: the gradient may be that of several samples, and the picture an average of theirs."
    assert average in recovery.reason
    alone = reconstruct_image(chain, capture_gradients(chain, images[0], label), SHAPE)
    assert alone.reason.startswith("Every layer has more equations than unknowns")
    assert "several" not in alone.reason


def test_the_several_samples_show_below_fully_connected_layers_too(network):
    widths = nn.Linear(192, 48), nn.Sigmoid(), nn.Linear(48, 32), nn.Sigmoid()
    model = network(nn.Flatten(), *widths, nn.Linear(32, 10))
    gradients = capture_batch_gradients(model, [image(0), image(1)], [LABEL] * 2)
    recovery = reconstruct_image(model, gradients, SHAPE)
    assert "so its input is exact" not in recovery.reason
    assert "Layer 1 fits one sample only to " in recovery.reason


def test_a_network_with_dropout_or_batch_norm_is_suspected_of_training_mode(network):
    model = network(
        *(nn.Flatten(), nn.Linear(192, 48), nn.Sigmoid(), nn.Dropout(0.5), nn.Linear(48, 32), nn.BatchNorm1d(32)),
        *(nn.Sigmoid(), nn.Linear(32, 10)),
    )
    torch.manual_seed(0)
    model[3].train()
    loss = nn.functional.cross_entropy(model(image()[None]), LABEL[None].float())
    gradients = dict(
        zip(dict(model.named_parameters()), torch.autograd.grad(loss, list(model.parameters())), strict=True)
    )
    with pytest.raises(
        MisfitError, match=r"It may be dropout in training mode, batch norm in training mode, or several"
    ):
        reconstruct_image(model.eval(), gradients, SHAPE, method="analytic")
    searched = reconstruct_image(model, gradients, SHAPE, iterations=2, seed=0)
    assert searched.method == "matching"
    assert "dropout in training mode" in searched.reason


def test_noise_may_be_several_samples(chain):
    gradients = capture_gradients(chain, image(), LABEL)
    generator = torch.Generator().manual_seed(0)
    noisy = {
        name: value + 1e-4 * value.square().mean().sqrt() * torch.randn(value.shape, generator=generator)
        for name, value in gradients.items()
    }
    recovery = reconstruct_image(chain, noisy, SHAPE)
    assert "may be noise, or several samples; then the picture is an average of theirs." in recovery.reason
    assert float(((recovery.image - image()).abs() <= 2 * recovery.std).double().mean()) > 0.85


def test_lambdas_doubt_reaches_the_pixels_of_fully_connected_layers(linear):
    gradients = capture_gradients(linear, image(), LABEL)
    generator = torch.Generator().manual_seed(1)
    noisy = {
        name: value + 1e-3 * value.square().mean().sqrt() * torch.randn(value.shape, generator=generator)
        for name, value in gradients.items()
    }
    found = recover_from_gradients(linear, noisy)
    doubt = doubt_of(found)
    assert not doubt.wide
    recovery = reconstruct_image(linear, noisy, SHAPE)
    assert bool((recovery.std >= 0.99 * doubt.std * recovery.image.abs()).all())
    assert "which gives its input as well as lambda is known" in recovery.reason
    whole = reconstruct_image(linear, noisy, SHAPE, label=found)
    assert torch.equal(whole.image, recovery.image)
    assert torch.equal(whole.std, recovery.std)
    bare = reconstruct_image(linear, noisy, SHAPE, label=found.label, feature=found.feature)
    assert "The error bars take the label and the feature that were handed in for exact." in bare.reason
    with pytest.raises(OptionError, match="feature: expected none beside a whole label recovery"):
        reconstruct_image(linear, noisy, SHAPE, label=found, feature=found.feature)


def test_an_open_lambda_is_held_by_the_pixels_range(linear):
    """A label without structure: any lambda fits the head, but pixels lie in [0, 1]."""
    label = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(10)))
    steps = []
    gradients = capture_gradients(linear, image(), label)
    recovery = reconstruct_image(linear, gradients, SHAPE, on_step=steps.append)
    assert recovery.label.status is Status.AMBIGUOUS
    assert "where the pixels keep their range; the picture is that of the middle" in recovery.reason
    assert 0 <= float(recovery.image.min()) < float(recovery.image.max()) <= 1
    assert bool((recovery.std <= 0.5).all())
    assert float(((recovery.image - image()).abs() <= 2 * recovery.std).double().mean()) > 0.9
    assert psnr(recovery.image, image()) > 10
    assert torch.equal(steps[-1].value, recovery.image)
    assert torch.equal(steps[-1].std, recovery.std)
    assert float(recovery.soft_label.sum()) == pytest.approx(1, abs=1e-6)


def test_an_open_lambda_leaves_convolutions_without_error_bars(network):
    model = network(nn.Conv2d(3, 12, 5, 2, 2, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(192, 10, bias=False))
    label = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(10)))
    recovery = reconstruct_image(model, capture_gradients(model, image(), label), SHAPE)
    assert recovery.method == "matching" or "which moves the whole picture: no error bars are given" in recovery.reason
    assert recovery.std is None


def test_doubt_is_the_span_of_all_ranges():
    narrow = doubt_of(answer([(1.96, 2.04)], 2.0))
    assert narrow.std == pytest.approx(0.02 / 1.96)
    assert not narrow.wide
    pieces = doubt_of(answer([(1.9, 1.95), (2.05, 2.1)], 2.0))
    assert pieces.std == pytest.approx(0.05 / 1.96)
    assert (pieces.low, pieces.high) == (1.9, 2.1)
    one_sided = doubt_of(answer([(2.0, 2.2)], 2.0))
    assert one_sided.std == pytest.approx(0.1 / 1.96)
    for open_ in ([(2.0, float("inf"))], [(-3.0, -2.0), (2.0, 3.0)]):
        doubt = doubt_of(answer(open_, 2.0))
        assert doubt.wide
        assert doubt.std == 1.0
    assert doubt_of(None).std == 0.0
