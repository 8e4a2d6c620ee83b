"""L-BFGS-B on the image (Byrd et al. 1995, SciPy's implementation): quasi-Newton steps that know the box of pixels.

PyTorch's L-BFGS knows no bounds; clamping its steps afterwards would spoil the curvature it has gathered.
"""

from __future__ import annotations

from math import isfinite

import numpy as np
import torch

from gradinv_core.arrays import Array
from gradinv_core.image_recovery.matching.objective import Candidate, Loss
from gradinv_core.image_recovery.matching.options import MatchingOptions
from gradinv_core.image_recovery.matching.outcome import Outcome
from gradinv_core.image_recovery.matching.playback import Playback
from gradinv_core.image_recovery.result import Stop

__all__ = ["descend_quasi_newton"]

_HISTORY = 20  # pairs of steps and slope changes that stand for the curvature
_EVALUATIONS = 25  # per iteration at most: no line search takes more


class _Overflow(Exception):  # noqa: N818 - not an error of the caller's: it ends one restart
    """The loss is no longer a finite number."""


class _Halt(Exception):  # noqa: N818
    """The caller asked to stop."""


@torch.no_grad()
def descend_quasi_newton(
    objective: Loss, candidate: Candidate, options: MatchingOptions, playback: Playback, stop: Stop
) -> Outcome:
    """Walk downhill from ``candidate``.

    Args:
        objective: loss and derivative.
        candidate: where to start.
        options: iterations and box; the learning rate does not count, every step has a line search.
        playback: sees the start and the candidate after every step.
        stop: asked after every step and before every evaluation of a line search.

    Returns:
        How the walk ended. It ends before the last iteration where no step it can find lowers the loss, as at a kink.
    """
    from scipy.optimize import minimize

    shape, pixels = candidate.image.shape, candidate.image.numel()
    like = candidate.image
    iteration = 0

    def unpack(values: Array) -> Candidate:
        flat = torch.from_numpy(values.copy()).to(like)
        return Candidate(flat[:pixels].view(shape), None if candidate.logits is None else flat[pixels:])

    def evaluate(values: Array) -> tuple[float, Array]:
        if playback.best is not None and stop():
            raise _Halt
        slope = objective(unpack(values))
        parts = [slope.image.reshape(-1)] + ([] if slope.logits is None else [slope.logits])
        flat = torch.cat(parts).double().cpu().numpy()
        if not isfinite(slope.loss) or not np.isfinite(flat).all():
            raise _Overflow
        return slope.loss, flat

    def after_step(intermediate_result: object) -> None:
        nonlocal iteration
        iteration += 1
        playback.see(iteration, unpack(intermediate_result.x), float(intermediate_result.fun))  # type: ignore[attr-defined]
        if iteration < options.iterations and stop():
            raise _Halt

    parts = [candidate.image.reshape(-1)] + ([] if candidate.logits is None else [candidate.logits])
    here = torch.cat(parts).double().cpu().numpy()
    free = [(None, None)] * (len(here) - pixels)
    bounds = [(0.0, 1.0)] * pixels + free if options.box else None
    try:
        playback.see(0, candidate, evaluate(here)[0])
        if stop():
            return Outcome.halted(0)
        # No fresh start where the line search gives up: tried, it goes on for long without lowering the loss.
        settings: dict[str, float] = {"maxiter": options.iterations, "maxfun": _EVALUATIONS * options.iterations}
        settings |= {"maxcor": _HISTORY, "ftol": 0.0, "gtol": 0.0}
        minimize(evaluate, here, method="L-BFGS-B", jac=True, bounds=bounds, callback=after_step, options=settings)
    except _Overflow:
        return Outcome.broken(iteration)
    except _Halt:
        return Outcome.halted(iteration)
    return Outcome.completed(iteration)
