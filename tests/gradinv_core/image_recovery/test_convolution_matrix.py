"""Convolution, its weight gradient and average pooling as matrices, against PyTorch's own."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from gradinv_core.image_recovery.convolution_matrix import (
    correlation_blocks,
    output_matrix,
    pooling_matrix,
    tap_positions,
)

SHAPE = (4, 9, 7)
# PyTorch itself says that "same" with an even kernel takes a copy.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
CONVOLUTIONS = {
    "plain": {"kernel_size": 3},
    "stride": {"kernel_size": 5, "stride": 2, "padding": 2},
    "unequal": {"kernel_size": (3, 2), "stride": (1, 3), "padding": (0, 1), "dilation": (2, 1)},
    "dilation": {"kernel_size": 3, "dilation": 2, "padding": 1},
    "groups": {"kernel_size": 3, "groups": 2, "padding": 1},
    "depthwise": {"kernel_size": 3, "groups": 4, "stride": 2},
    "same": {"kernel_size": 3, "padding": "same", "dilation": 2},
    "same, even": {"kernel_size": (4, 2), "padding": "same"},
    "valid": {"kernel_size": (2, 4), "padding": "valid"},
    "pixelwise": {"kernel_size": 1, "stride": 2},
    "wide padding": {"kernel_size": 2, "padding": 3},
}


def draw(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def convolution(network, channels=SHAPE[0], outputs=8, **options):
    return network(nn.Conv2d(channels, outputs, **options), dtype=torch.float64)[0]


@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_output_matrix_is_the_convolution(network, options):
    layer, image = convolution(network, bias=False, **options), draw(1, *SHAPE)
    expected = layer(image).detach().flatten()
    product = torch.from_numpy(output_matrix(layer, SHAPE) @ image.flatten().numpy())
    torch.testing.assert_close(product, expected)


@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_the_transpose_carries_the_gradient_down(network, options):
    layer, image = convolution(network, **options), draw(1, *SHAPE).requires_grad_(True)
    output = layer(image)
    delta = draw(*output.shape, seed=1)
    (expected,) = torch.autograd.grad(output, image, delta)
    product = torch.from_numpy(output_matrix(layer, SHAPE).T @ delta.flatten().numpy())
    torch.testing.assert_close(product, expected.flatten())


@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_correlation_blocks_are_the_weight_gradient(network, options):
    layer, image = convolution(network, **options), draw(1, *SHAPE)
    output = layer(image)
    delta = draw(*output.shape, seed=1)
    blocks = torch.from_numpy(correlation_blocks(layer, SHAPE, delta.flatten()))
    by_group = image.reshape(layer.groups, -1, SHAPE[1] * SHAPE[2]).transpose(1, 2)
    gradient = (blocks @ by_group).reshape(layer.out_channels, -1, layer.in_channels // layer.groups).transpose(1, 2)
    (expected,) = torch.autograd.grad(output, layer.weight, delta)
    torch.testing.assert_close(gradient.reshape(layer.weight.shape), expected)
    if not isinstance(options.get("padding", 0), str):
        rest = {name: options.get(name, 1) for name in ("stride", "dilation", "groups")}
        by_torch = nn.grad.conv2d_weight(image, layer.weight.shape, delta, padding=options.get("padding", 0), **rest)
        torch.testing.assert_close(gradient.reshape(layer.weight.shape), by_torch)


pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@settings(deadline=None)
@given(kernel=pairs, stride=pairs, dilation=pairs, padding=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_every_geometry(kernel, stride, dilation, padding):
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    assume(reach[0] <= 6 + 2 * padding[0] and reach[1] <= 5 + 2 * padding[1])
    layer = nn.Conv2d(2, 3, kernel, stride, padding, dilation, bias=False).double()
    image = draw(1, 2, 6, 5)
    product = torch.from_numpy(output_matrix(layer, (2, 6, 5)) @ image.flatten().numpy())
    torch.testing.assert_close(product, layer(image).detach().flatten())


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 1, "padding": 1},
        {"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False},
        {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
        {"kernel_size": 2, "divisor_override": 3},
        {"kernel_size": 3, "padding": 1, "divisor_override": 5, "count_include_pad": False},
        {"kernel_size": 2, "stride": 3},
        {"kernel_size": 1},
    ],
    ids=str,
)
def test_pooling_matrix_is_average_pooling(options):
    layer, image = nn.AvgPool2d(**options), draw(1, *SHAPE)
    product = torch.from_numpy(pooling_matrix(layer, SHAPE) @ image.flatten().numpy())
    torch.testing.assert_close(product, layer(image).flatten())


def test_taps_read_the_pixels_they_should():
    positions = tap_positions(nn.Conv2d(1, 1, 2, padding=1), (1, 2, 2))
    assert positions.shape == (4, 9)
    assert positions[:, 0].tolist() == [-1, -1, -1, 0]  # upper left corner: three taps in the padding
    assert positions[:, 4].tolist() == [0, 1, 2, 3]


def test_large_images_keep_their_indices_apart():
    """Indices pass through PyTorch's unfold as numbers: beyond 2**24 a float32 would merge neighbours."""
    positions = tap_positions(nn.Conv2d(1, 1, 1, stride=(1, 4095)), (1, 4200, 4200))
    assert positions[0, -1] == 4199 * 4200 + 4095
