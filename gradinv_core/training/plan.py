"""What is trained and how: everything that decides how the weights turn out."""

from __future__ import annotations

from dataclasses import dataclass

from gradinv_core.arrays import is_number
from gradinv_core.errors import OptionError
from gradinv_core.networks import NETWORKS

__all__ = ["LABELS", "TrainingPlan"]

LABELS = ("hard", "smoothing", "mixup", "mixup+smoothing")
"""How labels may be softened in training."""

_MOST_EPOCHS = 10_000
_LARGEST_BATCH = 65_536


@dataclass(frozen=True)
class TrainingPlan:
    """One training, from the first weights to the last epoch.

    Attributes:
        network: a key of `gradinv_core.networks.NETWORKS`.
        dataset: a key of `gradinv_core.datasets.DATASETS`, or "folder:PATH" with a subfolder for each class.
        labels: one of `LABELS`.
        epsilon: share of the label that smoothing spreads evenly over all classes, in [0, 1].
        alpha: of the Beta(alpha, alpha) that mixup's weights are drawn from (Zhang et al. 2018), above 0.
        epochs: passes over the training set, 1 to 10,000.
        batch_size: pictures in a step, 2 to 65,536; small ones bring sigmoid networks off their plateau sooner.
        learning_rate: of Adam at the start, above 0; a cosine takes it to zero.
        head_bias: whether the last layer has a bias.
        seed: of the first weights, the order of the pictures, and whatever else is drawn; at least 0.

    Raises:
        OptionError: a value out of range; the message names it.
    """

    network: str
    dataset: str = "digits"
    labels: str = "mixup+smoothing"
    epsilon: float = 0.1
    alpha: float = 1.0
    epochs: int = 20
    batch_size: int = 16
    learning_rate: float = 1e-3
    head_bias: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("network", tuple(NETWORKS)), ("labels", LABELS)):
            if getattr(self, name) not in choices:
                raise OptionError(f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}.")
        for name, least, most in (
            ("epochs", 1, _MOST_EPOCHS),
            ("batch_size", 2, _LARGEST_BATCH),
            ("seed", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise OptionError(f"{name}: expected a whole number from {least} to {most}, got {value!r}.")
        if not is_number(self.epsilon) or not 0 <= self.epsilon <= 1:
            raise OptionError(f"epsilon: expected a number in [0, 1], got {self.epsilon!r}.")
        for name in ("alpha", "learning_rate"):
            value = getattr(self, name)
            if not is_number(value) or value <= 0:
                raise OptionError(f"{name}: expected a number above 0, got {value!r}.")

    @property
    def smoothing(self) -> float:
        """What is spread over all classes: epsilon, or nothing."""
        return self.epsilon if "smoothing" in self.labels else 0.0

    @property
    def mixes(self) -> bool:
        """Whether pictures are mixed in pairs."""
        return "mixup" in self.labels
