"""What the layer itself adds to its weight gradient, where that leaves few directions of its input open.

Where a layer's output is known (its ReLU's active units), so is one sum over channels of its input. Weight gradients
leave each channel's own directions open, and these sums tie the channels together: few unknowns, many equations.
"""

from __future__ import annotations

import torch

from gradinv_core.image_recovery.graph.reader import Reader

__all__ = ["close_directions"]

_OPEN = 1e-5  # standard deviation along a direction, relative to the typical entry, from which it is open
_MOST = 1000  # open directions of all channels together, the widest of them
_OBJECTION = 5.0  # typical misfit, in standard deviations, above which nothing is changed
_NORMAL_MEDIAN = 0.6745


def close_directions(
    value: torch.Tensor,
    std: torch.Tensor,
    precision: torch.Tensor,
    reader: Reader,
    output: torch.Tensor,
    output_std: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Close open directions by the layer's forward equations.

    Args:
        value: (channels, pixels) of the input by its weight gradient.
        std: (channels, pixels) its standard deviations.
        precision: (channels, pixels, pixels) of the equations so far.
        reader: the layer, of one group.
        output: (outputs, positions) of the layer, without its bias.
        output_std: (outputs, positions) its standard deviations; infinite where it is not known.

    Returns:
        Value and standard deviations, as they were where the forward equations object.
    """
    power, along = torch.linalg.eigh(precision)
    typical = float(value.square().mean().sqrt())
    spread = power.clamp(min=1e-300).rsqrt()
    known = output_std.isfinite()
    most = min(_MOST, int(known.sum()) // 2)
    widest = spread.flatten().sort(descending=True).values
    least = max(_OPEN * typical, float(widest[min(most, len(widest) - 1)]))
    open_ = spread > least
    channel, number = open_.nonzero(as_tuple=True)
    if not len(channel):
        return value, std
    directions = along[channel, :, number]
    seen = reader.patches(directions)  # (directions, taps, positions)
    moved = torch.einsum("okt,ktp->kop", reader.weight[:, channel], seen)[:, known].T
    left = spread.square().masked_fill(open_, 0.0)
    settled = (along.square() * left[:, None]).sum(-1)
    noise = (output_std.square() + reader.push(settled, squared=True))[known].sqrt()
    rest = (output - reader.push(value))[known]
    design, wanted = moved / noise[:, None], rest / noise
    normal = design.T @ design + torch.diag(power[channel, number].clamp(min=0))
    factor, failed = torch.linalg.cholesky_ex(normal)
    if failed:
        return value, std
    steps = torch.cholesky_solve((design.T @ wanted)[:, None], factor)[:, 0]
    misfit = float((wanted - design @ steps).abs().median()) / _NORMAL_MEDIAN
    if misfit > _OBJECTION:
        return value, std
    value, std = value.clone(), std.clone()
    value.index_add_(0, channel, steps[:, None] * directions)
    covariance = max(1.0, misfit) ** 2 * torch.cholesky_inverse(factor)
    for each in channel.unique().tolist():
        own = channel == each
        share = directions[own]
        std[each] = (settled[each] + ((covariance[own][:, own] @ share) * share).sum(0)).sqrt()
    return value, std
