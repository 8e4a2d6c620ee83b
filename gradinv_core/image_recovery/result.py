"""The answer of image recovery: the picture, and the way there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import torch

from gradinv_core.label_recovery import LabelRecovery

__all__ = ["ImageRecovery", "LayerRecovery", "Leak", "OnStep", "Step", "Stop"]

_ALMOST = 0.5  # share of the unknowns that must be determined for a layer to leak "almost"


class Leak(StrEnum):
    """How much of a layer's input its equations give away."""

    EXACT = "exact"
    ALMOST = "almost"
    NOT = "not"

    @classmethod
    def of(cls, determined: int, unknowns: int) -> Leak:
        """The verdict: every unknown determined, at least half of them, or fewer."""
        if determined >= unknowns:
            return cls.EXACT
        return cls.ALMOST if determined >= _ALMOST * unknowns else cls.NOT


@dataclass(frozen=True)
class LayerRecovery:
    """One layer whose input was recovered.

    Attributes:
        name: module name in the network, such as "1".
        kind: what the layer is, in words.
        unknowns: entries of its input.
        equations: entries of its weight gradient, and of its output, that speak of them.
        rank: how many of the unknowns the equations determine better than the prior does.
        residual: relative misfit of the layer's weight gradient, ``|G - delta x^T| / |G|``; rounding when all is well.
        error: root mean square of the reported standard deviations, relative to that of the recovered input.
        seconds: wall time.
        completed: whether bounds and smoothness had to close what the equations left open.
        convergence: residual of the completion's search after every iteration.
        estimated: whether it is so large that its errors are estimates, handed down as if they were independent.
    """

    name: str
    kind: str
    unknowns: int
    equations: int
    rank: int
    residual: float
    error: float
    seconds: float
    completed: bool = False
    convergence: tuple[float, ...] = ()
    estimated: bool = False

    @property
    def leak(self) -> Leak:
        """The verdict on its rank."""
        return Leak.of(self.rank, self.unknowns)


@dataclass(frozen=True)
class Step:
    """One picture of the playback, from the last-layer feature back to the image.

    Attributes:
        title: what it shows.
        value: recovered activation as it stands in the network: (n,) or (channels, height, width), float64.
        std: standard deviation of every entry, in the shape of ``value``; None where the route knows none.
        layer: name of the layer whose input it shows; None for the image while it is being searched for.
        iteration: number of the search's iteration; None on a route that does not search.
        loss: what the search had reached there.
    """

    title: str
    value: torch.Tensor
    std: torch.Tensor | None = None
    layer: str | None = None
    iteration: int | None = None
    loss: float | None = None


OnStep = Callable[[Step], None]
"""Called with every step as soon as it is known."""

Stop = Callable[[], bool]
"""Asked between steps; True ends the work, and the best so far is returned."""


@dataclass(frozen=True)
class ImageRecovery:
    """A recovered image.

    Attributes:
        image: (channels, height, width) float64, in [0, 1] where bounds had to help, not clipped elsewhere.
        std: standard deviation of every pixel, in the shape of ``image``; None where the route knows none. Where a
            completion had to choose, it trusts that pictures are smooth.
        why_no_std: why there are none although the route works some out, in one sentence; empty elsewhere.
        method: the route taken: "analytic" or "matching".
        reason: why this route, in one sentence.
        steps: what to play back, feature first, image last.
        layers: what each layer gave, last layer first.
        label: the label recovery it started from; None if the label was handed in, guessed or learned.
        soft_label: (C,) the label the image was rebuilt with.
        losses: what a search reached, as (iteration, loss) pairs; empty on a route that does not search.
        stopped: whether it was stopped before its end.
        seconds: wall time, label recovery included.
        rests_on_label: whether another label, or another lambda, would have made it another picture.
    """

    image: torch.Tensor
    method: str
    reason: str
    steps: tuple[Step, ...]
    layers: tuple[LayerRecovery, ...]
    label: LabelRecovery | None
    seconds: float
    std: torch.Tensor | None = None
    soft_label: torch.Tensor | None = None
    losses: tuple[tuple[int, float], ...] = ()
    stopped: bool = False
    why_no_std: str = ""
    rests_on_label: bool = True
