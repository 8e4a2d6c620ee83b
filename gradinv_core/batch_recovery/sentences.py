"""The honest sentence that goes with the answer to a batch."""

from __future__ import annotations

from collections.abc import Sequence

from gradinv_core.batch_recovery.result import Evidence, Obstacle
from gradinv_core.batch_recovery.row_space import RowSpace
from gradinv_core.label_recovery import LabelRecovery, Status

__all__ = ["UNREAD", "not_added", "of_batch"]

UNREAD = (
    "A sample's label can be read only where the features of all samples are known, and not all of them were found."
)


def not_added(misfit: float, expected: float) -> str:
    """For a label that fits by itself, in a batch that does not add up."""
    return (
        f"This label fits its own direction, but all answers together miss the gradient by {misfit:.1g} of its length, "
        f"where noise explains {expected:.1g}: at least one direction is not one sample's."
    )


def of_batch(
    obstacle: Obstacle,
    space: RowSpace,
    answers: Sequence[LabelRecovery],
    evidence: Sequence[Evidence],
    samples: int,
    proven: bool,
) -> str:
    """For the whole batch.

    Args:
        obstacle: what kept it from being read in full.
        space: the row space.
        answers: one for each direction.
        evidence: likewise.
        samples: of the batch, as far as the weights tell or it was said.
        proven: whether every direction is proven by itself; otherwise their labels did.
    """
    seen = space.visible
    if obstacle is Obstacle.DROWNED:
        return "No direction stands out of the gradient's noise: nothing can be told of the samples."
    if obstacle is Obstacle.DOES_NOT_ADD_UP:
        return (
            f"{_count(seen, 'direction stands', 'directions stand')} out of the noise, but the answers together do not "
            f"give the gradient back, so none of them is called unique."
        )
    if obstacle is Obstacle.STOPPED:
        return f"Stopped after {len(evidence)} of {seen} features; labels need all of them."
    if obstacle is Obstacle.NEGATIVE:
        return (
            f"No mixture of the {seen} directions is non-negative, so the features are not those of a ReLU (tanh has "
            f"both signs): nothing tells the samples apart."
        )
    if obstacle is Obstacle.NO_ZEROS:
        return (
            f"{_count(seen, 'direction stands', 'directions stand')} out of the noise, but no mixture of them vanishes "
            f"in more places than it could by choice. The features have no zeros of their own, as behind a sigmoid or "
            f"an average over many positions, or too few: nothing tells the samples apart."
        )
    if obstacle is Obstacle.FULL_RANK:
        return (
            f"The gradient has {seen} directions, the most that a head with {len(space.gradient)} classes can show, so "
            f"there may be more samples than that; {len(evidence)} of the features were found."
        )
    if obstacle is Obstacle.HIDDEN:
        return (
            f"{len(evidence)} of {seen} features were found. The others have too few zeros of their own, and "
            f"a label can be read only where all features are known."
        )
    unique = sum(answer.status is Status.UNIQUE for answer in answers)
    shared = [each.samples for each in evidence if each.samples > 1]
    text = f"{_count(samples, 'sample', 'samples')} in the batch, {unique} of {len(answers)} labels unique"
    if shared:
        text += (
            f"; {len(answers)} different features: {_count(len(shared), 'one is', 'some are')} shared by several "
            f"samples, and its label is their mean"
        )
    if obstacle is Obstacle.FEWER_VISIBLE:
        text += f"; only {seen} of {samples} samples stand out of the noise or have a feature of their own"
    return f"{text}. {_basis(evidence, proven)}, and the answers together give the gradient back to its noise."


def _basis(evidence: Sequence[Evidence], proven: bool) -> str:
    """What the features stand on."""
    passed = sum(each.passed for each in evidence)
    if not proven:
        return "Not every feature is proven by itself, but all labels agree"
    if passed == len(evidence):
        return "The layer below the last proves every feature"
    return f"Zeros prove every feature{f', or for {passed} of them the layer below' if passed else ''}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
