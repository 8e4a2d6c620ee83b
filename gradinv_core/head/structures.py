"""Label structures: what the server assumes about the soft label, one small class each.

A structure looks at pseudo-labels and says which entries it predicts (`constrained`) and what they must have in common.
Every structure here says "these entries share one value"; they differ in which entries and which value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gradinv_core.arrays import Array, ArrayLike, as_array, is_number
from gradinv_core.errors import ClassCountError, OptionError

__all__ = ["LABEL_FORMATS", "AllBut", "LabelStructure", "SharedBase", "SharedClasses", "label_structure"]


class LabelStructure(Protocol):
    """What `recover_label` needs to know of a label structure."""

    @property
    def name(self) -> str:
        """Short name, shown to the user."""

    @property
    def offset(self) -> Array | None:
        """(C,) known part of the constrained entries, or None for zeros."""

    @property
    def value_is_zero(self) -> bool:
        """Whether the shared value is known to be zero; otherwise it is one more unknown."""

    @property
    def free_entries(self) -> int:
        """How many entries the structure leaves free, chosen by the data."""

    def constrained(self, pseudo_labels: Array) -> np.ndarray:
        """Boolean (..., C): which entries share the value (plus their offset)."""

    def check(self, classes: int, known_scale: bool = True) -> None:
        """Raise `ClassCountError` when ``classes`` are too few to determine lambda and verify it."""


@dataclass(frozen=True)
class SharedBase:
    """All classes share one value, except the ``free_entries`` largest (design of label smoothing, mixup, CutMix)."""

    name: str
    free_entries: int
    value_is_zero: bool
    offset: None = None

    def constrained(self, pseudo_labels: Array) -> np.ndarray:
        """Everything but the largest entries."""
        rows = pseudo_labels.reshape(-1, pseudo_labels.shape[-1]).copy()
        every = np.arange(len(rows))
        mask = np.ones(rows.shape, dtype=bool)
        for _ in range(self.free_entries):
            top = rows.argmax(1)
            mask[every, top] = False
            rows[every, top] = -np.inf
        return mask.reshape(pseudo_labels.shape)

    def check(self, classes: int, known_scale: bool = True) -> None:
        """One equation for lambda, one for the value unless zero, one for an unknown scale, and one more to verify."""
        needed = self.free_entries + (2 if self.value_is_zero else 3) + (0 if known_scale else 1)
        if classes < needed:
            raise ClassCountError(
                f"label_format {self.name!r}: expected at least {needed} classes, got {classes}, because lambda has to "
                f"be found and checked by those that share a value; {_more_specific(self)}the gradient of a head's "
                f"bias gives lambda at once, where there is one."
            )


def _more_specific(structure: SharedBase) -> str:
    """Advice to name a format with fewer unknowns, where there is one."""
    fewer = structure.free_entries > 1 or not structure.value_is_zero
    return "name a more specific format if you know one; " if fewer else ""


@dataclass(frozen=True)
class SharedClasses:
    """The user knows that the classes ``indices`` share one value; nothing is said of the others.

    ``known`` (C,) subtracts a known part first: with a teacher's softmax there, "the label is this teacher's softmax"
    becomes "the difference is zero everywhere".
    """

    indices: tuple[int, ...]
    value_is_zero: bool = False
    known: tuple[float, ...] | None = None
    name: str = "shared classes"
    free_entries: int = 0

    @classmethod
    def from_teacher(cls, logits: ArrayLike, temperature: float = 1.0) -> SharedClasses:
        """The label is the softmax of these (C,) teacher logits at this temperature (> 0)."""
        if not is_number(temperature) or temperature <= 0:
            raise OptionError(f"temperature: expected a number > 0, got {temperature!r}.")
        scaled = as_array(logits, "logits", "classes") / temperature
        exponential = np.exp(scaled - scaled.max())
        return cls(
            tuple(range(len(scaled))), True, tuple((exponential / exponential.sum()).tolist()), name="teacher softmax"
        )

    @property
    def offset(self) -> Array | None:
        """The known part as an array."""
        return None if self.known is None else np.asarray(self.known)

    def constrained(self, pseudo_labels: Array) -> np.ndarray:
        """The named classes, whatever the pseudo-labels say."""
        mask = np.zeros(pseudo_labels.shape, dtype=bool)
        mask[..., list(self.indices)] = True
        return mask

    def check(self, classes: int, known_scale: bool = True) -> None:
        """The indices must exist, and be enough to find lambda and verify it."""
        needed = (2 if self.value_is_zero else 3) + (0 if known_scale else 1)
        if len(set(self.indices)) < needed or not all(0 <= index < classes for index in self.indices):
            raise ClassCountError(
                f"SharedClasses: expected at least {needed} different class indices below {classes}, "
                f"got {list(self.indices)}."
            )
        if self.known is not None and len(self.known) != classes:
            raise ClassCountError(
                f"SharedClasses: expected one known value per class ({classes}), got {len(self.known)}."
            )


@dataclass(frozen=True)
class AllBut:
    """A shared base among all classes but those in ``dropped``, of which the gradient says nothing.

    The free entries are the largest of the remaining classes; what the dropped ones hold is left open.
    """

    base: SharedBase
    dropped: tuple[int, ...]
    offset: None = None

    @property
    def name(self) -> str:
        """That of the base."""
        return self.base.name

    @property
    def value_is_zero(self) -> bool:
        """That of the base."""
        return self.base.value_is_zero

    @property
    def free_entries(self) -> int:
        """Those of the base: all of them may be among the remaining classes."""
        return self.base.free_entries

    def constrained(self, pseudo_labels: Array) -> np.ndarray:
        """Everything but the largest remaining entries and the dropped ones."""
        silent = np.zeros(pseudo_labels.shape[-1], dtype=bool)
        silent[list(self.dropped)] = True
        return self.base.constrained(np.where(silent, -np.inf, pseudo_labels)) & ~silent

    def check(self, classes: int, known_scale: bool = True) -> None:
        """The dropped classes must exist, and the remaining ones must be enough for the base."""
        if not all(0 <= index < classes for index in self.dropped):
            raise ClassCountError(f"AllBut: expected class indices below {classes}, got {list(self.dropped)}.")
        self.base.check(classes - len(set(self.dropped)), known_scale)


# "unknown" covers the four above it at once; None leaves only the simplex.
LABEL_FORMATS: dict[str, LabelStructure | None] = {
    "hard": SharedBase("hard", 1, value_is_zero=True),
    "smoothing": SharedBase("smoothing", 1, value_is_zero=False),
    "mixup": SharedBase("mixup", 2, value_is_zero=True),
    "mixup+smoothing": SharedBase("mixup+smoothing", 2, value_is_zero=False),
    "unknown": SharedBase("unknown", 2, value_is_zero=False),
    "any": None,
}


def label_structure(
    label_format: str | LabelStructure, classes: int, known_scale: bool = True
) -> LabelStructure | None:
    """The structure behind a format's name, checked against the class count; a structure passes through.

    Raises:
        OptionError: no such format.
        ClassCountError: too few classes for it.
    """
    if isinstance(label_format, str):
        if label_format not in LABEL_FORMATS:
            raise OptionError(f"label_format: expected one of {', '.join(LABEL_FORMATS)}, got {label_format!r}.")
        structure = LABEL_FORMATS[label_format]
    elif label_format is None or not hasattr(label_format, "constrained"):
        raise OptionError(f"label_format: expected a name or a label structure, got {label_format!r}.")
    else:
        structure = label_format
    if structure is not None:
        structure.check(classes, known_scale)
    elif classes < 2:
        raise ClassCountError(f"label_format 'any': expected at least 2 classes, got {classes}.")
    return structure
