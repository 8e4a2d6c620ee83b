"""A normalisation layer in front of the network, recognised by what it does.

Users write such a layer in many ways; none of them learns anything. So a module without parameters is asked: if every
entry it puts out is a straight line of the same entry that went in, it is an exact link of the chain.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

__all__ = ["AffineLine", "affine_line", "straight_line"]

_LARGEST_PROBE = 3.0  # beyond what pixels and normalised pixels hold, so that a clamp or a kink shows
_PROBES = 3
_TOLERANCE = 1e-5  # relative: a layer may compute in float32


class AffineLine(nn.Module):
    """``scale * x + shift``, entry by entry.

    Attributes:
        scale: (n,) float64, nowhere zero.
        shift: (n,) float64.
    """

    def __init__(self, scale: torch.Tensor, shift: torch.Tensor) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Of a value (1, channels, height, width) or (n,), in its shape."""
        return (self.scale * value.reshape(-1).to(self.scale) + self.shift).reshape(value.shape)


def affine_line(module: nn.Module, shape: tuple[int, ...]) -> AffineLine | None:
    """The straight lines a module draws, or None if it does anything else.

    Args:
        module: any; it is left as it is.
        shape: (channels, height, width) of one input.
    """
    if next(module.parameters(), None) is not None or next(iter(module.buffers()), torch.zeros(())).is_meta:
        return None
    twin = copy.deepcopy(module).eval()
    device = next((buffer.device for buffer in module.buffers()), torch.device("cpu"))
    return straight_line(twin, shape, device)


def straight_line(
    compute: Callable[[torch.Tensor], torch.Tensor], shape: tuple[int, ...], device: torch.device
) -> AffineLine | None:
    """The straight lines that a computation draws, entry by entry, or None if it does anything else.

    Args:
        compute: takes one input (1, *shape) in float64, or in float32 where it refuses that; may raise anything.
        shape: of one input.
        device: where the input must lie.
    """
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand((_PROBES, *shape), generator=generator, dtype=torch.float64)
    inputs = torch.cat([torch.zeros(1, *shape), torch.ones(1, *shape), _LARGEST_PROBE * (2 * drawn - 1)])
    with torch.no_grad():
        for kind in (torch.float64, torch.float32):
            try:
                outputs = torch.cat([compute(one[None].to(device, kind)) for one in inputs]).double().cpu()
            except Exception:  # noqa: S112 - whatever a stranger's code does, it is then no straight line
                continue
            return _fit(inputs.double().flatten(1), outputs.flatten(1)) if outputs.shape == inputs.shape else None
    return None


def _fit(inputs: torch.Tensor, outputs: torch.Tensor) -> AffineLine | None:
    shift, scale = outputs[0], outputs[1] - outputs[0]
    if not bool(torch.isfinite(outputs).all()) or not bool(scale.abs().min() > _TOLERANCE * scale.abs().max()):
        return None
    size = float(outputs.abs().max())
    off = (scale * inputs + shift - outputs).abs().max()
    return AffineLine(scale, shift) if float(off) <= _TOLERANCE * size else None
