"""The linear maps of a stem, against PyTorch's own layers and gradients."""

import pytest
import torch
from torch import nn

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.graph.stem.pooled import pooled_stem
from gradinv_core.image_recovery.picture_map import plain_map


@pytest.mark.parametrize("stride", [1, 2])
def test_the_true_picture_fits(scene, stride):
    stem, shares, _, dz = scene(stride=stride)
    z = stem.z(shares)
    torch.testing.assert_close(stem.pooled(z), stem.target, rtol=0, atol=1e-12)
    assert stem.misfit(z) < 1e-12
    left = stem.gradient_left(dz)
    torch.testing.assert_close(stem.correlated(shares, dz), left, rtol=0, atol=1e-10)


def test_maps_have_their_transposes(scene):
    stem, shares, _, dz = scene()
    generator = torch.Generator().manual_seed(1)
    outputs = torch.randn(2, *dz.shape, dtype=torch.float64, generator=generator)
    both = torch.stack([shares, shares.flip(2)])
    torch.testing.assert_close((stem.linear(both) * outputs).sum(), (both * stem.transposed(outputs)).sum())
    gradients = torch.randn(2, *stem.gradient.shape, dtype=torch.float64, generator=generator)
    there = (stem.correlated(both, dz) * gradients).sum()
    torch.testing.assert_close(there, (both * stem.correlated_transposed(gradients, dz)).sum())


def test_a_kernel_that_pads_unevenly_is_refused():
    layer = nn.Conv2d(3, 4, 4, padding="same")
    nothing = torch.zeros(4, 4)
    with pytest.raises(NoExactRouteError, match="layer first, below a max pool, pads unevenly"):
        pooled_stem(
            layer,
            None,
            nn.MaxPool2d(2),
            plain_map(48),
            ((3, 4, 4), (4, 4, 4)),
            (nothing, nothing, nothing > 0, nothing),
            torch.zeros(4, 3, 16),
            "first",
        )
