"""The input of a layer that follows a ReLU: none of its entries is negative, and most are exactly zero."""

from __future__ import annotations

import torch

from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["settle_zeros"]

_ROUNDS = 6
_NEGATIVE = 1e-6  # of the root mean square: what counts as negative
_OPEN = 1e-3  # standard deviation, likewise, above which an entry is still open
_MISFIT = 25.0  # squared standard deviations per zero that the equations may object


def settle_zeros(belief: Belief, free: torch.Tensor, stop: Stop | None = None) -> Belief | None:
    """With its zeros in place, solve the equations for the other entries.

    Args:
        belief: with an (n, n) precision, as the equations left it.
        free: (n,) which entries a completion left positive. Those that come out negative are set to zero as well.
        stop: asked between rounds.

    Returns:
        The belief with its zeros, exact where nothing stays open; None if something does or the equations object.
    """
    pull = belief.apply(belief.mean)
    for _ in range(_ROUNDS):
        ask(stop)
        index = torch.nonzero(free)[:, 0]
        factor, failed = torch.linalg.cholesky_ex(belief.precision[index][:, index])
        if failed or not len(index):
            return None
        value = torch.zeros_like(belief.mean)
        value[index] = torch.cholesky_solve(pull[index][:, None], factor)[:, 0]
        scale = float(value.square().mean().sqrt())
        negative = value < -_NEGATIVE * scale
        if not negative.any():
            break
        free = free & ~negative
    else:
        return None
    ask(stop)
    change = value - belief.mean
    std = torch.zeros_like(value)
    std[index] = torch.cholesky_inverse(factor).diagonal().sqrt()
    objection = float(change @ belief.apply(change))
    if objection > _MISFIT * len(value) or float(std.max()) > _OPEN * scale:
        return None
    return Belief(value.clamp(min=0), belief.precision, std)
