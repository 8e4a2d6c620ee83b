"""What a window on lambda may say, and what it has to look at.

A window is *open* where it restricts lambda, *shut* where it says nothing, and *refuted* where its assumption fits no
possible lambda at all.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf

import torch
from torch import nn

from gradinv_core.head import HeadView, ObservedHead
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery import Window
from gradinv_core.label_recovery.modes import interval_sigmas
from gradinv_core.windows.intervals import Interval, intersect, tidy

__all__ = ["Observation", "WindowState", "WindowView"]

_LEAST = sys.float_info.min  # of |lambda|, where a factor in front of the gradient may make it as small as it likes


class WindowState(StrEnum):
    """Whether a window restricts lambda."""

    OPEN = "open"
    SHUT = "shut"
    REFUTED = "refuted"


@dataclass(frozen=True)
class WindowView:
    """One window.

    Attributes:
        window: which.
        state: "open" (it restricts lambda), "shut" (it says nothing) or "refuted" (its assumption fits nowhere).
        intervals: the admissible lambdas, (low, high) in ascending order; every possible one unless open.
        sentence: why, in plain words.
    """

    window: Window
    state: WindowState
    intervals: list[Interval]
    sentence: str


@dataclass(frozen=True)
class Observation:
    """What the server looks at, and what it takes for granted.

    Attributes:
        model: the network.
        gradients: of one sample.
        view: its head.
        head: the rank-one view of that, a single one.
        label_format: the label structure assumed.
        gradient_scale: "known" or "unknown".
        noise_std: of each gradient entry, if known.
        confidence: that one window's intervals hold lambda.
        last_layer: name of the head; None looks for it.
    """

    model: nn.Module
    gradients: Mapping[str, torch.Tensor]
    view: HeadView
    head: ObservedHead
    label_format: str | LabelStructure
    gradient_scale: str
    noise_std: float | None
    confidence: float
    last_layer: str | None = None

    @property
    def known_scale(self) -> bool:
        """Whether the gradient reached the server as it was computed."""
        return self.gradient_scale == "known"

    @property
    def sigmas(self) -> float:
        """Half width of an interval in standard deviations."""
        return interval_sigmas(self.confidence)

    @property
    def possible(self) -> list[Interval]:
        """Every possible lambda: |lambda| >= 1, because |a_r| <= 1; with an unknown factor in front, any but 0."""
        least = 1.0 if self.known_scale else _LEAST
        return [(-inf, -least), (least, inf)]

    def open(self, window: Window, intervals: list[Interval], sentence: str) -> WindowView:
        """A window that admits these lambdas; shut if they are all there are, refuted if none of them is possible."""
        inside = intersect(self.possible, tidy(intervals))
        if not inside:
            reason = "Its lambda lies between -1 and 1, which no training step gives: the gradient was multiplied."
            return self.refuted(window, reason)
        if inside == self.possible:
            return self.shut(window, "Every lambda fits.")
        return WindowView(window, WindowState.OPEN, inside, sentence)

    def shut(self, window: Window, sentence: str) -> WindowView:
        """A window that says nothing."""
        return WindowView(window, WindowState.SHUT, self.possible, sentence)

    def refuted(self, window: Window, sentence: str) -> WindowView:
        """A window whose assumption fits nowhere."""
        return WindowView(window, WindowState.REFUTED, self.possible, sentence)
