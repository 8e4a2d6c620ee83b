"""What a user may choose about gradient matching, checked once, when it is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from gradinv_core.arrays import is_number
from gradinv_core.errors import OptionError

__all__ = ["DISTANCES", "LABEL_MODES", "OPTIMIZERS", "TERMS", "MatchingOptions"]

DISTANCES = ("cosine", "l2")
OPTIMIZERS = ("adam", "signed adam", "lbfgs")
LABEL_MODES = ("recovered", "given", "hard", "learned")
TERMS = ("g", "f", "gf")

_MOST_ITERATIONS = 100_000
_MOST_RESTARTS = 1_000
_MOST_SNAPSHOTS = 10_000


@dataclass(frozen=True)
class MatchingOptions:
    """The settings of one search. The defaults are those of the paper, after Geiping et al. 2020.

    Attributes:
        distance: between the two gradients, all parameters taken together: "cosine" is one minus the cosine of the
            angle, "l2" the squared distance relative to the observed gradient's squared norm.
        total_variation: weight of the total-variation prior, at least 0.
        optimizer: "adam", "signed adam" (the gradient's signs instead of the gradient) or "lbfgs", which chooses its
            own step lengths and ignores the learning rate; it suits smooth activations and a small total variation.
        iterations: steps per restart, 1 to 100,000.
        learning_rate: Adam's step size in units of the range of pixels, above 0.
        decay: whether the learning rate falls by a factor of 10 after 3/8, 5/8 and 7/8 of the iterations.
        restarts: independent starts, of which the one with the lowest loss is kept.
        box: whether pixels are held within their range.
        label_mode: "recovered" by the attack, "given" by the caller, "hard" (the class iDLG names) or "learned" along
            with the image (DLG). The cosine learns a label up to the gradient's length only.
        terms: what is matched: "g" the gradient, "f" the last-layer feature, "gf" both (the paper's modes).
        feature_weight: weight of the feature term, at least 0; each exact inner input has a tenth of it.
        inner_inputs: whether the exact inputs of fully connected layers with a bias become terms of their own.
        snapshots: how many steps are kept for playback, 1 to 10,000.
        at_once: how many restarts are searched as one batch, as far as memory and the network's layers allow; None for
            all of them on a GPU, and for one after the other on a CPU, where a batch gains nothing. L-BFGS goes one by
            one.

    Raises:
        OptionError: a value out of range; the message names it.
    """

    distance: str = "cosine"
    total_variation: float = 1e-2
    optimizer: str = "signed adam"
    iterations: int = 4800
    learning_rate: float = 0.1
    decay: bool = True
    restarts: int = 1
    box: bool = True
    label_mode: str = "recovered"
    terms: str = "g"
    feature_weight: float = 1.0
    inner_inputs: bool = True
    snapshots: int = 60
    at_once: int | None = None

    def __post_init__(self) -> None:
        for name, choices in (
            ("distance", DISTANCES),
            ("optimizer", OPTIMIZERS),
            ("label_mode", LABEL_MODES),
            ("terms", TERMS),
        ):
            if getattr(self, name) not in choices:
                raise OptionError(f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}.")
        for name, most in (
            ("iterations", _MOST_ITERATIONS),
            ("restarts", _MOST_RESTARTS),
            ("snapshots", _MOST_SNAPSHOTS),
            ("at_once", _MOST_RESTARTS),
        ):
            value = getattr(self, name)
            if name == "at_once" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise OptionError(f"{name}: expected a whole number from 1 to {most}, got {value!r}.")
        for name in ("total_variation", "feature_weight"):
            value = getattr(self, name)
            if not is_number(value) or value < 0:
                raise OptionError(f"{name}: expected a number of at least 0, got {value!r}.")
        if not is_number(self.learning_rate) or self.learning_rate <= 0:
            raise OptionError(f"learning_rate: expected a number above 0, got {self.learning_rate!r}.")
        for name in ("decay", "box", "inner_inputs"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"{name}: expected True or False, got {getattr(self, name)!r}.")
        if self.terms == "f" and self.feature_weight == 0:
            raise OptionError('feature_weight: expected a number above 0 with terms "f", got 0; nothing is matched.')
        if self.terms == "f" and self.label_mode == "learned":
            raise OptionError(
                'label_mode: expected "recovered", "given" or "hard" with terms "f", got "learned"; '
                'the feature says nothing about the label, so choose terms "g" or "gf" to learn it.'
            )
