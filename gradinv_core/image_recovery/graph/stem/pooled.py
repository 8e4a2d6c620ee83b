"""What is known of a picture behind a max pool, and the linear maps between it and the convolution's output."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import torch
from torch import nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.convolution_matrix import tap_positions
from gradinv_core.image_recovery.graph.backwards import entry_line
from gradinv_core.image_recovery.picture_map import PictureMap

__all__ = ["PooledStem", "pooled_stem"]


@dataclass(frozen=True)
class PooledStem:
    """Pictures in shares u of a pixel's range, (channels, height, width); z, what the pool sees of them.

    ``z = linear(u) + offset``, (outputs, positions). In every cell, a window of the pool, the largest z is ``target``
    where that is known, and at most ``target`` elsewhere.

    Attributes:
        kernel: (outputs, channels, height, width) of the convolution, with what scales its outputs.
        stride: of the convolution.
        padding: of the convolution.
        dilation: of the convolution.
        shape: of the picture.
        size: (height, width) of z.
        scale: (channels, height, width) from a share to what the convolution reads.
        shift: likewise, what it reads at a share of 0.
        offset: (outputs, positions).
        cells: (taps, cells) position each tap of each window holds; the number of positions in the padding.
        target: (outputs, cells).
        std: (outputs, cells) its standard deviations.
        known: (outputs, cells) where the largest z is known.
        delta: (outputs, cells) loss gradient at the largest z, nought where it is not known.
        gradient: (outputs, channels * taps) of the kernel.
    """

    kernel: torch.Tensor
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    shape: tuple[int, int, int]
    size: tuple[int, int]
    scale: torch.Tensor
    shift: torch.Tensor
    offset: torch.Tensor
    cells: torch.Tensor
    target: torch.Tensor
    std: torch.Tensor
    known: torch.Tensor
    delta: torch.Tensor
    gradient: torch.Tensor

    @property
    def positions(self) -> int:
        """Entries of z in one output channel."""
        return prod(self.size)

    def to(self, dtype: torch.dtype) -> PooledStem:
        """The same in another precision."""
        names = ("kernel", "scale", "shift", "offset", "target", "std", "delta", "gradient")
        return replace(self, **{name: getattr(self, name).to(dtype) for name in names})

    def linear(self, shares: torch.Tensor) -> torch.Tensor:
        """The part of z (..., outputs, positions) that grows with the picture (..., channels, height, width)."""
        fed = (self.scale * shares).reshape(-1, *self.shape)
        result = functional.conv2d(fed, self.kernel, None, self.stride, self.padding, self.dilation)
        return result.reshape(*shares.shape[:-3], len(self.kernel), self.positions)

    def transposed(self, outputs: torch.Tensor) -> torch.Tensor:
        """The transpose of `linear`, (..., outputs, positions) to (..., channels, height, width)."""
        batch = outputs.reshape(-1, len(self.kernel), *self.size)
        result = conv2d_input(
            [len(batch), *self.shape],
            self.kernel,
            batch,
            self.stride,
            self.padding,
            self.dilation,
        )
        return self.scale * result.reshape(*outputs.shape[:-2], *self.shape)

    def z(self, shares: torch.Tensor) -> torch.Tensor:
        """(outputs, positions) for a picture."""
        return self.linear(shares) + self.offset

    def patches(self, fed: torch.Tensor) -> torch.Tensor:
        """(..., channels * taps, positions) of what the convolution reads, (..., channels, height, width)."""
        result = functional.unfold(
            fed.reshape(-1, *self.shape), self.kernel.shape[2:], self.dilation, self.padding, self.stride
        )
        return result.reshape(*fed.shape[:-3], *result.shape[1:])

    def correlated(self, shares: torch.Tensor, dz: torch.Tensor) -> torch.Tensor:
        """The part of the kernel's gradient that grows with the picture, for gradients dz (outputs, positions) of z."""
        return dz @ self.patches(self.scale * shares).transpose(-1, -2)

    def correlated_transposed(self, gradient: torch.Tensor, dz: torch.Tensor) -> torch.Tensor:
        """The transpose of `correlated`: (..., outputs, channels * taps) to a picture."""
        columns = gradient.transpose(-1, -2) @ dz
        folded = functional.fold(
            columns.reshape(-1, *columns.shape[-2:]),
            self.shape[1:],
            self.kernel.shape[2:],
            self.dilation,
            self.padding,
            self.stride,
        )
        return self.scale * folded.reshape(*gradient.shape[:-2], *self.shape)

    def gradient_left(self, dz: torch.Tensor) -> torch.Tensor:
        """The kernel's gradient without the part that does not grow with the picture."""
        return self.gradient - dz @ self.patches(self.shift).T

    def windows(self, z: torch.Tensor, outside: float = 0.0) -> torch.Tensor:
        """(outputs, taps, cells) what each window holds of z."""
        border = torch.full((len(z), 1), outside, dtype=z.dtype)
        return torch.cat([z, border], 1)[:, self.cells]

    def pooled(self, z: torch.Tensor) -> torch.Tensor:
        """(outputs, cells) largest z of each window, cut off at nought where nothing more was known."""
        largest = self.windows(z, -torch.inf).amax(1)
        return torch.where(self.known, largest, torch.maximum(largest, self.target))

    def misfit(self, z: torch.Tensor) -> float:
        """Relative misfit of the pooled map."""
        return float((self.pooled(z) - self.target).norm() / self.target.norm().clamp(min=1e-300))


