"""The end of a search for a picture: exact where enough of what is known says so, and error bars (our derivation).

A network of ReLUs and max pools is linear in the picture, piece by piece. Once a search has come near, most entries of
the activation it looks for stand on the right piece, and a step of Gauss and Newton makes them exact. Entries on a
wrong one miss by far more; weights that follow the misfits leave them out. So the picture is exact but where only such
entries speak of it, at corners, say, which few windows see. Those that fit, and nothing else, give the error bars: a
pixel they leave open has one as wide as its range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from gradinv_core.image_recovery.graph.stem.conjugate import conjugate_gradients
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["Polished", "polish"]

Run = Callable[[torch.Tensor], torch.Tensor]
"""The activation, (channels, height, width), that shares (channels, height, width) of the same type lead to."""

_ROUNDS, _INNER, _TOLERANCE = 20, 150, 1e-3
_SLOW = 0.85  # of the round's before, a typical misfit that is no progress
_HUBER = 3.0  # deviations from which an entry counts less
_FITS = 5.0  # ... and from which it says nothing of the error bars
_EXACT = 1e-5  # of the mean entry, typical misfit up to which entries are said to fit
_TO_SPARE = 1.125  # entries that fit for each pixel, so that they could have failed to
_MOST_PIXELS = 1024  # with three times as many, tried on a search stuck in corners, it took 25 s and came to nothing
_DAMPING, _LESS, _MORE, _MOST_DAMPING = 1e-4, 0.2, 10.0, 10.0  # of the typical diagonal
_SOLVES, _REFINED = 4, 2
_PRIOR = 0.5  # of a pixel's range: what is known before any equation
_STEP = 1e-3  # likewise, that what no entry determines may move by
_NORMAL_MEDIAN = 0.6745
_CHUNK = 32  # columns of the Jacobian at a time


@dataclass(frozen=True)
class Polished:
    """A picture, exact where its error bars are narrow.

    Attributes:
        shares: (channels, height, width) float64.
        std: its standard deviations, likewise in shares.
        fitting: entries of the activation that fit to their noise.
    """

    shares: torch.Tensor
    std: torch.Tensor
    fitting: int


def polish(
    single: Run,
    double: Run,
    value: torch.Tensor,
    std: torch.Tensor,
    start: torch.Tensor,
    factor_std: float = 0.0,
    stop: Stop | None = None,
) -> Polished | None:
    """Go on from a picture that is nearly right.

    Args:
        single: the network up to the activation, in float32.
        double: the same in float64.
        value: (channels, height, width) float64 activation.
        std: standard deviations of its entries.
        start: (channels, height, width) shares.
        factor_std: relative standard deviation of lambda, which the activation grows by.
        stop: asked between rounds.

    Returns:
        The picture; None where too few entries fit for each of its pixels, or there are too many pixels.

    Raises:
        StoppedError: the work was stopped.
    """
    if start.numel() > _MOST_PIXELS or int((value > 0).sum()) < _TO_SPARE * start.numel():
        return None
    shares, typical = _approach(single, value.float(), std.float(), start.float(), stop)
    if typical > _EXACT * float(value.abs().mean()):
        return None
    return _solve(double, value, std, shares.double(), factor_std, stop)


def _approach(
    run: Run, value: torch.Tensor, std: torch.Tensor, shares: torch.Tensor, stop: Stop | None
) -> tuple[torch.Tensor, float]:
    """Damped steps of Gauss and Newton as long as the typical misfit falls; the shares and that misfit."""
    damping, before = _DAMPING, torch.inf
    for _ in range(_ROUNDS):
        ask(stop)
        line = _Line(run, shares)
        left = value - line.reached
        spoken = (value > 0) | (line.reached > 0)
        typical = float(left[spoken].abs().median()) / _NORMAL_MEDIAN
        if typical > _SLOW * before or damping > _MOST_DAMPING:
            return shares, min(typical, before)
        noise = (std.square() + typical**2).sqrt()
        unit = float(noise.min())
        weights = torch.where(spoken, (unit / noise).square() / (1 + (left / noise / _HUBER).square()), 0.0)

        def bent(along: torch.Tensor, line: _Line = line, weights: torch.Tensor = weights) -> torch.Tensor:
            return line.pull(weights * line.push(along))

        probe = torch.randn(shares.shape, generator=torch.Generator().manual_seed(0))
        ridge = damping * float((probe * bent(probe)).sum()) / probe.numel()

        def damped(along: torch.Tensor, bent: Run = bent, ridge: float = ridge) -> torch.Tensor:
            return bent(along) + ridge * along

        step = conjugate_gradients(
            damped,
            line.pull(weights * left),
            torch.zeros_like(shares),
            _INNER,
            _TOLERANCE,
            stop,
        )
        moved = (shares + step).clamp(0, 1)
        if _cost(value - _reached(run, moved), noise, spoken) < _cost(left, noise, spoken):
            shares, before, damping = moved, typical, damping * _LESS
        else:
            damping *= _MORE
    return shares, before


def _cost(left: torch.Tensor, noise: torch.Tensor, spoken: torch.Tensor) -> float:
    """Squared misfits in units of the noise, large ones counted by their logarithm (Cauchy's)."""
    return float((left[spoken] / noise[spoken] / _HUBER).square().log1p().sum())


def _solve(
    run: Run, value: torch.Tensor, std: torch.Tensor, shares: torch.Tensor, factor_std: float, stop: Stop | None
) -> Polished | None:
    """Entries that fit, at their word: the picture they mean, and what they leave open; more fit once it has moved."""
    spoken = (value > 0) & (_reached(run, shares) > 0)
    jacobian = _jacobian(run, shares, spoken, stop)
    value, std = value[spoken], std[spoken]
    count = 0
    for _ in range(_SOLVES):
        ask(stop)
        left = value - _reached(run, shares)[spoken]
        noise = (std.square() + (float(left.abs().median()) / _NORMAL_MEDIAN) ** 2).sqrt()
        fits = left.abs() < _FITS * noise
        if int(fits.sum()) < _TO_SPARE * shares.numel():
            return None
        rows = jacobian[fits] / noise[fits][:, None]
        normal = rows.T @ rows + torch.eye(shares.numel(), dtype=torch.float64) / _PRIOR**2
        held = torch.linalg.cholesky(normal + torch.eye(shares.numel(), dtype=torch.float64) / _STEP**2)
        for _ in range(_REFINED):
            pulled = rows.T @ ((value - _reached(run, shares)[spoken])[fits] / noise[fits])
            shares = (shares + torch.cholesky_solve(pulled[:, None], held).reshape(shares.shape)).clamp(0, 1)
        if int(fits.sum()) <= count:
            break
        count = int(fits.sum())
    rest = (value - _reached(run, shares)[spoken])[fits] / noise[fits]
    factor = torch.linalg.cholesky(normal)
    strain = max(float(rest.square().sum()) / max(len(rest) - shares.numel(), 1), 1.0)
    variance = torch.cholesky_inverse(factor).diagonal() * strain
    moved = torch.cholesky_solve((rows.T @ (value[fits] / noise[fits]))[:, None], factor)[:, 0]
    variance = variance + (factor_std * moved).square()
    return Polished(shares, variance.sqrt().reshape(shares.shape), int(fits.sum()))


def _jacobian(run: Run, shares: torch.Tensor, spoken: torch.Tensor, stop: Stop | None) -> torch.Tensor:
    """(entries, pixels) of those that speak."""
    line, columns = _Line(run, shares), []
    every = torch.eye(shares.numel(), dtype=shares.dtype).reshape(-1, *shares.shape)
    for chunk in every.split(_CHUNK):
        ask(stop)
        columns.append(line.push(chunk, batched=True)[:, spoken].T)
    return torch.cat(columns, 1)


def _reached(run: Run, shares: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return run(shares)


class _Line:
    """The network near a picture: what it reaches, and how that moves with the picture, forwards and back.

    Going back is linear, so going forwards is its derivative.
    """

    def __init__(self, run: Run, shares: torch.Tensor) -> None:
        with torch.inference_mode(False), torch.enable_grad():
            self._at = shares.detach().clone().requires_grad_()
            self._out = run(self._at)
            self._weights = torch.zeros_like(self._out, requires_grad=True)
            (self._back,) = torch.autograd.grad(self._out, self._at, self._weights, create_graph=True)
        self.reached = self._out.detach()

    def push(self, along: torch.Tensor, batched: bool = False) -> torch.Tensor:
        """How the activation moves with the picture, or with each of several."""
        return torch.autograd.grad(
            self._back, self._weights, along, retain_graph=True, is_grads_batched=batched, materialize_grads=True
        )[0]

    def pull(self, weights: torch.Tensor) -> torch.Tensor:
        """Its transpose."""
        return torch.autograd.grad(self._out, self._at, weights, retain_graph=True)[0]
