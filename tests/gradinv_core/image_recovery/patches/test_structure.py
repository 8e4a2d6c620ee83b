"""Patches and their positions are found by what a network does, whoever wrote it, and nothing else is."""

import pytest
import torch
from torch import nn
from torchvision.transforms import Normalize

from gradinv_core.errors import ShapeError
from gradinv_core.image_recovery.patches import find_patches
from gradinv_core.networks import build_network

SHAPE = (3, 32, 32)


def test_ours_is_found():
    (place,) = find_patches(build_network("vit_small", 10), SHAPE).found
    assert (place.layer, place.positions, place.grid) == ("patch_embed", "pos_embed", (8, 8))
    assert torch.equal(place.rows, torch.arange(1, 65))
    assert place.factor == pytest.approx(1)
    assert torch.equal(place.line.scale, torch.ones(3072, dtype=torch.float64))


def test_torchvisions_is_found(torchvisions):
    (place,) = find_patches(torchvisions(), SHAPE).found
    assert (place.layer, place.positions, place.grid) == ("conv_proj", "encoder.pos_embedding", (4, 4))
    assert torch.equal(place.rows, torch.arange(1, 17))


@pytest.mark.parametrize(
    ("options", "rows", "factor"),
    [
        ({}, range(1, 17), 1),
        ({"tokens": 0}, range(16), 1),
        ({"tokens": 3}, range(3, 19), 1),
        ({"behind": True}, range(16), 1),
        ({"scale": 7.0}, range(1, 17), 7),
        ({"late_norm": True}, range(1, 17), 1),
    ],
)
def test_tokens_may_stand_anywhere_and_patches_may_be_scaled(transformer, options, rows, factor):
    (place,) = find_patches(transformer(**options), SHAPE).found
    assert place.rows.tolist() == list(rows)
    assert place.factor == pytest.approx(factor)


class Written(nn.Module):
    """Positions as other libraries keep them: a plain matrix, a table that is looked up, a grid."""

    def __init__(self, kind, width=48):
        super().__init__()
        self.kind = kind
        self.conv = nn.Conv2d(3, width, 8, 8, bias=kind != "matrix")
        if kind == "table":
            self.place = nn.Embedding(16, width)
        else:
            self.place = nn.Parameter(torch.randn((16, width) if kind == "matrix" else (1, 4, 4, width)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, images):
        patches = self.conv(images).permute(0, 2, 3, 1)
        if self.kind == "grid":
            patches = patches + self.place
        tokens = patches.flatten(1, 2)
        if self.kind != "grid":
            tokens = tokens + (self.place(torch.arange(16)) if self.kind == "table" else self.place)
        return self.head(self.norm(tokens).tanh().mean(1))


@pytest.mark.parametrize("kind", ["matrix", "table", "grid"])
def test_positions_may_be_kept_in_any_form(kind):
    (place,) = find_patches(Written(kind).eval(), SHAPE).found
    assert place.positions == ("place.weight" if kind == "table" else "place")
    assert place.rows.tolist() == list(range(16))


def test_columns_before_rows_are_seen(transformer):
    class Turned(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, images):
            return self.inner(images).transpose(-1, -2)

    model = transformer(tokens=0)
    model.patch_embed.proj = nn.Sequential(model.patch_embed.proj, Turned(nn.Identity()))
    (place,) = find_patches(model, SHAPE).found
    assert place.rows.tolist() == torch.arange(16).reshape(4, 4).T.flatten().tolist()


def test_a_normalisation_in_front_is_read_off(transformer):
    model = nn.Sequential(Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.1)), transformer())
    (place,) = find_patches(model, SHAPE).found
    scale = place.line.scale.reshape(SHAPE)[:, 0, 0]
    torch.testing.assert_close(scale, torch.tensor([5.0, 10 / 3, 10.0]).double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("options", [{"learned": False}, {"early_norm": True}])
def test_a_transformer_without_such_positions_is_told_why(transformer, options):
    search = find_patches(transformer(**options), SHAPE)
    assert search.found == ()
    assert search.why_not.startswith("Layer patch_embed.proj cuts the picture into 16 patches, but no learned position")
    assert search.why_not.endswith("sinusoidal, rotary and relative positions have none.")


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)),
        nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)),
    ],
    ids=["a patchy convolution", "no convolution"],
)
def test_nothing_is_said_of_other_networks(model):
    assert find_patches(model, SHAPE) == find_patches(nn.Sequential(nn.Flatten(), nn.Linear(3072, 2)), SHAPE)


def test_what_bends_or_moves_the_picture_before_the_patches_is_no_such_network(transformer):
    for first in (nn.Sigmoid(), nn.Upsample(scale_factor=1.0, mode="nearest")):
        found = find_patches(transformer(first=first), SHAPE).found
        assert bool(found) is not isinstance(first, nn.Sigmoid)

    class Flip(nn.Module):
        def forward(self, images):
            return images.transpose(-1, -2)

    assert not find_patches(transformer(first=Flip()), SHAPE).found


def test_another_size_is_one_clear_error(torchvisions):
    with pytest.raises(ShapeError, match=r"input_shape: expected an image the network can take, got \(3, 64, 64\) \("):
        find_patches(torchvisions(), (3, 64, 64))


def test_the_network_is_left_as_it_was(transformer):
    model = transformer().train().requires_grad_(False)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    assert find_patches(model, SHAPE).found
    assert model.training
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in model.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(torch.random.get_rng_state(), state)
