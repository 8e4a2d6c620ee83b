"""All pictures of a batch, against those that went in: through what networks, how far, and what is said of them."""

import numpy as np
import pytest
import torch
from drawn_batches import soft_labels
from numpy.random import default_rng
from scipy.optimize import linear_sum_assignment
from torch import nn

from gradinv_core.batch_recovery import reconstruct_batch, recover_batch
from gradinv_core.batch_recovery.pictures import first_layer
from gradinv_core.batch_recovery.pictures.replay import replay
from gradinv_core.client import capture_batch_gradients
from gradinv_core.errors import MisfitError, NoExactRouteError
from gradinv_core.head import observe_head
from gradinv_core.image_recovery.graph.rules import Add
from gradinv_core.image_recovery.graph.stem import StemAnswer
from gradinv_core.pixels import PixelSpace


class Residual(nn.Module):
    """A convolution with a max pool, one residual block, and a head on all that comes out."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm, self.pool = nn.Conv2d(3, 12, 5, padding=2), nn.BatchNorm2d(12), nn.MaxPool2d(2)
        self.one, self.two = nn.Conv2d(12, 24, 3, padding=1), nn.Conv2d(24, 12, 3, padding=1)
        self.add, self.head = Add(), nn.Linear(12 * 16, 10, bias=False)

    def forward(self, images):
        value = self.pool(torch.relu(self.norm(self.stem(images))))
        branch = self.two(torch.relu(self.one(value)))
        return self.head(torch.relu(self.add(branch, value)).flatten(1))


def fully_connected(activation=nn.ReLU):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(192, 120), activation(), nn.Linear(120, 96), activation(), nn.Linear(96, 10, bias=False)
    )


def convolutional(channels):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, channels, 5, padding=2),
        nn.ReLU(),
        nn.Conv2d(channels, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 10, bias=False),
    )


def drawn(samples, seed=1):
    images = list(torch.rand(samples, 3, 8, 8, generator=torch.Generator().manual_seed(seed)))
    return images, [torch.from_numpy(label) for label in soft_labels(samples, 10, default_rng(0))]


def order_of(found, batch):
    """Which answer each of the client's pictures is."""
    squared = (torch.stack(batch[0])[:, None].double() - found.images[None]).square().mean((2, 3, 4))
    return linear_sum_assignment(squared.numpy())[1]


def decibels(found, batch):
    """Of every picture."""
    missed = found.images[order_of(found, batch)] - torch.stack(batch[0]).double()
    return -10 * missed.square().mean((1, 2, 3)).log10()


def rebuilt(model, batch, **options):
    return reconstruct_batch(model, capture_batch_gradients(model, *batch), (3, 8, 8), seed=0, **options)


@pytest.mark.parametrize("told", [{"temperature": 3.0}, {"class_weights": np.linspace(0.5, 2.0, 10)}])
def test_pictures_under_an_announced_loss_lead_back_to_the_gradient(told):
    model, batch = fully_connected(), drawn(3)
    sent = capture_batch_gradients(model, *batch, **told)
    found = reconstruct_batch(model, sent, (3, 8, 8), seed=0, label_format="mixup+smoothing", **told)
    assert decibels(found, batch).min() > 80
    assert found.replayed < 1e-5
    assert max(found.agreement) < 1e-5


def test_every_picture_comes_back_through_fully_connected_layers():
    model, batch = fully_connected(), drawn(4)
    found = rebuilt(model, batch)
    assert decibels(found, batch).min() > 80
    assert [layer.name for layer in found.layers] == ["3", "1"]
    assert max(layer.misfit for layer in found.layers) < 1e-5
    assert max(*found.agreement, found.replayed) < 1e-5
    assert "exactly but for rounding" in found.reason
    missed = (found.images[order_of(found, batch)] - torch.stack(batch[0]).double()).abs()
    assert (missed < 3 * found.std).double().mean() > 0.95


@pytest.mark.parametrize("channels", [16, 5], ids=["by the first layer's gradient", "by all its equations"])
def test_every_picture_comes_back_through_convolutions(channels):
    model, batch = convolutional(channels), drawn(2)
    found = rebuilt(model, batch)
    assert found.settled
    assert decibels(found, batch).min() > 60
    assert max(*found.agreement, found.replayed) < 1e-4
    assert [layer.name for layer in found.layers] == (["2", "0"] if channels == 16 else ["2"])


