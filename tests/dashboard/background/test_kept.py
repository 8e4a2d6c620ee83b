"""What the page remembers: one computation for one question, and no more than there is room for."""

import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from dashboard.background.kept import Kept, weight_of


@dataclass(frozen=True)
class Pair:
    first: object
    second: object


def test_a_known_answer_is_not_found_again():
    kept, found = Kept(1000), []
    for _ in range(3):
        assert kept.get("one", lambda: found.append(1) or "answer") == "answer"
    assert len(found) == 1


def test_thirty_who_ask_at_once_make_one_computation():
    kept, found, answers = Kept(10**6), [], []

    def find():
        time.sleep(0.1)
        found.append(1)
        return torch.ones(3)

    threads = [threading.Thread(target=lambda: answers.append(kept.get("one", find))) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 1
    assert len(answers) == 30
    assert all(answer is answers[0] for answer in answers)


def test_the_least_recently_asked_for_goes_first_and_bytes_count():
    kept, found = Kept(25_000), []

    def ask(name):
        return kept.get(name, lambda: found.append(name) or np.zeros(1000))

    for name in "abacab":  # room for three
        ask(name)
    ask("d")
    assert found == list("abcd")
    ask("c")
    assert found == list("abcdc")
    assert kept.weight < 25_000


def test_one_that_is_too_large_alone_is_kept_until_the_next():
    kept = Kept(100)
    kept.get("large", lambda: np.zeros(1000))
    assert kept.get("large", lambda: None) is not None
    kept.get("small", lambda: 1)
    assert kept.get("large", lambda: None) is None


def test_an_error_is_raised_and_not_kept():
    kept = Kept(1000)
    with pytest.raises(ZeroDivisionError):
        kept.get("one", lambda: 1 / 0)
    assert kept.get("one", lambda: 5) == 5


def test_arrays_count_once_wherever_they_lie():
    tensor = torch.zeros(1000, dtype=torch.float64)
    alone = weight_of(tensor)
    assert 8000 <= alone <= 8100
    assert weight_of({"a": tensor, "b": [tensor, Pair(tensor, tensor)]}) < alone + 1000
    assert weight_of(Pair(np.zeros(10), "x" * 500)) == pytest.approx(580, abs=400)
    assert weight_of(nn.Linear(100, 10)) == pytest.approx(4040, abs=400)
