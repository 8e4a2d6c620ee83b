"""Which combinations of a layer's inputs its equations leave open."""

from __future__ import annotations

from dataclasses import dataclass

import scipy.sparse as sparse
import torch

from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.cholesky import Factor, factorise
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["OpenDirections", "find_open_directions"]

_SPARE = 32  # directions tried beyond those that the rank says are open
_SWEEPS = 1  # of subspace iteration: open and closed directions differ by orders of magnitude
_NEGLIGIBLE = 1e-2  # share of the variance that may stay with directions left out
_FULL = 0.5  # share of open directions from which working with all of them is as cheap


@dataclass(frozen=True)
class OpenDirections:
    """An orthonormal basis of what is open; the belief's mean is its origin.

    Attributes:
        origin: (n,) the belief's mean.
        basis: (n, k) directions; None for all n of them, one per entry.
        precision: (k, k) precision along them; the weak prior's where nothing else is known.
        closed_std: (n,) standard deviation that the directions left out account for.
    """

    origin: torch.Tensor
    basis: torch.Tensor | None
    precision: torch.Tensor
    closed_std: torch.Tensor | float = 0.0

    def at(self, coordinates: torch.Tensor) -> torch.Tensor:
        """The input (n,) at coordinates (k,)."""
        return self.origin + (coordinates if self.basis is None else self.basis @ coordinates)

    def along(self, vector: torch.Tensor) -> torch.Tensor:
        """Coordinates (k,) of a vector (n,)."""
        return vector if self.basis is None else self.basis.T @ vector

    def compress(self, matrix: sparse.csr_array) -> torch.Tensor:
        """A symmetric matrix (n, n), restricted to the directions: (k, k)."""
        if self.basis is None:
            return torch.from_numpy(matrix.toarray())
        return self.basis.T @ torch.from_numpy(matrix @ self.basis.numpy())


def find_open_directions(
    belief: Belief, rank: int, smallest_std: float, factor: Factor | None = None, stop: Stop | None = None
) -> OpenDirections:
    """Find every direction whose standard deviation exceeds ``smallest_std``.

    Subspace iteration with the inverse of the precision, from seeded random directions.

    Args:
        belief: with a positive definite (n, n) precision.
        rank: number of directions that the equations determine.
        smallest_std: what counts as open, in the units of the input.
        factor: of the precision divided by the factor's unit, if somebody has it.
        stop: asked between the expensive parts.
    """
    size = len(belief.mean)
    wanted = int(1.25 * (size - rank)) + _SPARE
    if wanted >= _FULL * size:
        return OpenDirections(belief.mean, None, belief.precision)
    factor = factor or factorise(belief.precision.clone())
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(size, wanted, dtype=torch.float64, generator=generator)
    for _ in range(_SWEEPS):
        basis = factor.solve(basis, stop)
        ask(stop)
        basis, _ = torch.linalg.qr(basis)
    half = factor.half_solve(basis, stop)
    ask(stop)
    variances, vectors = torch.linalg.eigh(half.T @ half / factor.unit)
    ask(stop)
    is_open = variances > smallest_std**2
    basis, variances = basis @ vectors[:, is_open], variances[is_open]
    closed = (belief.std**2 - (basis**2 * variances).sum(1)).clamp(min=0)
    if bool(is_open.any()) and float(closed.sum()) > _NEGLIGIBLE * float(variances.sum()):
        # No gap parts open from closed: noise leaves every direction open a little, and all of them must move.
        return OpenDirections(belief.mean, None, belief.precision)
    return OpenDirections(belief.mean, basis, torch.diag(1 / variances), closed.sqrt())
