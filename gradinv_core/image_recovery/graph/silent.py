"""Which channels of a ReLU's output were silent everywhere: their weights have a gradient of nought (our derivation).

Where a layer has hardly more outputs than its input has pixels, and about half of the outputs' units are silent at any
pixel, the weight gradient leaves directions open that are the same in every input channel. A channel that was silent
everywhere is known all the same: an exact nought in every row. Along the open directions it could be anything else only
if that were nowhere negative, and left nothing at all behind even in rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gradinv_core.image_recovery.graph.row_solver import Entries
from gradinv_core.image_recovery.graph.signs import Reading

__all__ = ["with_silent_channels"]

_GRADED = 1e-3  # of a gradient's root mean square; if no entry is smaller, noughts may be what a client left out
_CERTAIN = 5.0  # standard deviations


def with_silent_channels(entries: Entries, readings: Sequence[Reading], rounding: float) -> Entries:
    """Add to what is known of a ReLU's output that some of its channels are nought.

    Args:
        entries: what is known already. Where that contradicts, a client withheld the gradient of whole channels, and
            nothing is added.
        readings: of all layers that read it, each of one group.
        rounding: unit roundoff of the gradients.
    """
    quiet = torch.stack([(reading.gradient == 0).all(-1).all(0) for reading in readings]).all(0)
    if not bool(quiet.any()) or not all(_is_graded(reading.gradient) for reading in readings):
        return entries
    if bool((entries.value.abs() > _CERTAIN * entries.std)[quiet].any()):
        return entries
    told = quiet[:, None] & torch.stack([_told(reading) for reading in readings]).any(0)
    typical = float(entries.value[entries.std.isfinite()].square().mean().sqrt())
    return Entries(entries.value.masked_fill(told, 0.0), entries.std.masked_fill(told, rounding * typical))


def _is_graded(gradient: torch.Tensor) -> bool:
    """Whether entries come in all sizes, so that none was rounded to nought or left out for being small."""
    sizes = gradient.abs()
    loud = sizes[sizes > 0]
    return bool(len(loud)) and float(loud.min()) < _GRADED * float(loud.square().mean().sqrt())


def _told(reading: Reading) -> torch.Tensor:
    """(pixels,) whether any gradient arrives where a pixel is read."""
    reader = reading.reader
    told = torch.zeros(reader.pixels + 1, dtype=torch.bool)
    told[reader.taps[:, (reading.delta_now() != 0).any(0)]] = True
    return told[:-1]
