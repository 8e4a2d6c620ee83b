"""Processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from gradinv_core.errors import OptionError
from gradinv_core.experiments.study.attack import Played, play_sample
from gradinv_core.experiments.study.plan import Sample
from gradinv_core.experiments.study.workers import Workers

__all__ = ["local_workers"]


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
        from joblib import Parallel, delayed  # not needed to read a report

        # One sample at a time, and few beyond those at work: what is in flight is lost when the driver is killed.
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs + 1)
        results: Iterator[Played] = parallel(delayed(play_sample)(sample, device) for sample in samples)
        return results

    return play_all
