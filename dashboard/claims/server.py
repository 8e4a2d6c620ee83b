"""What the server can say of its own answer: read off its own results, never off the truth."""

from dataclasses import dataclass

import numpy as np

from gradinv_core.diagnosis import Cause, Diagnosis
from gradinv_core.experiments.server.attack import LabelAttack
from gradinv_core.head.landscape import head_probabilities
from gradinv_core.label_recovery import Doubt, LabelRecovery, Status

__all__ = ["TAMPERED", "Server"]

TAMPERED = (
    Cause.BATCH,
    Cause.CLIPPED,
    Cause.QUANTISED,
    Cause.PRUNED,
    Cause.OTHER_LOSS,
    Cause.TEMPERATURE,
    Cause.WEIGHT_DECAY,
)
"""Causes that say: this is not what one plain training step on one sample gives."""

_HUGE = 1e30
_ADDED = 2e-6  # relative residual beside rank one above which there is more than rounding, as in the diagnosis
_SURE = 0.99  # share that a network gives its favourite class, from which it is called sure


@dataclass(frozen=True)
class Server:
    """The server's side of a scenario, as far as sentences rest on it.

    Attributes:
        attack: what it made of the last layer.
        diagnosis: what it says stands in its way.
        informed: whether it was told of the defences.
    """

    attack: LabelAttack
    diagnosis: Diagnosis
    informed: bool

    @property
    def answer(self) -> LabelRecovery:
        """Label, feature and lambda."""
        return self.attack.recovery

    @property
    def label_settled(self) -> bool:
        """Whether it says that one label fits."""
        return self.answer.status is Status.UNIQUE

    @property
    def feature_settled(self) -> bool:
        """Whether it says that one feature fits, the label's own question aside."""
        return self.label_settled or (self.answer.status is Status.AMBIGUOUS and self.answer.feature_known)

    @property
    def tampered(self) -> bool:
        """Whether it can tell that the gradient is no plain one, and was not told why."""
        doubted = self.answer.doubt not in (Doubt.NONE, Doubt.FORMAT)
        return not self.informed and (doubted or (not self.label_settled and self.diagnosis.cause in TAMPERED))

    @property
    def mended(self) -> bool:
        """Whether it was told of the defences and had to guess: error bars reckon with a gradient sent whole."""
        return self.informed and (not self.label_settled or self.attack.completed)

    @property
    def noisy(self) -> bool:
        """Whether more than rounding lies beside the one direction of the gradient."""
        return self.diagnosis.cause is Cause.NOISY or (self.attack.noise_std or 0.0) > 0 or self.answer.noise > _ADDED

    @property
    def sure_network(self) -> bool:
        """Whether every lambda that fits means a network that is all but certain of its answer."""
        ends = [end for interval in self.answer.intervals for end in interval]
        finite = np.array([end for end in ends if abs(end) < _HUGE and end != 0])
        if not len(finite) or len(finite) == len(ends):  # nothing is bounded, or everything is
            return False
        predicted = head_probabilities(self.attack.head, finite[None])[0]
        return bool((predicted.max(-1) >= _SURE).all())
