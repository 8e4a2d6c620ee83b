"""The loss a search descends, and its derivative: gradient distance, known inputs, total variation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import torch

from gradinv_core.errors import OptionError
from gradinv_core.image_recovery.matching.distance import total_variation
from gradinv_core.pixels import PixelSpace

__all__ = ["Candidate", "Loss", "Objective", "Route", "Slope", "StackedSlope", "by_shares"]


@dataclass
class Candidate:
    """Where the search stands.

    Attributes:
        image: (channels, height, width) shares: where each pixel stands in its range, from 0 to 1.
        logits: (C,) of the label when it is learned, ``label = softmax(logits)``; otherwise None.
    """

    image: torch.Tensor
    logits: torch.Tensor | None = None

    def label(self, fixed: torch.Tensor | None) -> torch.Tensor:
        """The label (C,): the fixed one, or the one learned so far if there is none.

        Raises:
            OptionError: there is neither.
        """
        if fixed is not None:
            return fixed
        if self.logits is None:
            raise OptionError("label: expected a fixed label or logits to learn it with, got neither.")
        return torch.softmax(self.logits, 0)

    def clone(self) -> Candidate:
        """A copy that owns its memory."""
        return Candidate(self.image.clone(), None if self.logits is None else self.logits.clone())


@dataclass(frozen=True)
class Slope:
    """A loss and its derivative.

    Attributes:
        loss: NaN or infinite where the network overflows or has no gradient.
        image: derivative by the image, in its shape.
        logits: derivative by the label's logits; None when the label is not learned.
    """

    loss: float
    image: torch.Tensor
    logits: torch.Tensor | None = None


@dataclass(frozen=True)
class StackedSlope:
    """The losses of N candidates and their derivatives, left where the network computes.

    Attributes:
        loss: (N,).
        image: (N, channels, height, width) derivative of each by its own image.
        logits: (N, C) of each by its own label's logits; None when the label is not learned.
    """

    loss: torch.Tensor
    image: torch.Tensor
    logits: torch.Tensor | None = None


AnySlope = TypeVar("AnySlope", Slope, StackedSlope)


class Route(Protocol):
    """A way to compute the gradient distance plus the known-input terms, with derivative.

    Its candidates hold what the network is fed.
    """

    name: str

    def evaluate(self, candidate: Candidate) -> Slope:
        """Loss and derivative there; the candidate is left as it is."""


class Objective:
    """The whole loss: what the route computes, plus the total-variation prior."""

    def __init__(self, route: Route, total_variation_weight: float, space: PixelSpace | None = None) -> None:
        self.route = route
        self.weight = total_variation_weight
        self.space = PixelSpace() if space is None else space

    @torch.no_grad()
    def __call__(self, candidate: Candidate) -> Slope:
        """Loss and derivative there."""
        slope = by_shares(self.route.evaluate, candidate, self.space)
        if self.weight == 0:
            return slope
        roughness, direction = total_variation(candidate.image)
        loss = slope.loss + self.weight * float(roughness)
        return Slope(loss, slope.image.add(direction, alpha=self.weight), slope.logits)


def by_shares(evaluate: Callable[[Candidate], AnySlope], candidate: Candidate, space: PixelSpace) -> AnySlope:
    """A route's loss at shares, with its derivative by them; the same for one candidate and for a stack of them."""
    if space.is_plain:
        return evaluate(candidate)
    slope = evaluate(Candidate(space.to_network(space.from_unit(candidate.image)), candidate.logits))
    # One share more of a channel feeds the network the range's width divided by the channel's deviation.
    each = space.spread / space.std_from_network(torch.ones_like(slope.image))
    return replace(slope, image=slope.image * each)


Loss = Callable[[Candidate], Slope]
