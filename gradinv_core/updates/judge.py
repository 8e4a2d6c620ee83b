"""How well a lambda explains an update of several local steps, in units of the update's own noise.

The twin of `gradinv_core.head.consistency` for paths (our derivation). There, noise moves every entry of the label by
itself. Here each entry's noise runs through all later steps and reaches all classes, so the misfit is judged where the
noise is simple: at the end of the path, ``B_k``, with its full covariance. A label of the assumed structure that lies
``e`` from the implied one ends ``J e`` beside the observed end; the least such miss is the chi-square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.head.structures import LabelStructure
from gradinv_core.updates.trajectory import TrainedHead

__all__ = ["PathFit", "fit_paths", "joined"]

_VALUE_ROUNDINGS = 1.5  # as in `consistency`: rounding errors of a softmax entry or a residual of size one,
_LOGIT_ROUNDINGS = 4.0  # and of a logit
_SOLVED = 1e-12  # of the largest end: what is left when the label's equations are called solved
_TILT = 1e-6  # relative step of a central difference: exact to 1e-11
_LOST = 0.05  # an end whose noise exceeds this is not known any more


@dataclass(frozen=True)
class PathFit:
    """The best structured label at each of K lambdas.

    Attributes:
        labels: (K, C) implied labels.
        std: (K, C) their standard deviations at fixed lambda.
        chi_square: (K,) weighted misfit of the structure.
        freedom: degrees of freedom left to verify the best lambda.
        outside: (K,) how far the label leaves the simplex, in standard deviations of the worst entry; <= 0 is inside.
        step: (K,) Gauss-Newton step in lambda towards the nearest minimum of chi_square.
        information: (K,) inverse variance of lambda.
        slope: (K, C) derivative of the labels in lambda.
        one_more: (K,) chi-square that one more local step would cost: what is there to tell their number by.
        followed: (K,) whether the path can be followed: rounding does not grow to the size of what is known.
    """

    labels: Array
    std: Array
    chi_square: Array
    freedom: int
    outside: Array
    step: Array
    information: Array
    slope: Array
    one_more: Array
    followed: np.ndarray

    def take(self, index: np.ndarray) -> PathFit:
        """The fit at some of the lambdas."""
        names = ("labels", "std", "chi_square", "outside", "step", "information", "slope", "one_more", "followed")
        chosen = {name: getattr(self, name)[index] for name in names}
        return PathFit(freedom=self.freedom, **chosen)


def fit_paths(
    trained: TrainedHead,
    scales: Array,
    labels: Array,
    structure: LabelStructure | None,
    scale_std: float | None = None,
) -> PathFit:
    """Fit the structure at (K,) lambdas with their implied labels (K, C).

    Args:
        trained: the observed update.
        scales: candidate values of lambda_r.
        labels: the label each one implies.
        structure: the label structure; None constrains nothing.
        scale_std: standard deviation of lambda where the bias told it; None where nothing did.
    """
    head, steps = trained.head, trained.steps
    sensitivity = trained.sensitivity(scales, labels)
    covariance, worst = _end_covariance(trained, scales, labels, sensitivity.logits)
    followed = np.isfinite(worst) & (worst < _LOST * steps.total) & np.isfinite(sensitivity.label).all((1, 2))
    neutral = np.eye(head.classes)
    factor = np.linalg.cholesky(np.where(followed[:, None, None], covariance, neutral))
    derivative = np.where(followed[:, None, None], sensitivity.label, -neutral)
    back = np.linalg.inv(derivative)
    along = _along_scale(trained, scales, labels) + head.ratios[0] / (scales**2)[:, None]
    slope = -np.matmul(back, along[:, :, None])[:, :, 0]
    std = np.linalg.norm(np.matmul(back, factor), axis=2)
    outside = (np.maximum(-labels, labels - 1) / std).max(1)
    if structure is None:
        zeros = np.zeros(len(scales))
        return PathFit(labels, std, zeros, 0, outside, zeros, zeros, slope, zeros, followed)

    mask = structure.constrained(labels)
    target = labels if structure.offset is None else labels - structure.offset
    longer = trained.longer(steps.steps + 1)
    one_more = longer.ends(scales, labels) - trained.ends(scales, labels)
    free = np.argsort(mask, axis=1, kind="stable")[:, : head.classes - int(mask[0].sum())]
    columns = [np.matmul(derivative, np.where(mask, target, 0.0)[:, :, None]), along[:, :, None], one_more[:, :, None]]
    columns.append(np.take_along_axis(derivative, free[:, None, :], 2))
    if not structure.value_is_zero:
        columns.append(np.matmul(derivative, mask[:, :, None].astype(float)))
    white = np.linalg.solve(factor, np.concatenate(columns, axis=2))
    misfit, direction, extra = _without(white[:, :, 3:], white[:, :, :3])
    held = 0.0 if scale_std is None else scale_std**-2.0
    information = (direction**2).sum(1)
    freedom = head.classes - white.shape[2] + 3 - (1 if scale_std is None else 0)
    shared = (direction * extra).sum(1)
    told = np.maximum(information + held, 1e-300)
    count = np.maximum((extra**2).sum(1) - shared**2 / told, 0.0)
    along_misfit = (direction * misfit).sum(1)
    chi_square = (misfit**2).sum(1)
    if scale_std is not None:
        chi_square = chi_square - along_misfit**2 / told  # lambda may give way as far as the bias leaves it
    step = along_misfit / told
    return PathFit(labels, std, chi_square, freedom, outside, step, information + held, slope, count, followed)


def _end_covariance(trained: TrainedHead, scales: Array, labels: Array, logits: Array) -> tuple[Array, Array]:
    """Covariance (K, C, C) of observed minus simulated end, and its largest standard deviation (K,).

    Three sources, to first order: noise and rounding of the update; rounding of every step's softmax and residual; and
    the logits, through noise in the feature and rounding in the forward pass, carried along all steps.
    """
    head, total = trained.head, trained.steps.total
    rounding = float(head.rounding[0])
    size = np.abs(scales)[:, None]
    end = head.ratios[0] / scales[:, None]
    prediction = np.abs(labels + end / total)  # the mean over the steps
    values = _VALUE_ROUNDINGS * rounding * (total * (prediction + np.abs(labels - prediction)) + np.abs(end))
    own = values**2 + (head.ratio_std[0] / size) ** 2 + (_SOLVED * total) ** 2
    largest = np.maximum(
        np.abs(trained.resting_logits(scales, 0)).max(1),
        np.abs(trained.resting_logits(scales, trained.steps.steps) - trained.strength(scales)[:, None] * end).max(1),
    )[:, None]
    moved = np.sqrt((size * head.product_std[0]) ** 2 + (_LOGIT_ROUNDINGS * rounding * (1 + largest)) ** 2)
    spread = logits * moved[:, None, :]
    covariance = np.matmul(spread, spread.transpose(0, 2, 1))
    every = np.arange(head.classes)
    covariance[:, every, every] += own
    return covariance, np.sqrt(covariance[:, every, every].max(1))


def _along_scale(trained: TrainedHead, scales: Array, labels: Array) -> Array:
    """Derivative (K, C) of the simulated end in lambda, at a fixed label."""
    step = _TILT * scales
    rise = trained.ends(scales + step, labels) - trained.ends(scales - step, labels)
    return rise / (2 * step)[:, None]


def _without(nuisances: Array, vectors: Array) -> tuple[Array, Array, Array]:
    """Three vectors (K, C, 3) without what the nuisances (K, C, m) can explain."""
    if nuisances.shape[2]:
        basis = np.linalg.qr(nuisances)[0]
        for _ in range(2):  # once more for the rounding of the first time
            vectors = vectors - np.matmul(basis, np.matmul(basis.transpose(0, 2, 1), vectors))
    return vectors[:, :, 0], vectors[:, :, 1], vectors[:, :, 2]


def joined(parts: list[PathFit]) -> PathFit:
    """Fits of the same update one after the other."""
    if len(parts) == 1:
        return parts[0]
    names = ("labels", "std", "chi_square", "outside", "step", "information", "slope", "one_more", "followed")
    return PathFit(
        freedom=parts[0].freedom, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )
