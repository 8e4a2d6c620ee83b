"""A study small enough for a test, and its rows without what differs from run to run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gradinv_core.experiments.study.plan import plan
from gradinv_core.experiments.study.run import Progress, run_study
from gradinv_core.experiments.study.store import Store
from gradinv_core.experiments.study.workers.local import local_workers

TEXT = """
title = "Small"
solvers = ["ours", "bias", "idlg"]
seeds = 4

[[cells]]
network = "fcn_small"
classes = [10, 17]
head_bias = [false, true]
augmentation = ["none", "mixup+smoothing"]
dataset = "digits"

[quick]
seeds = 1
"""


def begin(folder: Path, text: str = TEXT) -> Store:
    return Store.create(folder, text, "small", quick=False)


def play(store: Store) -> Progress:
    return run_study(store, plan(store.specification), local_workers(1))


def steady(store: Store) -> list[Any]:
    """All rows, without times and machines."""
    found = []
    for row in store.rows():
        outcome = {
            name: {part: one for part, one in inner.items() if part != "seconds"} if isinstance(inner, dict) else inner
            for name, inner in row.outcome.items()
        }
        found.append((row.key, row.number, row.scenario, row.code, outcome, row.error))
    return found


@pytest.fixture(scope="session")
def small():
    """The study's text, how to begin and play it, and its steady rows."""
    return SimpleNamespace(text=TEXT, begin=begin, play=play, steady=steady)
