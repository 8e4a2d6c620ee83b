"""Measure the stored curves: what each defence leaves of the attack, whether the server knows of it or not.

``make curves`` writes assets/studies/defence_curves.json, which the page draws as a stored measurement. Every point is
50 attacks: 50 networks, each with a picture and a partner of its own, the label mixed and smoothed. The fully connected
network's pictures are rebuilt as well; those of the LeNet would take hours.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from gradinv_core.defences import DEFENCES, write_defences
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.sweep.run import Sweep, SweepPoint, run_sweep
from gradinv_core.experiments.sweep.stored_study import STUDY_FILE, StoredBatches, StoredCurve, StoredPoint
from gradinv_core.experiments.sweep.summary import RIGHT, SWEEP_METRICS, band, summarise, value_of

__all__ = ["main", "measure_curve", "stored_point", "write_curves"]

_SAMPLES = 50
_COMMAND = "make curves"
_NETWORKS = {"lenet_sigmoid": False, "fcn_small": True}  # whether the picture is rebuilt
_NOISES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
_STRENGTHS: Mapping[str, tuple[float | None, ...]] = {
    "clip": (0.01, 0.1, 1.0, 10.0),
    "gaussian": _NOISES,
    "laplace": _NOISES,
    "prune": (0.1, 0.3, 0.5, 0.7, 0.9, 0.99),
    "quantise": (16, 12, 8, 6, 4, 2),
    "sign": (None,),
    "drop rows": (0.1, 0.3, 0.5, 0.7, 0.9),
    "perturb feature": (0.05, 0.1, 0.3, 0.5, 0.7, 0.9),
    "withhold head": (None,),
}


def measure_curve(network: str, defence: str, *, aware: bool, picture: bool, samples: int = _SAMPLES) -> StoredCurve:
    """One defence at every strength.

    Args:
        network: attacked, a key of `NETWORKS`.
        defence: a key of `DEFENCES`.
        aware: whether the server knows the defence.
        picture: whether to rebuild the picture, too.
        samples: attacks at each strength.
    """
    points = []
    for strength in _STRENGTHS[defence]:
        text = write_defences([DEFENCES[defence].build(strength)])
        scenario = Scenario(network=network, augmentation="mixup+smoothing", defences=text, aware=aware)
        attacks: list[SweepPoint] = []
        run_sweep(Sweep((scenario,), samples, picture), attacks.append, lambda: False)
        points.append(stored_point(strength, attacks, samples))
    return StoredCurve(network=network, defence=defence, aware=aware, points=tuple(points))


def stored_point(strength: float | None, points: Sequence[SweepPoint], attacks: int) -> StoredPoint:
    """Judged points at one strength in one line.

    Args:
        strength: of the defence, or the size of the batch.
        points: one for each attack, or for each sample of a batch.
        attacks: how many there were.
    """
    (row,) = summarise([replace(point, position=0) for point in points], 1)
    return StoredPoint(
        strength=strength,
        attacks=attacks,
        right=sum(value_of(point, "label_error") <= RIGHT for point in points) / len(points),
        right_class=row.right_class,
        shares={str(kind): share for kind, share in row.shares.items()},
        bands={name: band([value_of(point, name) for point in points]) for name in SWEEP_METRICS},
    )


def main() -> None:
    """Measure all curves and write them, to the path on the command line or to where the page reads them."""
    torch.set_num_threads(1)
    started, curves = time.perf_counter(), []
    for network, picture in _NETWORKS.items():
        for defence in _STRENGTHS:
            for aware in (False, True):
                found = measure_curve(network, defence, aware=aware, picture=picture)
                curves.append(found)
                shares = [f"{point.right:.2f}/{point.shares['certain, but wrong']:.2f}" for point in found.points]
                server = "aware" if aware else "naive"
                sys.stdout.write(f"{network:14} {defence:16} {server:6} {'  '.join(shares)}\n")
                sys.stdout.flush()
    write_curves(STUDY_FILE, curves, time.perf_counter() - started, {"attacks per point": _SAMPLES})


def write_curves(
    default: Path, curves: Sequence[StoredCurve | StoredBatches], seconds: float, facts: Mapping[str, object]
) -> None:
    """Write measured curves with how and when they were measured, and say so.

    Args:
        default: file, if the command line names none.
        curves: all of them.
        seconds: that it took.
        facts: what else stands in the file.
    """
    study = {
        "command": _COMMAND,
        "date": datetime.now(UTC).date().isoformat(),
        **facts,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "curves": [found.as_json() for found in curves],
    }
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(curves)} curves in {seconds:.0f} s, written to {target}\n")


if __name__ == "__main__":
    main()
