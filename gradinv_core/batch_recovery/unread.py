"""Answers for a batch whose directions were not all found: a label can only be read when all of them are known.

The residual a_k is what is left of the gradient where all other features vanish; a feature that is not known cannot be
made to vanish. So a direction may be known and its label not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradinv_core.arrays import to_tensor
from gradinv_core.batch_recovery.direction import Direction
from gradinv_core.batch_recovery.row_space import RowSpace
from gradinv_core.label_recovery import LabelRecovery, Status

__all__ = ["unread"]


def unread(space: RowSpace, found: Sequence[Direction], message: str) -> list[LabelRecovery]:
    """One open answer for each dimension of the row space; the directions that were found come first, of length one.

    Args:
        space: the row space.
        found: directions that are known.
        message: what each answer says.
    """
    classes, columns = space.gradient.shape
    row = int(np.linalg.norm(space.gradient, axis=1).argmax())
    features = [direction.feature for direction in found]
    features += [np.zeros(columns)] * (space.size - len(found))
    return [
        LabelRecovery(
            label=to_tensor(np.full(classes, 1 / classes)),
            feature=to_tensor(feature),
            scale=np.inf,
            row=row,
            label_format="any",
            loss=0.0,
            status=Status.AMBIGUOUS,
            message=message,
            intervals=[(-np.inf, np.inf)],
            noise=space.noise,
        )
        for feature in features
    ]
