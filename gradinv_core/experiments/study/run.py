"""The driver: play what is missing of a plan, and write each row as soon as it is there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gradinv_core.experiments.study.plan import Sample
from gradinv_core.experiments.study.provenance import code_version
from gradinv_core.experiments.study.store import Store
from gradinv_core.experiments.study.workers import Workers

__all__ = ["Progress", "missing", "run_study"]


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        total: samples of the plan.
        done: rows that are there, those of earlier runs included.
        errors: rows of this run that are errors.
        started: when this run began, by `time.perf_counter`.
        played: rows of this run.
    """

    total: int
    done: int
    errors: int = 0
    started: float = field(default_factory=time.perf_counter)
    played: int = 0
    _left: Counter[str] = field(default_factory=Counter)
    _spent: Counter[str] = field(default_factory=Counter)
    _seen: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Samples a second, in this run."""
        passed = time.perf_counter() - self.started
        return self.played / passed if passed else 0.0

    @property
    def seconds_left(self) -> float:
        """Of this run: each network's samples as long as those that were played, or as all of them on average."""
        if not self.played:
            return float("inf")
        mean = self._spent.total() / self.played
        work = sum(
            count * (self._spent[name] / self._seen[name] if self._seen[name] else mean)
            for name, count in self._left.items()
        )
        at_work = self._spent.total() / max(time.perf_counter() - self.started, 1e-9)  # processes, as it turns out
        return work / max(at_work, 1e-9)

    def count(self, sample: Sample, seconds: float, *, failed: bool) -> None:
        """One more row."""
        self.done, self.played, self.errors = self.done + 1, self.played + 1, self.errors + failed
        name = _group(sample)
        self._left[name] -= 1
        self._spent[name] += seconds  # type: ignore[assignment]  # a counter of seconds
        self._seen[name] += 1


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
    """
    wanted = missing(store, samples)
    progress = Progress(len(samples), len(samples) - len(wanted))
    progress._left.update(_group(sample) for sample in wanted)
    for played in workers(wanted) if wanted else ():
        store.add(played)
        progress.count(played.sample, played.seconds, failed=bool(played.error))
        on_row(progress)
    return progress


def _group(sample: Sample) -> str:
    """Samples that take about as long as each other."""
    return f"{sample.scenario.network} {sample.scenario.classes}"
