"""What label recovery said of a played world, judged against the truth."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from played_step import Played, Update
from torch import nn

from gradinv_core import recover_label
from gradinv_core.errors import GradientInversionError
from gradinv_core.label_recovery import LabelRecovery

__all__ = ["CLOSE", "RIGHT", "Outcome", "Told", "Verdict", "judge", "judge_told"]

RIGHT = 1e-2
"""A label is called wrong if an entry is off by more than this."""

CLOSE = 1e-3
"""A label that follows from the truth is to be this good."""


class Outcome(StrEnum):
    """What can come of it; the value is the letter in the tables."""

    RIGHT = "R"
    RIGHT_IF = "r"
    WRONG = "W"
    WRONG_IF = "w"
    DOUBTED = "d"
    AMBIGUOUS = "a"
    REFUSED = "x"
    CRASHED = "!"


class Verdict(NamedTuple):
    """An outcome, the largest error of a label entry, and what was said."""

    outcome: Outcome
    error: float
    words: str

    @property
    def unique(self) -> bool:
        return self.outcome in (Outcome.RIGHT, Outcome.RIGHT_IF, Outcome.WRONG, Outcome.WRONG_IF)


class Told(NamedTuple):
    """What came of telling the truth; ``there`` is False while the option does not exist."""

    there: bool
    unique: bool
    error: float
    words: str


def judge(played: Played, **options: Any) -> Verdict:
    """Ask with the options given, by default none."""
    try:
        answer = recover_label(played.weight, played.weight_grad, played.bias, played.bias_grad, **options)
    except GradientInversionError as error:
        return Verdict(Outcome.REFUSED, np.inf, f"{type(error).__name__}: {error}")
    except Exception as error:  # a crash is a finding, not an end
        return Verdict(Outcome.CRASHED, np.inf, f"{type(error).__name__}: {error}")
    error = label_error(answer, played)
    return Verdict(outcome_of(answer, error), error, f"[{answer.doubt}] {words_of(answer)}")


def words_of(answer: LabelRecovery) -> str:
    return f"{answer.message} If {answer.condition}." if answer.condition else answer.message


def outcome_of(answer: LabelRecovery, error: float) -> Outcome:
    if answer.status != "unique":
        return Outcome.AMBIGUOUS if answer.doubt == "none" else Outcome.DOUBTED
    if error <= RIGHT:
        return Outcome.RIGHT_IF if answer.condition else Outcome.RIGHT
    return Outcome.WRONG_IF if answer.condition else Outcome.WRONG


def judge_told(played: Played) -> Told | None:
    """Ask with the option that tells the truth; None where there is no such option."""
    if not played.options and played.update is None:
        return None
    try:
        answer = tell_update(played, played.update) if played.update is not None else tell_options(played)
    except GradientInversionError as error:
        return Told(True, False, np.inf, f"{type(error).__name__}: {error}")
    except (ImportError, TypeError) as error:
        absent = isinstance(error, ImportError) or "unexpected keyword" in str(error)
        return Told(not absent, False, np.inf, f"{type(error).__name__}: {error}")
    return Told(True, answer.status == "unique", label_error(answer, played), words_of(answer))


def tell_options(played: Played) -> LabelRecovery:
    return recover_label(played.weight, played.weight_grad, played.bias, played.bias_grad, **played.options)


def tell_update(played: Played, update: Update) -> LabelRecovery:
    """Hand over the layer before and after, with the optimiser's settings."""
    from gradinv_core.updates import gradient_from_update, recover_from_update

    settings: dict[str, Any] = {"steps": update.steps, "weight_decay": update.weight_decay}
    if update.steps == 1:
        sent = gradient_from_update(update.before, update.after, update.learning_rate, **settings)
        return recover_label(played.weight, sent["weight"], played.bias, sent.get("bias"))
    classes, features = played.weight.shape
    network = nn.Sequential(nn.Linear(features, classes, bias=played.bias is not None))
    before, after = ({f"0.{name}": v for name, v in state.items()} for state in (update.before, update.after))
    return recover_from_update(network, after, update.learning_rate, before=before, **settings)


def label_error(answer: LabelRecovery, played: Played) -> float:
    """Largest difference between two label entries; infinite where there are more or fewer of them."""
    if answer.label.shape != played.label.shape:
        return np.inf
    return float((answer.label - played.label).abs().max())
