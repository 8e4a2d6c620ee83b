"""The driver: play what is missing of a plan, and write each row as soon as it is there."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from gradinv_core.experiments.study.attack import Played
from gradinv_core.experiments.study.plan import Sample
from gradinv_core.experiments.study.provenance import code_version
from gradinv_core.experiments.study.store import Store
from gradinv_core.experiments.study.workers import Workers
from gradinv_core.pretrained import IMAGENET, load_pretrained

__all__ = ["Progress", "missing", "run_study"]


class Progress:
    """How far a run is, and how long the rest may take.

    Attributes:
        total: samples of the plan.
        done: rows that are there, those of earlier runs included.
        played: rows of this run.
        errors: rows of this run that are errors.
    """

    def __init__(self, samples: Sequence[Sample], wanted: Sequence[Sample]) -> None:
        self.total, self.done = len(samples), len(samples) - len(wanted)
        self.played = self.errors = 0
        self._left = Counter(_group(sample) for sample in wanted)
        self._seen: Counter[str] = Counter()
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._started = time.perf_counter()

    @property
    def rate(self) -> float:
        """Samples a second, in this run."""
        return self.played / self._passed

    @property
    def seconds_left(self) -> float:
        """Of this run: samples like those that were played take as long, others the average; infinite before any."""
        if not self.played:
            return float("inf")
        spent = sum(self._spent.values())
        mean = {name: self._spent[name] / count for name, count in self._seen.items()}
        work = sum(count * mean.get(name, spent / self.played) for name, count in self._left.items())
        at_once = spent / self._passed  # processes at work, as it turns out
        return work / at_once

    def count(self, played: Played) -> None:
        """One more row."""
        self.done, self.played, self.errors = self.done + 1, self.played + 1, self.errors + bool(played.error)
        name = _group(played.sample)
        self._left[name] -= 1
        self._seen[name] += 1
        self._spent[name] += played.seconds

    @property
    def _passed(self) -> float:
        return max(time.perf_counter() - self._started, 1e-9)


def missing(store: Store, samples: Sequence[Sample]) -> list[Sample]:
    """Samples of a plan that have no row of this code's."""
    there, code = store.keys, code_version()
    return [sample for sample in samples if sample.key(code) not in there]


def run_study(
    store: Store, samples: Sequence[Sample], workers: Workers, on_row: Callable[[Progress], None] = lambda _: None
) -> Progress:
    """Play every sample that has no row yet.

    Args:
        store: where the rows go.
        samples: the plan.
        workers: who plays them.
        on_row: called after every row.

    Returns:
        How far it came: to the end, unless something was raised.

    Raises:
        OptionError, WeightsUnavailableError: weights that a sample needs are not here and cannot be downloaded; then
            nothing is played.
    """
    wanted = missing(store, samples)
    for network in dict.fromkeys(one.scenario.network for one in wanted if one.scenario.stage == IMAGENET):
        load_pretrained(network)  # once and here, not by every process at the same time
    progress = Progress(samples, wanted)
    for played in workers(wanted) if wanted else ():
        store.add(played)
        progress.count(played)
        on_row(progress)
    return progress


def _group(sample: Sample) -> str:
    """Samples that take about as long as each other."""
    return f"{sample.scenario.network} {sample.scenario.classes}"
