"""Answers that are kept as long as there is room, by what they weigh; of several who ask the same, one computes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

__all__ = ["Kept", "weight_of"]

Answer = TypeVar("Answer")
_OBJECT = 64  # bytes of whatever is no array and no text


class Kept:
    """Answers by their questions; the least recently asked for go first.

    Args:
        limit: bytes that they may weigh together. One alone may weigh more: it is kept until the next one comes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._answers: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._asked: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(
        self,
        question: Hashable,
        find: Callable[[], Answer],
        meanwhile: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> Answer:
        """The answer, found now if it is not known.

        Args:
            question: what is asked.
            find: finds the answer. What it raises is raised, and not kept.
            meanwhile: entered while somebody has to wait.
        """
        with self._lock:
            if question in self._answers:
                self._answers.move_to_end(question)
                known: Answer = self._answers[question][0]
                return known
            turn = self._asked.setdefault(question, threading.Lock())
        with meanwhile(), turn:
            with self._lock:
                if question in self._answers:
                    found: Answer = self._answers[question][0]
                    return found
            try:
                answer = find()
                self._keep(question, answer, weight_of(answer))
            finally:
                with self._lock:
                    self._asked.pop(question, None)
            return answer

    def forget(self) -> None:
        """Lose everything."""
        with self._lock:
            self._answers.clear()

    @property
    def weight(self) -> int:
        """Bytes of all answers."""
        with self._lock:
            return sum(weight for _, weight in self._answers.values())

    def _keep(self, question: Hashable, answer: Any, weight: int) -> None:
        with self._lock:
            self._answers[question] = answer, weight
            total = sum(each for _, each in self._answers.values())
            while total > self._limit and len(self._answers) > 1:
                _, (_, lost) = self._answers.popitem(last=False)
                total -= lost


def weight_of(value: Any, seen: set[int] | None = None) -> int:
    """About how many bytes something holds: its arrays and texts, each counted once."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        return _OBJECT + value.numel() * value.element_size()
    if isinstance(value, np.ndarray):
        return _OBJECT + value.nbytes
    if isinstance(value, str | bytes):
        return _OBJECT + len(value)
    if isinstance(value, nn.Module):
        return _OBJECT + sum(weight_of(part, seen) for part in (*value.parameters(), *value.buffers()))
    if isinstance(value, Mapping):
        return _OBJECT + sum(weight_of(part, seen) for part in (*value.keys(), *value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return _OBJECT + sum(weight_of(part, seen) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return _OBJECT + sum(weight_of(getattr(value, field.name), seen) for field in fields(value))
    return _OBJECT
