"""Active units under an average, read off the layer below."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.graph.pooled_gate import active_units, separable
from gradinv_core.image_recovery.graph.reader import reader_of
from gradinv_core.image_recovery.graph.signs import Reading


def scene(size, share, channels=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    reader = reader_of("layer", nn.Conv2d(16, channels, 3, padding=1), (16, size, size))
    value = torch.randn(16, size * size, dtype=torch.float64, generator=generator).clamp(min=0)
    factor = torch.randn(channels, 1, dtype=torch.float64, generator=generator)
    active = torch.rand(channels, size * size, generator=generator) < share
    gradient = (reader.rows(factor * active) @ value.T).transpose(1, 2)
    gradient *= 1 + 1e-7 * torch.randn(gradient.shape, dtype=torch.float64, generator=generator)
    return Reading(reader, gradient, factor * active, None, factor.expand(-1, size * size)), active


@pytest.mark.parametrize(("size", "share"), [(1, 0.5), (2, 0.5), (2, 0.05), (2, 0.9)])
def test_units_are_read_off(size, share):
    reading, active = scene(size, share)
    assert torch.equal(active_units([reading], "act"), active)


def test_positions_that_nothing_tells_apart_are_refused():
    held = [torch.ones(1, 4, dtype=torch.bool)]
    assert not separable(held)
    assert separable([torch.eye(4, dtype=torch.bool)])
    reading, _ = scene(2, 0.5)
    drawn = torch.randn(reading.gradient.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    reading = replace(reading, gradient=drawn)
    with pytest.raises(NoExactRouteError, match="average over 4 positions behind act"):
        active_units([reading], "act")
