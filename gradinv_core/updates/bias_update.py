"""Where the bias trained along, its own update is the sum of the residuals: lambda is known, and only judged."""

from __future__ import annotations

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.errors import RankError
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.updates.implied_label import STARTS
from gradinv_core.updates.path_judge import PathJudge, PathSearch, share
from gradinv_core.updates.trajectory import TrainedHead

__all__ = ["from_bias"]

_MISMATCH = 1e-3  # relative difference of the two updates that rounding does not explain


def from_bias(trained: TrainedHead, end: Array, structure: LabelStructure | None, sigmas: float) -> PathSearch:
    """Lambda from the bias update: ``end`` (C,) is ``B_k`` itself.

    Raises:
        RankError: weight and bias updates do not share their left factor.
    """
    head = trained.head
    ratios = head.ratios[0]
    power = float(ratios @ ratios)
    factor = float(end @ ratios) / power
    rest, size = float(np.linalg.norm(end - factor * ratios)), float(np.linalg.norm(end))
    noise = float(np.linalg.norm(head.ratio_std[0])) * abs(factor)
    if factor == 0 or rest > _MISMATCH * size + 6 * noise:
        raise RankError(
            "after: expected updates of the last layer's weight and bias by the same local steps, which share their "
            f"left factor; got a bias update that differs by {rest / size if size else 1.0:.0%}. Check learning_rate, "
            "steps, weight_decay and momentum, and that both followed the same rule."
        )
    scale = 1 / factor
    spread = rest / max(len(end) - 1, 1) ** 0.5
    factor_std = float(np.hypot(spread, noise)) / power**0.5 + 4 * float(head.rounding[0]) * abs(factor)
    std = factor_std / factor**2
    judge = PathJudge(trained, structure)
    for start in STARTS:
        judge.start = start
        fits, known = judge(np.array([scale]), std)
        if judge.good(fits, known)[0]:
            break
    good = bool(judge.good(fits, known)[0])
    width = sigmas * std
    drift = float(np.abs(fits.slope[0]).max() * width + 2 * fits.std[0].max())
    mode = Mode(scale, scale - width, scale + width, factor, share(fits, 0), fits.freedom, drift)
    search = Search((mode,) if good else (), complete=True, evaluations=judge.evaluations)
    return PathSearch(search, fits, scale, fits.labels, (scale - width, scale + width))
