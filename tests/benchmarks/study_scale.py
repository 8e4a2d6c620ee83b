"""A long study: memory over many thousand samples that were really played, and what a second process adds (Linux).

    python tests/benchmarks/study_scale.py [--samples 20000] [--jobs 1 2]

The cheapest samples there are, so that there can be many: a small fully connected network, ten classes, closed form,
a new network every hundred samples. Memory is that of the driver and of its processes together, as the system counts
it, and processor time theirs as well: on a machine with other work, rows for each second of it are what to compare.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gradinv_core.experiments.study.plan import plan
from gradinv_core.experiments.study.run import Progress, run_study
from gradinv_core.experiments.study.store import Store
from gradinv_core.experiments.study.workers.local import local_workers

SPECIFICATION = """
solvers = ["ours"]
seeds = {seeds}
samples_per_seed = 100
[[cells]]
dataset = "digits"
network = "fcn_small"
classes = 10
augmentation = "mixup+smoothing"
"""
LINES = 10


def family(process: int) -> Iterator[int]:
    """A process and everything it started."""
    yield process
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        for child in listed.read_text().split():
            yield from family(int(child))


def megabytes() -> float:
    """Resident memory of this process and its children."""
    pages = sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in family(os.getpid()))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class ProcessorTime:
    """Seconds in user and system mode since it was made: of this process and its children, also those that ended."""

    def __init__(self) -> None:
        self._ticks: dict[int, int] = {}
        self._look()
        self._before = sum(self._ticks.values())

    @property
    def seconds(self) -> float:
        self._look()
        return (sum(self._ticks.values()) - self._before) / os.sysconf("SC_CLK_TCK")

    def _look(self) -> None:
        for process in family(os.getpid()):
            counts = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            self._ticks[process] = int(counts[11]) + int(counts[12])


def measure(samples: int, jobs: int) -> None:
    every = max(samples // LINES, 1)
    with tempfile.TemporaryDirectory() as folder:
        text = SPECIFICATION.format(seeds=max(samples // 100, 1))
        with Store.create(Path(folder), text, "scale", quick=False) as store:
            planned = plan(store.specification)
            started, processor = time.perf_counter(), ProcessorTime()

            def show(progress: Progress) -> None:
                if progress.played == 100 or progress.played % every == 0:
                    passed, spent = time.perf_counter() - started, processor.seconds
                    print(
                        f"{jobs} jobs: {progress.played:6} rows, {progress.played / passed:6.1f} a second, "
                        f"{1e3 * spent / progress.played:6.2f} ms of processor time each, {megabytes():6.0f} MB, "
                        f"{progress.errors} errors",
                        flush=True,
                    )

            run_study(store, planned, local_workers(jobs), show)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=20_000, help="in each run (default 20,000)")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2], help="processes, one run for each number")
    options = parser.parse_args()
    for jobs in options.jobs:
        measure(options.samples, jobs)


if __name__ == "__main__":
    main()
