"""What each defence leaves of the attack, for a server that does not know of it and for one that does.

``make curves`` writes assets/studies/defence_curves.json, which the page draws as a stored measurement. Every point is
50 attacks: 50 networks, each with a picture and a partner of its own, the label mixed and smoothed. The fully connected
network's pictures are rebuilt as well; those of the LeNet would take hours.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import torch

from dashboard.scenes import class_count
from dashboard.state import Scenario
from dashboard.stored_curves import STUDY_FILE, StoredCurve, StoredPoint
from dashboard.sweep import Sweep, SweepPoint, play_point, repeat_scenario
from dashboard.sweep_summary import RIGHT, SWEEP_METRICS, band, summarise, value_of
from gradinv_core.datasets import ImageDataset, load_dataset
from gradinv_core.defences import DEFENCES, write_defences
from gradinv_core.networks import NETWORKS

SAMPLES = 50
COMMAND = "make curves"
NETWORKS_STUDIED = {"lenet_sigmoid": False, "fcn_small": True}  # whether the picture is rebuilt
NOISES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
STRENGTHS: dict[str, tuple[float | None, ...]] = {
    "clip": (0.01, 0.1, 1.0, 10.0),
    "gaussian": NOISES,
    "laplace": NOISES,
    "prune": (0.1, 0.3, 0.5, 0.7, 0.9, 0.99),
    "quantise": (16, 12, 8, 6, 4, 2),
    "sign": (None,),
    "drop rows": (0.1, 0.3, 0.5, 0.7, 0.9),
    "perturb feature": (0.05, 0.1, 0.3, 0.5, 0.7, 0.9),
    "withhold head": (None,),
}


@lru_cache
def images_of(name: str, size: int) -> ImageDataset:
    return load_dataset(name, size)


def classes_of(scenario: Scenario) -> int:
    return class_count(scenario, images_of(scenario.dataset, NETWORKS[scenario.network].image_size))


def curve(network: str, defence: str, aware: bool, picture: bool) -> StoredCurve:
    """One defence at every strength."""
    points = []
    for strength in STRENGTHS[defence]:
        text = write_defences([DEFENCES[defence].build(strength)])
        scenario = Scenario(network=network, augmentation="mixup+smoothing", defences=text, aware=aware)
        sweep = Sweep((scenario,), SAMPLES, picture, images_of, classes_of)
        pictures = len(images_of(scenario.dataset, NETWORKS[network].image_size))
        attacks = [
            play_point(sweep, repeat_scenario(scenario, repeat, pictures), 0, repeat) for repeat in range(SAMPLES)
        ]
        points.append(stored(strength, attacks))
    return StoredCurve(network=network, defence=defence, aware=aware, points=tuple(points))


def stored(strength: float | None, attacks: list[SweepPoint]) -> StoredPoint:
    (row,) = summarise(attacks, 1)
    return StoredPoint(
        strength=strength,
        attacks=row.tried,
        right=sum(value_of(attack, "label_error") <= RIGHT for attack in attacks) / len(attacks),
        right_class=row.right_class,
        shares={str(kind): share for kind, share in row.shares.items()},
        bands={name: band([value_of(attack, name) for attack in attacks]) for name in SWEEP_METRICS},
    )


def main() -> None:
    torch.set_num_threads(1)
    started, curves = time.perf_counter(), []
    for network, picture in NETWORKS_STUDIED.items():
        for defence in STRENGTHS:
            for aware in (False, True):
                found = curve(network, defence, aware, picture)
                curves.append(found)
                shares = [f"{point.right:.2f}/{point.shares['certain, but wrong']:.2f}" for point in found.points]
                print(f"{network:14} {defence:16} {'aware' if aware else 'naive':6} {'  '.join(shares)}", flush=True)
    study = {
        "command": COMMAND,
        "date": datetime.now(UTC).date().isoformat(),
        "attacks per point": SAMPLES,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "curves": [found.as_json() for found in curves],
    }
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else STUDY_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    print(f"{len(curves)} curves in {time.perf_counter() - started:.0f} s, written to {target}")


if __name__ == "__main__":
    main()
