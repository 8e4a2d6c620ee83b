"""All pictures of a batch through fully connected networks, against those that went in."""

import pytest
import torch
from drawn_batches import soft_labels
from numpy.random import default_rng
from torch import nn

from gradinv_core.batch_recovery import reconstruct_batch
from gradinv_core.client import capture_batch_gradients
from gradinv_core.errors import MisfitError, NoExactRouteError


def network(activation=nn.ReLU, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(192, 120), activation(), nn.Linear(120, 96), activation(), nn.Linear(96, 10, bias=False)
    )


@pytest.fixture
def batch():
    images = list(torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)))
    return images, [torch.from_numpy(label) for label in soft_labels(4, 10, default_rng(0))]


def test_every_picture_comes_back(batch):
    model = network()
    found = reconstruct_batch(model, capture_batch_gradients(model, *batch), (3, 8, 8), seed=0)
    distance = (found.images[:, None] - torch.stack(batch[0])[None].double()).square().mean((2, 3, 4))
    assert sorted(distance.argmin(1).tolist()) == [0, 1, 2, 3]
    assert -10 * distance.min(1).values.max().log10() > 80  # decibels
    assert [layer.name for layer in found.layers] == ["5", "3", "1"]
    assert max(layer.misfit for layer in found.layers) < 1e-5


def test_what_has_no_way_down_is_named(batch):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10, bias=False))
    with pytest.raises(NoExactRouteError, match=r"got Conv2d \(0\)"):
        reconstruct_batch(model, capture_batch_gradients(model, *batch), (3, 8, 8), seed=0)
    model = network(nn.Sigmoid)
    with pytest.raises(NoExactRouteError, match="got Sigmoid"):
        reconstruct_batch(model, capture_batch_gradients(model, *batch), (3, 8, 8), seed=0)


def test_labels_that_are_open_bar_the_way(batch):
    model = network()
    sent = capture_batch_gradients(model, *batch)
    noisy = {
        name: grad + 0.1 * grad.std() * torch.randn(grad.shape, generator=torch.Generator().manual_seed(0))
        for name, grad in sent.items()
    }
    with pytest.raises(NoExactRouteError, match="expected every label of the batch to be unique"):
        reconstruct_batch(model, noisy, (3, 8, 8), seed=0)


def test_a_layer_that_contradicts_the_head_is_refused(batch):
    model = network()
    sent = capture_batch_gradients(model, *batch)
    sent["3.weight"] = sent["3.weight"].flip(0)
    with pytest.raises(MisfitError, match="the pictures end here"):
        reconstruct_batch(model, sent, (3, 8, 8), seed=0)