def pooled_stem(
    convolution: nn.Conv2d,
    line: nn.Module | None,
    pool: nn.MaxPool2d,
    picture: PictureMap,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    behind: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor],
    gradient: torch.Tensor,
    name: str,
) -> PooledStem:
    """Write down what is known.

    Args:
        convolution: the first layer.
        line: batch norm behind it, if any.
        pool: the max pool.
        picture: from the picture to what the convolution reads.
        shapes: of the picture, and of the convolution's output.
        behind: (outputs, cells) each: largest z of every cell, its standard deviations, where it is known, and the
            loss gradient there.
        gradient: (outputs, channels, taps) of the convolution's weight.
        name: of the convolution, for the message.

    Raises:
        NoExactRouteError: the convolution pads unevenly.
    """
    (channels, height, width), output = shapes[0], shapes[1]
    padding = _padding(convolution, name)
    kernel = convolution.weight.detach().double().cpu()
    zeros = torch.zeros(output, dtype=torch.float64)
    bias = zeros if convolution.bias is None else convolution.bias.detach().double().cpu()[:, None, None].expand(output)
    scale, shift = (torch.ones_like(zeros), zeros) if line is None else entry_line(line, output)
    factor = scale[:, 0, 0]
    cells = torch.from_numpy(tap_positions(pool, output))  # type: ignore[arg-type]
    target, std, known, delta = behind
    alive = factor != 0
    stem = PooledStem(
        kernel=kernel * factor[:, None, None, None],
        stride=_pair(convolution.stride),
        padding=padding,
        dilation=_pair(convolution.dilation),
        shape=(channels, height, width),
        size=(output[1], output[2]),
        scale=picture.scale.reshape(channels, height, width),
        shift=picture.shift.reshape(channels, height, width),
        offset=(scale * bias + shift).flatten(1),
        cells=torch.where(cells < 0, output[1] * output[2], cells),
        target=torch.where(known, target, 0.0),
        std=std,
        known=known & alive[:, None],
        delta=torch.where(known & alive[:, None], delta, 0.0),
        gradient=gradient.flatten(1) / torch.where(alive, factor, 1.0)[:, None] * alive[:, None],
    )
    fed = functional.conv2d(stem.shift[None], stem.kernel, None, stem.stride, stem.padding, stem.dilation)
    return replace(stem, offset=stem.offset + fed[0].flatten(1))


def _padding(convolution: nn.Conv2d, name: str) -> tuple[int, int]:
    if convolution.padding == "valid":
        return 0, 0
    if convolution.padding != "same":
        return _pair(convolution.padding)  # type: ignore[arg-type]
    total = [d * (k - 1) for d, k in zip(convolution.dilation, convolution.kernel_size, strict=True)]
    if any(each % 2 for each in total):
        raise NoExactRouteError(
            f"no exact route to the image is known for this network yet: layer {name}, below a max pool, pads "
            f"unevenly. Label and feature are recovered all the same."
        )
    return total[0] // 2, total[1] // 2


def _pair(size: int | tuple[int, ...]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[-1]))
