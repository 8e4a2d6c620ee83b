"""Curves as they were measured once, read from the assets: of defences, and of batches. `make curves` measures again.

They are far too long for a page to wait for: 50 attacks for every point. The page says that they are stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gradinv_core.defences import DEFENCES
from gradinv_core.errors import GradientInversionError
from gradinv_core.networks import NETWORKS

__all__ = [
    "BATCH_FILE",
    "STUDY_FILE",
    "BatchStudy",
    "StoredBatches",
    "StoredCurve",
    "StoredPoint",
    "StoredStudy",
    "read_batches",
    "read_study",
]

_PACKAGE = Path(__file__).resolve().parents[2]
_PLACES = (_PACKAGE / "studies", _PACKAGE.parent / "assets" / "studies")

STUDY_FILE = _PLACES[1] / "defence_curves.json"
"""Where the defences' study is kept in the repository; in an installed package it lies beside the code."""

BATCH_FILE = _PLACES[1] / "batch_curves.json"
"""The same of the batches'."""

Read = TypeVar("Read")


@dataclass(frozen=True)
class StoredPoint:
    """Many attacks on one strength of a defence, or on one size of a batch, where shares are of all labels.

    Attributes:
        strength: the defence's parameter, None if it has none; or the number of pictures.
        attacks: how many.
        right: share of them whose label is right to one percent, certain or not.
        right_class: share of them that name the right class first.
        shares: what became of them (see `gradinv_core.experiments.sweep.summary.Kind`) -> share.
        bands: metric -> 10th percentile, median, 90th percentile; NaN without any answer.
    """

    strength: float | None
    attacks: int
    right: float
    right_class: float
    shares: Mapping[str, float]
    bands: Mapping[str, tuple[float, float, float]]

    def as_json(self) -> dict[str, Any]:
        """Plain types; None for what is not a number."""
        return {
            "strength": self.strength,
            "attacks": self.attacks,
            "right": round(self.right, 4),
            "right class": round(self.right_class, 4),
            "shares": {name: round(share, 4) for name, share in self.shares.items()},
            "bands": {name: [_rounded(value) for value in ends] for name, ends in self.bands.items()},
        }


@dataclass(frozen=True)
class StoredCurve:
    """One defence against one kind of server.

    Attributes:
        network: attacked.
        defence: key of `gradinv_core.defences.DEFENCES`.
        aware: whether the server knew the defence.
        points: in the order of strength.
    """

    network: str
    defence: str
    aware: bool
    points: tuple[StoredPoint, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "network": self.network,
            "defence": self.defence,
            "aware": self.aware,
            "points": [point.as_json() for point in self.points],
        }


@dataclass(frozen=True)
class StoredStudy:
    """All curves.

    Attributes:
        command: that measures them again.
        date: of the measurement.
        curves: (network, defence, aware) -> curve.
    """

    command: str
    date: str
    curves: Mapping[tuple[str, str, bool], StoredCurve]


@dataclass(frozen=True)
class StoredBatches:
    """Batches of growing size, against a server that takes them apart.

    Attributes:
        network: attacked.
        stage: of its training.
        points: in the order of size.
    """

    network: str
    stage: str
    points: tuple[StoredPoint, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "network": self.network,
            "stage": self.stage,
            "points": [point.as_json() for point in self.points],
        }


@dataclass(frozen=True)
class BatchStudy:
    """All of them.

    Attributes:
        command: that measures them again.
        date: of the measurement.
        curves: (network, stage) -> curve.
    """

    command: str
    date: str
    curves: Mapping[tuple[str, str], StoredBatches]


@lru_cache
def read_study() -> StoredStudy:
    """Read the defences' curves.

    Raises:
        GradientInversionError: the file is missing or damaged.
    """
    return _read(STUDY_FILE.name, _study)


@lru_cache
def read_batches() -> BatchStudy:
    """Read the batches' curves.

    Raises:
        GradientInversionError: the file is missing or damaged.
    """
    return _read(BATCH_FILE.name, _batches)


def _read(name: str, parse: Callable[[Mapping[str, Any]], Read]) -> Read:
    for folder in _PLACES:
        try:
            return parse(json.loads((folder / name).read_text(encoding="utf-8")))
        except FileNotFoundError:
            continue
        except (KeyError, TypeError, ValueError) as error:
            raise GradientInversionError(
                f"{name}: expected the curves that the study writes, got something else ({error!r}); measure them "
                f"again with make curves."
            ) from error
    raise GradientInversionError(f"{name}: expected it among the assets, found none; measure it with make curves.")


def _study(content: Mapping[str, Any]) -> StoredStudy:
    """All curves; a page that draws one of them must find the others as well."""
    read = [
        StoredCurve(entry["network"], entry["defence"], entry["aware"], _points(entry)) for entry in content["curves"]
    ]
    curves = {(curve.network, curve.defence, curve.aware): curve for curve in read}
    for network in {curve.network for curve in read}:
        for defence, aware in product(DEFENCES, (False, True)):
            if network not in NETWORKS or not curves[network, defence, aware].points:
                raise ValueError(f"no points for {defence} on {network}")
    if not curves:
        raise ValueError("no curves")
    return StoredStudy(str(content["command"]), str(content["date"]), curves)


def _batches(content: Mapping[str, Any]) -> BatchStudy:
    read = [StoredBatches(entry["network"], entry["stage"], _points(entry)) for entry in content["curves"]]
    if not read or any(curve.network not in NETWORKS or not curve.points for curve in read):
        raise ValueError("no points for a network that there is")
    curves = {(curve.network, curve.stage): curve for curve in read}
    return BatchStudy(str(content["command"]), str(content["date"]), curves)


def _points(entry: Mapping[str, Any]) -> tuple[StoredPoint, ...]:
    return tuple(
        StoredPoint(
            strength=point["strength"],
            attacks=point["attacks"],
            right=point["right"],
            right_class=point["right class"],
            shares=point["shares"],
            bands={name: _ends(ends) for name, ends in point["bands"].items()},
        )
        for point in entry["points"]
    )


def _ends(values: list[float | None]) -> tuple[float, float, float]:
    low, middle, high = (np.nan if value is None else float(value) for value in values)
    return low, middle, high


def _rounded(value: float) -> float | None:
    return None if not np.isfinite(value) else float(f"{value:.4g}")
