"""The patches of a picture from two gradients, by linear algebra (our derivation).

A vision transformer turns patches X (N, P) into tokens ``X W^T + b`` and adds a learned position to each. So the
gradient of the positions is the loss gradient Delta (N, D) at every patch, and those of the patch layer are

    dL/dW = Delta^T X (D, P)        dL/db = Delta^T 1 (D,)

D equations for the N unknowns of every column of X, with the same matrix for all columns. The label, the head and all
blocks in between have no say. Where D exceeds N the surplus equations test that it was one sample: of several samples
the gradients add up, and no X fits their sum. The second product tests, whatever the samples, that these are the
positions of these patches. Since X is the same in every step on one picture, a sum of several steps serves as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["PatchEquations", "PatchFit", "Posterior", "Prior", "fit_patches", "posterior", "prior_from", "weak_prior"]

_FLOORS = (1e-4, 1e-2, 1.0, 100.0)  # how alike the noise of all rows may be: rounding is in proportion to a row, added
# noise the same everywhere; of the mean square of a row
_ROUNDINGS = 1.6  # units of rounding in an entry, relative to its row, where no surplus equation tells
_LEAST_ROUNDINGS = 0.1  # no misfit, however small, makes us surer than that
_SUMS_TO_ZERO = 100.0  # units of rounding, within which every row of Delta sums to zero, as below a layer norm
_DETERMINED = 10.0  # precision, relative to the prior's, from which a direction tells what pictures are like
_FEWEST = 6  # such directions, at least, for their spread to say something ...
_WEAKEST = 4  # ... as a share of all: patches that are alike have gradients that are, so weak directions hold little
_NARROWEST = 0.002  # spread of the pixels at the same place of all patches, as a share of their range
WEAK_MEAN, WEAK_STD = 0.5, 0.5


@dataclass(frozen=True)
class PatchEquations:
    """What was sent.

    Attributes:
        delta: (N, D) float64 loss gradient at every patch embedding.
        gradient: (D, P) of the patch layer's weights.
        bias: (D,) of its bias; None without one.
        rounding: unit roundoff of the numbers as they came.
    """

    delta: torch.Tensor
    gradient: torch.Tensor
    bias: torch.Tensor | None
    rounding: float

    @property
    def bias_misfit(self) -> float | None:
        """Relative misfit of the bias gradient; None without one, or where it is zero."""
        if self.bias is None or not bool(self.bias.any()):
            return None
        return float((self.bias - self.delta.sum(0)).norm() / self.bias.norm())


@dataclass(frozen=True)
class PatchFit:
    """The equations, weighed by their noise and taken apart into directions that do not mix.

    Attributes:
        directions: (N, N) orthonormal: in column k, how much of each patch goes into direction k; clearest first.
        precision: (N,) of what the equations say of each direction, in every column of X; 0 for nothing.
        pull: (N, P) precision times what they say of it.
        surplus: equations of each column that are left over, and so test all others.
        misfit: of the weight gradient, as the surplus equations show it: 1 for one of no such product, rounding when
            all is well; None where there are none.
    """

    directions: torch.Tensor
    precision: torch.Tensor
    pull: torch.Tensor
    surplus: int
    misfit: float | None

    def partial(self, count: int) -> torch.Tensor:
        """(N, P) patches as the clearest ``count`` directions alone show them."""
        said = self.pull[:count] / self.precision[:count, None].clamp(min=1e-300)
        return self.directions[:, :count] @ said


@dataclass(frozen=True)
class Prior:
    """What is assumed of shares, pixels as shares of their range: (P,) means, and one standard deviation."""

    mean: torch.Tensor
    std: float


@dataclass(frozen=True)
class Posterior:
    """What is believed of the shares of all pixels.

    Attributes:
        mean: (N, P).
        std: (N, P).
        determined: how many of the N P unknowns the equations determine better than the prior does.
        precision: (N, P) of every direction in every column, the prior's included.
        prior_precision: the prior's share of it.
    """

    mean: torch.Tensor
    std: torch.Tensor
    determined: int
    precision: torch.Tensor
    prior_precision: float


def fit_patches(equations: PatchEquations) -> PatchFit:
    """Weigh the equations by their noise, as the surplus ones show it, and take them apart."""
    rows = equations.gradient.square().mean(1)
    typical = float(rows.mean())
    patches, width = equations.delta.shape
    sums = float(equations.delta.sum(1).norm())
    trivial = sums <= _SUMS_TO_ZERO * equations.rounding * width**0.5 * float(equations.delta.norm())
    surplus = max(width - patches - trivial, 0)  # below a layer norm, one equation holds for every gradient there is
    best: tuple[float, PatchFit] | None = None
    for floor in _FLOORS if surplus else _FLOORS[:1]:
        weights = (rows + floor * typical).clamp(min=1e-300).rsqrt()
        score, fit = _fit(equations, weights, surplus)
        if best is None or score < best[0]:
            best = score, fit
    assert best is not None  # noqa: S101 - there is at least one floor
    return best[1]


def _fit(equations: PatchEquations, weights: torch.Tensor, surplus: int) -> tuple[float, PatchFit]:
    """The fit with these weights (D,) of the rows, and how unlikely it makes the surplus equations."""
    delta, gradient = weights[:, None] * equations.delta.T, weights[:, None] * equations.gradient
    width, patches = delta.shape
    left, singular, right = torch.linalg.svd(delta, full_matrices=width < patches)
    left = left[:, : len(singular)]
    along = left.T @ gradient
    rest = gradient - left @ along
    columns = gradient.shape[1]
    smallest = equations.rounding * float(gradient.square().mean().sqrt())
    if surplus:
        count = surplus * columns
        std = max(float(rest.norm()) / count**0.5, _LEAST_ROUNDINGS * smallest)
        # The restricted likelihood (Patterson and Thompson 1971): of what is left once the patches are taken out.
        volume = singular.clamp(min=1e-300).log().sum() - weights.log().sum()
        if surplus < width - patches:
            volume = volume + weights.square().sum().log() / 2
        score = 2 * columns * (surplus * torch.tensor(std).log() + volume)
        unweighted = (rest / weights[:, None]).norm() / equations.gradient.norm()
        misfit = float(unweighted) * (width / surplus) ** 0.5
    else:
        std, score, misfit = _ROUNDINGS * smallest, torch.tensor(0.0), None
        if equations.bias is not None and equations.bias_misfit is not None:
            off = weights * (equations.bias - equations.delta.sum(0))
            std = max(std, float(off.square().mean().sqrt()))
    precision = torch.zeros(patches, dtype=torch.float64)
    precision[: len(singular)] = (singular / std) ** 2
    pull = torch.zeros(patches, columns, dtype=torch.float64)
    pull[: len(singular)] = singular[:, None] * along / std**2
    return float(score), PatchFit(right.T, precision, pull, surplus, misfit)


def weak_prior(columns: int) -> Prior:
    """Grey, give or take half the range."""
    return Prior(torch.full((columns,), WEAK_MEAN, dtype=torch.float64), WEAK_STD)


def posterior(fit: PatchFit, scale: torch.Tensor, shift: torch.Tensor, prior: Prior) -> Posterior:
    """What equations and prior say of the shares s of all pixels, where ``X = scale s + shift``.

    Args:
        fit: of the equations.
        scale: (P,) nowhere zero.
        shift: (P,).
        prior: of the shares.
    """
    ones = fit.directions.sum(0)[:, None]
    known = fit.precision[:, None] * scale**2
    pull = scale * (fit.pull - fit.precision[:, None] * ones * shift)
    own = prior.std**-2.0
    precision = known + own
    mean = fit.directions @ ((pull + own * ones * prior.mean) / precision)
    std = (fit.directions**2 @ precision.reciprocal()).sqrt()
    return Posterior(mean, std, int((known > own).sum()), precision, own)


def prior_from(fit: PatchFit, scale: torch.Tensor, shift: torch.Tensor) -> Prior:
    """What the directions that are known say of all: the mean at each place of a patch, and the spread around it.

    Patches of one picture are alike, so that what the equations leave open is about as large as what they say with the
    least weight. Where too little is known for that, the weak prior.

    Args:
        fit: of the equations.
        scale: (P,) as in `posterior`.
        shift: (P,).
    """
    weak = weak_prior(len(scale))
    known = fit.precision * float(scale.square().mean()) > _DETERMINED / weak.std**2
    ones = fit.directions.sum(0)[known][:, None]
    if not bool(known.any()) or float(ones.square().sum()) < 0.5 * len(fit.precision):
        return weak
    said = (fit.pull[known] / fit.precision[known, None] - ones * shift) / scale
    mean = (ones * said).sum(0) / ones.square().sum()
    weakest = (said - ones * mean)[-max(int(known.sum()) // _WEAKEST, _FEWEST) :]
    if len(weakest) < _FEWEST:
        return Prior(mean.clamp(0, 1), weak.std)
    spread = float(weakest.square().mean()) ** 0.5
    return Prior(mean.clamp(0, 1), min(max(spread, _NARROWEST), weak.std))
