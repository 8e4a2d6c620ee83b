"""A convolution written out as the sparse matrices it is: one for its output, one for its weight gradient."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
import torch
from torch import nn
from torch.nn import functional

from gradinv_core.arrays import Array

__all__ = ["correlation_blocks", "output_bias", "output_matrix", "pooling_matrix", "tap_positions"]


def tap_positions(layer: nn.Conv2d | nn.AvgPool2d, input_shape: tuple[int, ...]) -> np.ndarray:
    """Which pixel each tap of the kernel reads at each output position.

    Returns:
        (taps, positions) whole numbers, index of the pixel in one flattened channel; -1 in the padding.
    """
    height, width = input_shape[1:]
    pixels = torch.arange(1, height * width + 1, dtype=torch.float64).reshape(1, 1, height, width)
    kernel, stride = _pair(layer.kernel_size), _pair(layer.stride)
    dilation = _pair(layer.dilation) if isinstance(layer, nn.Conv2d) else (1, 1)
    if layer.padding == "same":  # as PyTorch does it: the odd row and column go to the end
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        pixels = functional.pad(
            pixels, (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2)
        )
        padding = (0, 0)
    else:
        padding = (0, 0) if isinstance(layer.padding, str) else _pair(layer.padding)
    return functional.unfold(pixels, kernel, dilation, padding, stride)[0].numpy().round().astype(np.int64) - 1


def _pair(size: int | tuple[int, ...]) -> tuple[int, int]:
    """Vertical and horizontal: pooling keeps one number where both are the same."""
    return (size, size) if isinstance(size, int) else (size[0], size[-1])


def output_matrix(layer: nn.Conv2d, input_shape: tuple[int, ...]) -> sparse.csr_array:
    """The matrix A (outputs, inputs) with ``conv(x) = A x``, bias aside."""
    positions = tap_positions(layer, input_shape)
    taps, count = positions.shape
    pixels = input_shape[1] * input_shape[2]
    weight = layer.weight.detach().double().cpu().numpy().reshape(layer.out_channels, -1, taps)
    outputs, inputs = weight.shape[:2]
    of_group = np.arange(outputs) // (outputs // layer.groups)
    channel = of_group[:, None] * inputs + np.arange(inputs)  # (outputs, inputs)
    shape = (outputs, inputs, taps, count)
    rows = np.arange(outputs)[:, None, None, None] * count + np.arange(count)
    columns = channel[:, :, None, None] * pixels + positions
    inside = np.broadcast_to(positions >= 0, shape).reshape(-1)
    entries = np.broadcast_to(weight[..., None], shape).reshape(-1)[inside]
    rows, columns = (
        np.broadcast_to(rows, shape).reshape(-1)[inside],
        np.broadcast_to(columns, shape).reshape(-1)[inside],
    )
    size = (outputs * count, input_shape[0] * pixels)
    return sparse.coo_array((entries, (rows, columns)), shape=size).tocsr()


def output_bias(layer: nn.Conv2d, outputs: int) -> torch.Tensor:
    """What the bias adds to each of the flattened outputs, (outputs,); zeros for a layer without."""
    if layer.bias is None:
        return torch.zeros(outputs, dtype=torch.float64)
    return layer.bias.detach().double().cpu().repeat_interleave(outputs // layer.out_channels)


def pooling_matrix(layer: nn.AvgPool2d, input_shape: tuple[int, ...]) -> sparse.csr_array:
    """The matrix P (outputs, inputs) of average pooling."""
    positions = tap_positions(layer, input_shape)
    taps, count = positions.shape
    inside = positions >= 0
    whole = layer.divisor_override or (taps if layer.count_include_pad else 0)  # the override wins, as in PyTorch
    divisor = np.full(count, whole) if whole else inside.sum(0)
    entries = np.broadcast_to(1.0 / divisor, positions.shape)[inside]
    rows = np.broadcast_to(np.arange(count), positions.shape)[inside]
    one = sparse.coo_array((entries, (rows, positions[inside])), shape=(count, input_shape[1] * input_shape[2]))
    return sparse.csr_array(sparse.kron(sparse.eye_array(input_shape[0]), one.tocsr()))


def correlation_blocks(layer: nn.Conv2d, input_shape: tuple[int, ...], delta: torch.Tensor) -> Array:
    """The matrices M with ``dL/dW = M x``, channel by channel.

    Every input channel of a group meets the same matrix, so one per group is all there is.

    Args:
        layer: the convolution.
        input_shape: (channels, height, width) of x.
        delta: (outputs,) gradient at the layer's output, flattened.

    Returns:
        (groups, output channels per group * taps, pixels).
    """
    positions = tap_positions(layer, input_shape)
    taps, count = positions.shape
    spread = delta.cpu().numpy().reshape(layer.out_channels, count)
    blocks = np.zeros((layer.out_channels, taps, input_shape[1] * input_shape[2]))
    for tap in range(taps):
        inside = positions[tap] >= 0
        blocks[:, tap, positions[tap, inside]] = spread[:, inside]  # a tap reads each pixel once at most
    return blocks.reshape(layer.groups, -1, blocks.shape[-1])