def test_every_input_of_a_residual_block_comes_back_and_pictures_behind_its_max_pool(monkeypatch):
    monkeypatch.setattr(first_layer, "_ROUNDS", 60)  # a look at the way, not at the quality: the study measures that
    monkeypatch.setattr(first_layer, "_TURNS", 2)
    torch.manual_seed(0)
    model, batch, told = Residual().eval(), drawn(2), []
    found = rebuilt(model, batch, on_step=told.append)
    value = model.pool(torch.relu(model.norm(model.stem(torch.stack(batch[0])))))
    inputs = {"one": value, "two": torch.relu(model.one(value))}
    order = order_of(found, batch)
    for layer in found.layers:
        came = inputs[layer.name].double()
        assert (layer.inputs[order] - came).norm() < 1e-5 * came.norm()
    assert [step.layer for step in told[:2]] == ["two", "one"]
    assert {tuple(step.images.shape) for step in told[2:]} == {(2, 3, 8, 8)}
    assert not found.settled
    assert "not settled" in found.reason
    assert found.std is None
    assert max(found.agreement) > 1e-2  # and that is said
    assert f"{max(found.agreement):.1e}" in found.reason


@pytest.mark.parametrize(("small", "said"), [(True, False), (False, True)])
def test_pictures_behind_a_max_pool_have_bars_where_winners_stand_and_few_pictures_share_them(monkeypatch, small, said):
    def stands(stem, *_, **__):
        picture = torch.full(stem.shape, 0.5, dtype=torch.float64)
        return StemAnswer(picture, 0.1 * picture, (), True, 1e-7, 1e-7, 10**6, (), 0.0, False)

    monkeypatch.setattr(first_layer, "_ROUNDS", 1)
    monkeypatch.setattr(first_layer, "recover_picture", stands)
    monkeypatch.setattr(first_layer, "is_small", lambda _: small)
    torch.manual_seed(0)
    found = rebuilt(Residual().eval(), drawn(2))
    assert (found.std is None) == said
    assert ("No error bars" in found.reason) == said
    assert said or found.std.shape == found.images.shape


def test_where_equations_run_out_the_way_ends_and_says_so():
    model, batch = convolutional(16), drawn(8)
    model[2] = nn.Conv2d(16, 8, 3, stride=2, padding=1)
    model[5] = nn.Linear(128, 10, bias=False)
    found = rebuilt(model, batch)
    assert found.images is None
    assert "layer 2 has 72 equations for the 8 x 64 unknowns" in found.reason
    assert found.agreement == ()
    assert np.isnan(found.replayed)


def test_a_replay_finds_the_picture_that_is_wrong():
    model, batch = fully_connected(), drawn(3)
    sent = capture_batch_gradients(model, *batch)
    labels = recover_batch(*observe_head(model, sent)[:2], seed=0)
    images = reconstruct_batch(model, sent, (3, 8, 8), seed=0).images
    images[1] = images[1].flip(2)
    agreement, replayed = replay(model, "5", images, labels, sent, PixelSpace())
    assert agreement[1] > 0.1 > 1e-4 > max(agreement[0], agreement[2])
    assert replayed > 0.1


def test_a_stop_is_heard_between_layers():
    told = []
    found = rebuilt(fully_connected(), drawn(2), on_step=told.append, stop=lambda: bool(told))
    assert [layer.name for layer in found.layers] == ["3"]
    assert found.stopped
    assert found.images is None
    assert "Stopped before there was a picture." in found.reason


def test_what_has_no_way_down_is_named():
    batch = drawn(2)
    model = convolutional(16)
    model[1] = nn.GELU()
    found = rebuilt(model, batch)
    assert [layer.name for layer in found.layers] == ["2"]
    assert "1 (GELU) has no rule" in found.reason
    with pytest.raises(NoExactRouteError, match="ends in layer 6"):
        rebuilt(nn.Sequential(*model, nn.ReLU()), batch)


def test_labels_that_are_open_bar_the_way():
    model, batch = fully_connected(), drawn(4)
    sent = capture_batch_gradients(model, *batch)
    noisy = {
        name: grad + 0.1 * grad.std() * torch.randn(grad.shape, generator=torch.Generator().manual_seed(0))
        for name, grad in sent.items()
    }
    for other, gradients in ((model, noisy), (fully_connected(nn.Sigmoid), None)):
        gradients = gradients or capture_batch_gradients(other, *batch)
        with pytest.raises(NoExactRouteError, match="expected every label of the batch to be unique"):
            reconstruct_batch(other, gradients, (3, 8, 8), seed=0)


def test_a_layer_that_contradicts_the_head_is_refused():
    model = fully_connected()
    sent = capture_batch_gradients(model, *drawn(4))
    sent["3.weight"] = sent["3.weight"].flip(0)
    with pytest.raises(MisfitError, match="the pictures end here"):
        reconstruct_batch(model, sent, (3, 8, 8), seed=0)
    del sent["3.weight"]
    with pytest.raises(NoExactRouteError, match="layer 3 was not sent"):
        reconstruct_batch(model, sent, (3, 8, 8), seed=0)
