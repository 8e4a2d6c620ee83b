"""Conjugate gradients (Hestenes and Stiefel 1952) for pictures, one or a batch of them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["conjugate_gradients"]

_PICTURE = (-3, -2, -1)
_ASKED = 25  # rounds between questions whether to stop


def conjugate_gradients(
    apply: Callable[[torch.Tensor], torch.Tensor],
    right: torch.Tensor,
    start: torch.Tensor,
    rounds: int,
    tolerance: float = 1e-7,
    stop: Stop | None = None,
) -> torch.Tensor:
    """Solve ``apply(x) = right`` for a symmetric positive map.

    Args:
        apply: of pictures (..., channels, height, width).
        right: such pictures.
        start: first guess.
        rounds: at most so many.
        tolerance: relative residual that ends them.
        stop: asked now and then.

    Raises:
        StoppedError: the work was stopped.
    """
    value = start.clone()
    rest = right - apply(value)
    along = rest.clone()
    power = rest.square().sum(_PICTURE, keepdim=True)
    enough = tolerance**2 * right.square().sum(_PICTURE, keepdim=True)
    for count in range(rounds):
        if bool((power <= enough).all()):
            break
        if count % _ASKED == _ASKED - 1:
            ask(stop)
        image = apply(along)
        bent = (along * image).sum(_PICTURE, keepdim=True)
        step = torch.where(bent > 0, power / bent.clamp(min=1e-300 if bent.dtype == torch.float64 else 1e-37), 0.0)
        value += step * along
        rest -= step * image
        left = rest.square().sum(_PICTURE, keepdim=True)
        along = rest + left / power.clamp(min=1e-300 if bent.dtype == torch.float64 else 1e-37) * along
        power = left
    return value
