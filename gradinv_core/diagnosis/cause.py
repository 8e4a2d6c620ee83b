"""What can go wrong, in words: one cause, what the computation shows, and what would help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["REMEDIES", "TITLES", "Cause", "Diagnosis"]


class Cause(StrEnum):
    """Why the server did not get one certain answer."""

    NONE = "none"
    WITHHELD = "withheld"
    VANISHED = "vanished"
    BATCH = "batch"
    CLIPPED = "clipped"
    QUANTISED = "quantised"
    PRUNED = "pruned"
    NOISY = "noisy"
    TOO_FEW_CLASSES = "too few classes"
    ONE_HOT = "one-hot probability"
    STRUCTURELESS = "structureless label"
    OTHER_LOSS = "another loss"
    TEMPERATURE = "temperature"
    WEIGHT_DECAY = "weight decay"
    UNDECIDED = "undecided"
    TRAINING_BATCH_NORM = "training-mode batch norm"
    NO_CHAIN = "no chain of layers"
    SATURATED = "saturated activations"
    RANK_DEFICIENT = "rank-deficient layer"


TITLES: Mapping[Cause, str] = {
    Cause.NONE: "Nothing went wrong",
    Cause.WITHHELD: "The last layer was withheld",
    Cause.VANISHED: "The gradient vanished",
    Cause.BATCH: "A batch instead of one sample",
    Cause.CLIPPED: "The gradient was rescaled",
    Cause.QUANTISED: "The gradient was quantised",
    Cause.PRUNED: "The gradient was pruned",
    Cause.NOISY: "The gradient is noisy",
    Cause.TOO_FEW_CLASSES: "Too few classes",
    Cause.ONE_HOT: "One-hot probability",
    Cause.STRUCTURELESS: "No label format fits",
    Cause.OTHER_LOSS: "Another loss than cross-entropy",
    Cause.TEMPERATURE: "A temperature in the loss",
    Cause.WEIGHT_DECAY: "Weight decay was left in",
    Cause.UNDECIDED: "Several lambdas fit",
    Cause.TRAINING_BATCH_NORM: "Batch norm in training mode",
    Cause.NO_CHAIN: "The network is no chain of layers",
    Cause.SATURATED: "Saturated activations",
    Cause.RANK_DEFICIENT: "A rank-deficient layer",
}
"""For headings."""

REMEDIES: Mapping[Cause, str] = {
    Cause.NONE: "There is nothing to mend for the attacker; the client is not protected.",
    Cause.WITHHELD: "Only gradient matching with a learned label is left.",
    Cause.VANISHED: "Nothing helps: a gradient of zeros is the same for every picture.",
    Cause.BATCH: "One sample at a time, or few samples behind a ReLU that leaves their features zeros of their own.",
    Cause.CLIPPED: "An attacker who allows for an unknown scale recovers it along with the label.",
    Cause.QUANTISED: "An attacker who knows the steps treats them as noise of known size.",
    Cause.PRUNED: "An attacker who knows that zeros mean “unknown” completes the matrix from what is left.",
    Cause.NOISY: "Only less noise: at this level the gradient really fits a range of answers.",
    Cause.TOO_FEW_CLASSES: "Knowing the label's format; or a bias in the head, whose gradient tells lambda.",
    Cause.ONE_HOT: "The layer below the head may still tell lambda; so does a bias in the head.",
    Cause.STRUCTURELESS: "Knowing how the label was made, or which loss was used. The layer below the head, or a bias "
    "in it, tells lambda all the same, and with it the feature and the picture.",
    Cause.OTHER_LOSS: "A bias in the head tells the feature whatever the loss was; the label needs to know the loss.",
    Cause.WEIGHT_DECAY: "An attacker who knows the rate subtracts it exactly: the weights are known.",
    Cause.TEMPERATURE: "An attacker who is told the temperature divides the logits by it, and nothing is lost.",
    Cause.UNDECIDED: "The layer below the head, or a bias in the head.",
    Cause.TRAINING_BATCH_NORM: "The label leaks all the same; for the picture the statistics must be searched for.",
    Cause.NO_CHAIN: "Gradient matching, which finds what it can.",
    Cause.SATURATED: "Gradients in a longer number type: rounding is what drowns the flat units.",
    Cause.RANK_DEFICIENT: "A prior on pictures (smoothness, bounds) closes part of what the equations leave open.",
}
"""What would help the attacker, and so what the client must not rely on."""


@dataclass(frozen=True)
class Diagnosis:
    """Why there is no certain answer, if there is none.

    Attributes:
        cause: the one that comes first on the way from the gradient to the picture.
        message: one sentence: what the computation shows, with its number.
        measures: the numbers the verdict rests on, by name.
        traces: every mark that the gradient carries of what was done to it, whether or not that did harm.
    """

    cause: Cause
    message: str
    measures: Mapping[str, float] = field(default_factory=dict)
    traces: tuple[Cause, ...] = ()

    @property
    def title(self) -> str:
        """The cause as a heading."""
        return TITLES[self.cause]

    @property
    def remedy(self) -> str:
        """What would help the attacker."""
        return REMEDIES[self.cause]
