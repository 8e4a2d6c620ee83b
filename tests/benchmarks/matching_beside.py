"""Gradient matching on the gradient that the exact route got, so that a table can show both from one run.

It has the paper's settings where 4,800 steps take less than a minute of the processor, and else 600 of those steps;
which of the two it was stands in the row.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

import torch
from torch import nn

from gradinv_core import reconstruct_image
from gradinv_core.metrics import psnr

__all__ = ["Matched", "described", "match"]

PAPER_STEPS, FEWER_STEPS, TRIED_STEPS = 4800, 600, 10
MOST_SECONDS = 60.0


class Matched(NamedTuple):
    """One picture found by gradient matching."""

    decibels: float
    seconds: float  # of the processor
    steps: int


def match(model: nn.Module, gradients: Mapping[str, torch.Tensor], picture: torch.Tensor, seed: int) -> Matched:
    """Search for the picture whose gradient this is; the label is recovered first, as always."""
    searched(model, gradients, picture, seed, 1)  # what the first one loads and sets up counts for nobody
    each = searched(model, gradients, picture, seed, TRIED_STEPS).seconds / TRIED_STEPS
    return searched(model, gradients, picture, seed, PAPER_STEPS if each * PAPER_STEPS < MOST_SECONDS else FEWER_STEPS)


def searched(
    model: nn.Module, gradients: Mapping[str, torch.Tensor], picture: torch.Tensor, seed: int, steps: int
) -> Matched:
    started = time.process_time()
    found = reconstruct_image(model, gradients, picture.shape, method="matching", seed=seed, iterations=steps)
    return Matched(psnr(found.image, picture), time.process_time() - started, steps)


def described(matched: Sequence[Matched]) -> str:
    """Median and range of a row, and how it was searched."""
    decibels, steps = [one.decibels for one in matched], sorted({one.steps for one in matched})
    return (
        f"gradient matching, {len(matched)} pictures, {' or '.join(f'{each:,}' for each in steps)} steps: "
        f"{median(decibels):.1f} dB ({min(decibels):.1f} to {max(decibels):.1f}), "
        f"{median(one.seconds for one in matched):.0f} s"
    )
