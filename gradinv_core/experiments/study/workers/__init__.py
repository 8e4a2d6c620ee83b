"""Who plays the samples of a plan: a plan goes in, results come out as they are ready. Nobody here writes a row."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from gradinv_core.experiments.study.attack import Played
from gradinv_core.experiments.study.plan import Sample

__all__ = ["Workers"]

Workers: TypeAlias = Callable[[Iterable[Sample]], Iterator[Played]]
"""Plays samples, in any order."""
