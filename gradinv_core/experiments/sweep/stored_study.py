"""Curves of the defences as they were measured once, read from the assets; `make curves` measures them again.

They are far too long for a page to wait for: 50 attacks for every point. The page says that they are stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from gradinv_core.defences import DEFENCES
from gradinv_core.errors import GradientInversionError
from gradinv_core.networks import NETWORKS

__all__ = ["STUDY_FILE", "StoredCurve", "StoredPoint", "StoredStudy", "read_study"]

_PACKAGE = Path(__file__).resolve().parents[2]
_PLACES = (_PACKAGE / "studies", _PACKAGE.parent / "assets" / "studies")
_NAME = "defence_curves.json"

STUDY_FILE = _PLACES[1] / _NAME
"""Where the study is kept in the repository; in an installed package it lies beside the code."""


@dataclass(frozen=True)
class StoredPoint:
    """Many attacks on one strength of a defence.

    Attributes:
        strength: the defence's parameter, None if it has none.
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
        """Plain types; None for what is not a number."""
        return {
            "network": self.network,
            "defence": self.defence,
            "aware": self.aware,
            "points": [
                {
                    "strength": point.strength,
                    "attacks": point.attacks,
                    "right": round(point.right, 4),
                    "right class": round(point.right_class, 4),
                    "shares": {name: round(share, 4) for name, share in point.shares.items()},
                    "bands": {name: [_rounded(value) for value in ends] for name, ends in point.bands.items()},
                }
                for point in self.points
            ],
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


@lru_cache
def read_study() -> StoredStudy:
    """Read the curves.

    Raises:
        GradientInversionError: the file is missing or damaged.
    """
    for folder in _PLACES:
        try:
            content = json.loads((folder / _NAME).read_text(encoding="utf-8"))
            return _study(content)
        except FileNotFoundError:
            continue
        except (KeyError, TypeError, ValueError) as error:
            raise GradientInversionError(
                f"{_NAME}: expected the curves that the study writes, got something else ({error!r}); measure them "
                f"again with make curves."
            ) from error
    raise GradientInversionError(f"{_NAME}: expected it among the assets, found none; measure it with make curves.")


def _study(content: Mapping[str, Any]) -> StoredStudy:
    """All curves; a page that draws one of them must find the others as well."""
    read = [_curve(entry) for entry in content["curves"]]
    curves = {(curve.network, curve.defence, curve.aware): curve for curve in read}
    for network in {curve.network for curve in read}:
        for defence, aware in product(DEFENCES, (False, True)):
            if network not in NETWORKS or not curves[network, defence, aware].points:
                raise ValueError(f"no points for {defence} on {network}")
    if not curves:
        raise ValueError("no curves")
    return StoredStudy(str(content["command"]), str(content["date"]), curves)


def _curve(entry: Mapping[str, Any]) -> StoredCurve:
    return StoredCurve(
        network=entry["network"],
        defence=entry["defence"],
        aware=entry["aware"],
        points=tuple(
            StoredPoint(
                strength=point["strength"],
                attacks=point["attacks"],
                right=point["right"],
                right_class=point["right class"],
                shares=point["shares"],
                bands={name: _ends(ends) for name, ends in point["bands"].items()},
            )
            for point in entry["points"]
        ),
    )


def _ends(values: list[float | None]) -> tuple[float, float, float]:
    low, middle, high = (np.nan if value is None else float(value) for value in values)
    return low, middle, high


def _rounded(value: float) -> float | None:
    return None if not np.isfinite(value) else float(f"{value:.4g}")
