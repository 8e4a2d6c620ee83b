"""Silent channels: known where a gradient of nought says so, and left alone where it may mean something else."""

import pytest
import torch
from torch import nn

from gradinv_core.image_recovery.graph.reader import reader_of
from gradinv_core.image_recovery.graph.row_solver import Entries, Rows, solve_rows
from gradinv_core.image_recovery.graph.signs import Reading
from gradinv_core.image_recovery.graph.silent import with_silent_channels

ROUNDING = 2.0**-24


class Scene:
    """A 1x1 convolution with fewer equations than pixels, read from a ReLU of which two channels were silent."""

    def __init__(self, channels=400, pixels=16):
        generator = torch.Generator().manual_seed(0)
        side = int(pixels**0.5)
        reader = reader_of("layer", nn.Conv2d(channels, 14, 1), (channels, side, side))
        self.value = torch.randn(channels, pixels, dtype=torch.float64, generator=generator).clamp(min=0)
        self.silent = torch.zeros(channels, dtype=torch.bool)
        self.silent[[3, 17]] = True
        self.value[self.silent] = 0
        delta = torch.randn(14, pixels, dtype=torch.float64, generator=generator)
        delta[:, 5] = 0  # nothing arrives there
        self.reading = Reading(reader, (delta @ self.value.T)[..., None], delta)
        known = (self.value > 0) & (torch.rand(self.value.shape, generator=generator) < 0.9)
        std = torch.where(known, 1e-7, torch.inf)
        self.entries = Entries(torch.where(known, self.value, 0.0), std)


@pytest.fixture
def scene():
    return Scene()


def test_channels_without_gradient_are_known_to_be_nought(scene):
    found = with_silent_channels(scene.entries, [scene.reading], ROUNDING)
    told = found.std.isfinite() & scene.entries.std.isinf()
    there = torch.arange(16) != 5
    assert torch.equal(told, scene.silent[:, None] & there)
    assert not found.value[scene.silent].any()
    assert float(found.std[told].max()) < 1e-6
    rows = [Rows(scene.reading.reader.rows(scene.reading.delta), scene.reading.gradient.transpose(1, 2))]
    without, with_them = (solve_rows(rows, ROUNDING, entries=each) for each in (scene.entries, found))
    assert float(without.std[scene.silent].max()) > 1e-2
    assert float(with_them.std[scene.silent][:, there].max()) < 1e-5


def test_noughts_that_a_client_left_out_say_nothing(scene):
    whole = scene.reading.gradient
    least = whole.abs().flatten().sort().values[whole.numel() // 10]
    pruned = Reading(scene.reading.reader, torch.where(whole.abs() < least, 0.0, whole), scene.reading.delta)
    assert with_silent_channels(scene.entries, [pruned], ROUNDING) is scene.entries
    withheld = whole.clone()
    withheld[:, 8] = 0  # a channel that the short cut has seen active
    assert bool((scene.entries.value[8] > 0).any())
    reading = Reading(scene.reading.reader, withheld, scene.reading.delta)
    assert with_silent_channels(scene.entries, [reading], ROUNDING) is scene.entries


def test_every_layer_that_reads_it_must_agree(scene):
    other = Reading(scene.reading.reader, torch.ones_like(scene.reading.gradient), scene.reading.delta)
    other.gradient[0, 0] = 1e-6
    assert with_silent_channels(scene.entries, [scene.reading, other], ROUNDING) is scene.entries
