"""Processes of this machine."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor
from functools import cache
from itertools import groupby, islice

from gradinv_core.errors import GradientInversionError, OptionError
from gradinv_core.experiments.study.attack import Played, play_sample
from gradinv_core.experiments.study.plan import Sample
from gradinv_core.experiments.study.workers import Workers

__all__ = ["handfuls", "local_workers"]

_LOOK_SECONDS = 1.0
_HANDFUL = 8


def local_workers(jobs: int, device: str = "cpu") -> Workers:
    """So many processes; with one, this process plays.

    Args:
        jobs: at least 1.
        device: where networks compute.

    Raises:
        OptionError: fewer than one process.
    """
    if jobs < 1:
        raise OptionError(f"jobs: expected at least 1, got {jobs}; this machine has {os.cpu_count() or 1} cores.")

    def play_all(samples: Iterable[Sample]) -> Iterator[Played]:
        if jobs == 1:
            return (play_sample(sample, device) for sample in samples)
        return _in_processes(samples, jobs, device)

    return play_all


def _in_processes(samples: Iterable[Sample], jobs: int, device: str) -> Iterator[Played]:
    from joblib import Parallel, delayed  # not needed to read a report

    # One handful at a time, and few beyond those at work: what is in flight is lost when the driver is killed.
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs + 1)
    try:
        for played in parallel(delayed(_play)(handful, device, os.getpid()) for handful in handfuls(samples)):
            yield from played
    except BrokenExecutor as error:
        raise GradientInversionError(
            f"jobs: expected {jobs} processes to live on, but one was ended, most likely for want of memory; go on "
            f"with fewer."
        ) from error


def handfuls(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    """Samples that stand together and share a network, for one process: building a large one takes as long as a sample.

    Pictures take too long to wait for one another.
    """
    for kind, together in groupby(samples, lambda sample: (sample.kind, sample.scenario.public)):
        while handful := list(islice(together, _HANDFUL if kind[0] == "label" else 1)):
            yield handful


def _play(samples: list[Sample], device: str, driver: int) -> list[Played]:
    _end_with(driver)
    played = [play_sample(samples[0], device)]
    _settle()
    return played + [play_sample(sample, device) for sample in samples[1:]]


@cache
def _settle() -> None:
    """After a process's first sample: take what is loaded by then out of garbage collection.

    Without psutil joblib collects garbage every second, and looking at PyTorch's objects each time took as long as the
    cheapest samples themselves.
    """
    gc.collect()
    gc.freeze()


@cache
def _end_with(driver: int) -> None:
    """A driver that is killed cannot tell its processes; they would wait for minutes, with their networks in memory."""

    def watch() -> None:
        while os.getppid() == driver:  # an orphan is given another parent; on Windows it is not, and waits
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    if os.getppid() == driver:
        threading.Thread(target=watch, name="end with the driver", daemon=True).start()
