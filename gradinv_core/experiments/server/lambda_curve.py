"""The landscape over lambda as the page draws it: two losses, where a valid label is, and what labels still fit."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradinv_core.head import ObservedHead
from gradinv_core.head.consistency import SIMPLEX_SIGMAS, fit
from gradinv_core.head.landscape import LAMBDA_GRID, variance_losses
from gradinv_core.head.structures import LABEL_FORMATS
from gradinv_core.label_recovery import LabelRecovery, Status

__all__ = ["LabelRange", "LambdaCurve", "label_range", "loss_curve"]

Array = npt.NDArray[np.float64]

_LARGEST_DRAWN = 1e6
_CURVE_POINTS = 700
_SIGMAS = 3.0


@dataclass(frozen=True)
class LambdaCurve:
    """The landscape over lambda, as the server sees it; n points.

    Attributes:
        scales: (n,) candidates in ascending order.
        paper_loss: (n,) the paper's variance loss.
        scale_free_loss: (n,) the same, relative to its own size.
        feasible: (n,) whether the pseudo-label is a label at all, as the solvers judge it.
        excluded: how many of the largest entries the losses leave out.
    """

    scales: Array
    paper_loss: Array
    scale_free_loss: Array
    feasible: npt.NDArray[np.bool_]
    excluded: int


@dataclass(frozen=True)
class LabelRange:
    """What each class may get, over every lambda that fits: (C,) smallest and largest share, both in [0, 1]."""

    low: Array
    high: Array


def loss_curve(head: ObservedHead, recovery: LabelRecovery) -> LambdaCurve:
    """Losses over a grid that is fine near 1, near every candidate, and nowhere finer than the eye."""
    scales = _scales(recovery)
    structure = LABEL_FORMATS["unknown"]
    if structure is None:  # it never is: "any" alone has no structure
        raise TypeError("label_format 'unknown' has a structure")
    asked = scales[None]
    return LambdaCurve(
        scales=scales,
        paper_loss=variance_losses(head, asked, structure)[0],
        scale_free_loss=variance_losses(head, asked, structure, scale_free=True)[0],
        feasible=fit(head, asked, None).outside[0] <= SIMPLEX_SIGMAS,
        excluded=structure.free_entries,
    )


def label_range(head: ObservedHead, recovery: LabelRecovery, curve: LambdaCurve, *, hidden: bool = False) -> LabelRange:
    """Walk every interval of lambda that fits, from end to end, and note each class's smallest and largest share.

    Args:
        head: as observed.
        recovery: the answer.
        curve: over lambda.
        hidden: whether more than lambda is open; then nothing is excluded for any class.
    """
    fits = [recovery.scale] if np.isfinite(recovery.scale) else []
    for low, high in recovery.intervals:
        inside = curve.scales[(low <= curve.scales) & (curve.scales <= high)]
        fits += [*inside, *(end for end in (low, high) if np.isfinite(end))]
    found = recovery.label.numpy()
    if hidden or recovery.status is Status.VANISHED:
        return LabelRange(np.zeros_like(found), np.ones_like(found))
    if not fits or head.vanished[0]:  # the bias alone told the label
        return LabelRange(found, found)
    # What one lambda means for a class has an error bar of its own: noise, or rounding to a grid.
    with np.errstate(invalid="ignore", over="ignore"):  # at a λ of 1e34 an error bar is infinity times nothing
        seen = fit(head, np.array(fits)[None], None)
    labels, slack = seen.labels[0], _SIGMAS * np.nan_to_num(seen.std[0], nan=1.0, posinf=1.0)
    return LabelRange((labels - slack).min(0).clip(0.0, 1.0), (labels + slack).max(0).clip(0.0, 1.0))


def _scales(recovery: LabelRecovery) -> Array:
    """(n,) lambdas to draw, in ascending order, every |lambda| from 1 to the end of the axis."""
    grid = LAMBDA_GRID[np.abs(LAMBDA_GRID) <= _LARGEST_DRAWN]
    grid = grid[:: max(len(grid) // _CURVE_POINTS, 1)]
    # A dip is thinner than any grid: approach each candidate in powers of ten, from both sides.
    steps = 10.0 ** np.arange(-10, -0.5, 0.5)
    around = 1 + np.concatenate([-steps, [0.0], steps])
    found = [recovery.scale, *(candidate.scale for candidate in recovery.candidates)]
    near = [scale * around for scale in found if np.isfinite(scale) and abs(scale) <= _LARGEST_DRAWN]
    scales = np.unique(np.concatenate([grid, *near]))
    return scales[np.abs(scales) >= 1]
