"""A picture that a search brought near becomes exact where enough entries fit, and its error bars say where not."""

import copy

import torch
from torch import nn

from gradinv_core.image_recovery.graph.picture_polish import polish

ROUNDING = 2.0**-24


def scene(filled, smooth_picture, outputs=64):
    """A network, a picture, and what it leads to but for float32's rounding, with its standard deviations."""
    network = filled(
        nn.Sequential(nn.Conv2d(1, 12, 3), nn.ReLU(), nn.Conv2d(12, outputs, 3), nn.ReLU(), nn.MaxPool2d(2))
    )
    picture = smooth_picture(12)[:1].double()
    double = copy.deepcopy(network).double()
    value = double(picture[None])[0].detach()
    value = value * (1 + ROUNDING * torch.randn(value.shape, generator=torch.Generator().manual_seed(0)))
    std = 2 * ROUNDING * (value + 0.1 * value.mean())
    return (lambda one: network(one[None])[0]), (lambda one: double(one[None])[0]), value, std, picture


def test_near_becomes_exact_and_the_bars_hold(filled, smooth_picture):
    single, double, value, std, picture = scene(filled, smooth_picture)
    start = picture + 1e-3 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(1))
    found = polish(single, double, value, std, start)
    off = (found.shares - picture).abs()
    assert off.max() < 1e-4
    assert off.max() < 1e-2 * (start - picture).abs().max()
    assert float((off <= 2 * found.std).double().mean()) > 0.9
    assert found.fitting > 1.125 * picture.numel()


def test_what_only_wrong_entries_speak_of_stays_open(filled, smooth_picture):
    single, double, value, std, picture = scene(filled, smooth_picture)
    value[:, 0, 0] *= 1.3  # the one window that sees the picture's corner
    start = picture + 1e-3 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(1))
    found = polish(single, double, value, std, start)
    assert found.std[0, 0, 0] > 0.1
    assert found.std[0, 5:, 5:].max() < 1e-3
    assert (found.shares - picture)[0, 5:, 5:].abs().max() < 1e-3


def test_too_few_entries_are_no_proof(filled, smooth_picture):
    single, double, value, std, picture = scene(filled, smooth_picture, outputs=4)
    assert polish(single, double, value, std, picture) is None
    single, double, value, std, picture = scene(filled, smooth_picture)
    elsewhere = value[torch.randperm(len(value), generator=torch.Generator().manual_seed(0))]
    assert polish(single, double, elsewhere, std, picture) is None
