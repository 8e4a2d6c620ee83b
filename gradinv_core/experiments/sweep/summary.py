"""From the points of a sweep to one row per place: medians, bands and shares. Plain arithmetic on plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # figures are drawn from this without loading PyTorch
    from gradinv_core.experiments.sweep.run import SweepPoint

__all__ = [
    "FEW",
    "RIGHT",
    "SWEEP_METRICS",
    "Kind",
    "SweepMetric",
    "SweepRow",
    "band",
    "kind_of",
    "succeeded",
    "summarise",
    "value_of",
]

RIGHT = 0.01
"""Largest error of a share up to which a label counts as right: one percent."""

FEW = 5
"""Fewer values than this have no outer tenths: their band reaches from the lowest to the highest."""

_CEILING = 150.0  # decibels: more is rounding, and an infinite value has no place on an axis


class Kind(StrEnum):
    """What became of one attack."""

    CERTAIN = "certain"
    WRONG = "certain, but wrong"
    OPEN = "not certain"
    NOTHING = "no answer"


@dataclass(frozen=True)
class SweepMetric:
    """One way to say how well an attack went.

    Attributes:
        name: the field of a `SweepPoint`.
        title: for people.
        axis: title of the axis.
        explanation: of the word, in plain sentences.
        good: the value at which an attack counts as a success.
        shown: the range that an axis always shows, and more where values lie outside.
        larger_is_better: whether success means to be above it.
        logarithmic: whether the axis counts in factors.
        missing: what an axis calls an attack that has no value.
        success: what most attacks do where it works, to begin a sentence with.
    """

    name: str
    title: str
    axis: str
    explanation: str
    good: float
    shown: tuple[float, float]
    larger_is_better: bool
    logarithmic: bool
    missing: str
    success: str


SWEEP_METRICS: Mapping[str, SweepMetric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            SweepMetric(
                "label_error",
                "label error",
                "largest error of a share",
                "The soft label gives every class a share; this is the share that is furthest off. An error of 0.01 is "
                "one percent: up to there a label counts as right.",
                RIGHT,
                (RIGHT, 1.0),
                False,
                True,
                "no answer",
                "most labels are right to one percent",
            ),
            SweepMetric(
                "feature_cosine",
                "feature cosine",
                "cosine between the features",
                "The feature is the list of numbers that enters the last layer. The cosine is 1 where the recovered "
                "list points in the same direction as the true one, and 0 where they have nothing in common. From 0.99 "
                "on it counts as right.",
                0.99,
                (0.95, 1.0),
                True,
                False,
                "no answer",
                "most features point the right way",
            ),
            SweepMetric(
                "psnr",
                "picture PSNR",
                "PSNR of the picture in dB",
                "Peak signal-to-noise ratio, in decibels (dB): from 40 on nobody sees a difference. Whether a picture "
                "can be recognised is judged by its structure as well, so a blank one never can.",
                20.0,
                (10.0, 30.0),
                True,
                False,
                "no picture",
                "most pictures can be recognised",
            ),
        )
    }
)


@dataclass(frozen=True)
class SweepRow:
    """All repeats at one place.

    Attributes:
        tried: how many attacks there were so far.
        medians: metric -> median over those that have a value, NaN if none has.
        shares: kind -> share of all attacks.
        right_class: share of all attacks that name the right class first.
    """

    tried: int
    medians: Mapping[str, float]
    shares: Mapping[Kind, float]
    right_class: float


def kind_of(point: SweepPoint) -> Kind:
    """What became of an attack, held against the truth."""
    if point.label_error is None:
        return Kind.NOTHING
    if point.status != "unique":
        return Kind.OPEN
    return Kind.WRONG if point.label_error > RIGHT else Kind.CERTAIN


def succeeded(point: SweepPoint, metric: str) -> bool:
    """Whether an attack counts as a success by a metric; a picture does if it can be recognised."""
    if metric == "psnr":
        return point.recognised
    value, spec = value_of(point, metric), SWEEP_METRICS[metric]
    return bool(value >= spec.good if spec.larger_is_better else value <= spec.good)  # NaN is neither


def value_of(point: SweepPoint, metric: str) -> float:
    """A metric of a point; NaN where it has none."""
    value = getattr(point, metric)
    return np.nan if value is None else min(float(value), _CEILING)


def band(values: npt.ArrayLike) -> tuple[float, float, float]:
    """Lower end, median and upper end of some values; NaN does not count.

    The band holds the middle 80 % of the values; of fewer than `FEW`, all.
    """
    array = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    if not known.size:
        return np.nan, np.nan, np.nan
    low, high = (0, 100) if known.size < FEW else (10, 90)
    lower, median, upper = np.percentile(known, (low, 50, high))
    return float(lower), float(median), float(upper)


def summarise(points: Sequence[SweepPoint], places: int) -> list[SweepRow]:
    """One row for each of so many places on the axis; places without a point yet have 0 tries."""
    rows = []
    for place in range(places):
        here = [point for point in points if point.position == place]
        kinds = [kind_of(point) for point in here]
        tried = len(here)
        rows.append(
            SweepRow(
                tried=tried,
                medians={name: band([value_of(point, name) for point in here])[1] for name in SWEEP_METRICS},
                shares={kind: kinds.count(kind) / tried if tried else np.nan for kind in Kind},
                right_class=sum(point.top_1 for point in here) / tried if tried else np.nan,
            )
        )
    return rows
