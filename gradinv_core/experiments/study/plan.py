"""From a specification to samples: what exactly is played, always the same."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gradinv_core.augmentation import AUGMENTATIONS
from gradinv_core.errors import OptionError
from gradinv_core.experiments.build import image_size_of
from gradinv_core.experiments.scenario import UNTRAINED, Scenario
from gradinv_core.experiments.scene import OpenImages, classes_of, open_images
from gradinv_core.experiments.study.specification import Specification
from gradinv_core.pretrained import IMAGENET
from gradinv_core.trained_file import is_trained_file, pinned, read_facts

__all__ = ["Sample", "core_seconds", "in_words", "plan"]

_DIGITS = 4  # of drawn numbers: an address holds six, and must say the same


@dataclass(frozen=True)
class Sample:
    """One attack to play.

    Attributes:
        number: its place in the plan.
        cell: number of its cell.
        kind: what is recovered, "label" or "picture".
        solvers: who is asked.
        iterations: of gradient matching.
        scenario: exactly what is played; an address of the page holds it, too.
    """

    number: int
    cell: int
    kind: str
    solvers: tuple[str, ...]
    iterations: int
    scenario: Scenario

    @property
    def canonical(self) -> dict[str, Any]:
        """Everything that the outcome follows from, code and machine aside; its place in a plan is no part of it."""
        asked: dict[str, Any] = {"kind": self.kind, "solvers": list(self.solvers)}
        if self.kind == "picture":
            asked["iterations"] = self.iterations
        return asked | {"scenario": asdict(self.scenario)}

    def key(self, code: str) -> str:
        """SHA-256 of the canonical form and the version of the code that plays it."""
        text = json.dumps(self.canonical | {"code": code}, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


def plan(specification: Specification, images: OpenImages = open_images) -> tuple[Sample, ...]:
    """All samples, in the order they are played.

    Every cell comes once before any comes again, so that a study that is cut short has a few samples of everything.
    Samples that share a network stand together: a large one takes seconds to build.

    Args:
        specification: of the study.
        images: opens datasets.

    Raises:
        GradientInversionError: a dataset or a trained network's file is not here, or a bias is to be sent of a last
            layer that has none.
    """
    cells = sorted(enumerate(_pinned(specification.cells)), key=lambda pair: _network_order(pair[1]))
    drawn = [
        (cell, _draw(specification, cell, scenario, seed, index, images))
        for seed in range(specification.seeds)
        for cell, scenario in cells
        for index in range(specification.samples_per_seed[cell])
    ]
    asked = specification.kind, specification.solvers, specification.iterations
    return tuple(Sample(number, cell, *asked, scenario) for number, (cell, scenario) in enumerate(drawn))


def _pinned(cells: Iterable[Scenario]) -> Iterator[Scenario]:
    """The cells with the hash of every file of weights, so that other weights under its name are other samples."""
    for cell in cells:
        if not is_trained_file(cell.stage):
            yield cell
            continue
        if cell.head_bias and not read_facts(cell.stage).head_bias:
            raise OptionError(
                f"cells.head_bias: expected false, because the last layer of {cell.stage} was trained without a bias, "
                f"got true."
            )
        yield replace(cell, stage=pinned(cell.stage))


def _network_order(scenario: Scenario) -> tuple[str, ...]:
    """Cells that share a network sort together."""
    return tuple(str(value) for value in asdict(scenario.public).values())


def _draw(
    specification: Specification, cell: int, scenario: Scenario, seed: int, index: int, images: OpenImages
) -> Scenario:
    """One sample of a cell. The draws depend on seed and index alone: all cells get the same pictures and labels."""
    rng = np.random.default_rng((seed, index))
    shares = rng.uniform(size=6)
    opened = images(scenario.dataset, image_size_of(scenario))
    classes = classes_of(scenario, images)
    fixed = specification.fixed[cell]
    changes: dict[str, Any] = {
        "seed": seed,
        "image": int(shares[0] * len(opened)),
        "partner": int(shares[1] * len(opened)),
    }
    kind = AUGMENTATIONS[scenario.augmentation]
    if kind.smooths and "epsilon" not in fixed:
        changes["epsilon"] = _between(specification.epsilon, shares[2])
    if kind.mixes and "ratio" not in fixed:
        changes["ratio"] = _between(specification.ratio, shares[3])
    if scenario.stage == UNTRAINED or classes != len(opened.class_names):  # it does not know the picture's class
        changes["target"] = int(shares[4] * classes)
    return replace(scenario, **changes)


def _between(ends: tuple[float, float], share: float) -> float:
    low, high = ends
    return round(low + float(share) * (high - low), _DIGITS)


_PLAYED = {"lenet": 0.05, "fcn_small": 0.03, "vit": 0.1, "resnet18": 0.4, "resnet50": 0.8, "fcn4": 1.0, "alexnet": 1.5}
_IMAGENET = 2.0
_SEARCHED = ((100, 0.3), (1000, 2.0))  # the paper's two searches, by classes
_ITERATION = 0.02


def core_seconds(samples: Iterable[Sample]) -> float:
    """How long a plan may take on one core: a guess from timings on one machine, good to a factor of three."""
    total = 0.0
    for sample in samples:
        scenario = sample.scenario
        network = next((time for name, time in _PLAYED.items() if scenario.network.startswith(name)), 1.0)
        network = _IMAGENET if scenario.stage == IMAGENET else network
        total += network * scenario.samples
        if sample.kind == "picture":
            searches = sum(solver.startswith("matching") for solver in sample.solvers)
            total += 2.0 + searches * sample.iterations * max(_ITERATION, network / 4)
        elif "paper" in sample.solvers:
            total += next((time for most, time in _SEARCHED if scenario.classes <= most), _SEARCHED[-1][1])
    return total


def in_words(specification: Specification, samples: Iterable[Sample], jobs: int) -> str:
    """What is going to be played, in two sentences."""
    played = list(samples)
    networks = Counter(sample.scenario.network for sample in played)
    asked = ", ".join(specification.solvers)
    minutes = core_seconds(played) / 60 / jobs
    long = f"about {minutes:.0f} minutes" if minutes >= 1.5 else "a minute or two"
    return (
        f"{specification.title}: {len(played):,} samples in {len(specification.cells):,} cells on {len(networks)} "
        f"networks ({', '.join(networks)}), asked of {asked}. This may take {long} with {jobs} "
        f"{'process' if jobs == 1 else 'processes'}; the first samples will tell better."
    )
