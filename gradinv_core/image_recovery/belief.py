"""What is believed of an activation: a value for every entry, and how sure the gradient makes us of it.

A belief is a Gaussian in information form. Its precision matrix keeps how the errors hang together, so that what one
layer leaves open in common (a brightness, say) does not look like independent noise to the next. One direction may
stand beside it as a vector: what lambda leaves open moves all entries together, and a large layer can afford no matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch

from gradinv_core.image_recovery.precision import Precision, beside

__all__ = ["Belief"]

_FLAT = 1e-30  # slopes below this hand nothing on


@dataclass(frozen=True)
class Belief:
    """A Gaussian belief.

    Attributes:
        mean: (n,) float64.
        information: inverse covariance: (n, n), whole or in parts, or (n,) where the entries are independent. Zero:
            nothing is known.
        std: (n,) standard deviation of each entry's own error.
        common: (n,) by how much one unknown standard normal number moves all entries together, on top of what the
            precision says; None for not at all.
    """

    mean: torch.Tensor
    information: torch.Tensor | Precision
    std: torch.Tensor
    common: torch.Tensor | None = None

    @classmethod
    def independent(cls, mean: torch.Tensor, std: torch.Tensor) -> Belief:
        """Entries that err independently of each other."""
        return cls(mean, std**-2.0, std)

    @property
    def is_diagonal(self) -> bool:
        """Whether the entries are independent, but for what moves them together."""
        return isinstance(self.information, torch.Tensor) and self.information.ndim == 1

    @cached_property
    def precision(self) -> torch.Tensor:
        """The information written out, what moves all entries together aside: (n, n) or (n,)."""
        return self.information if isinstance(self.information, torch.Tensor) else self.information.matrix()

    @property
    def parts(self) -> Precision:
        """The information of entries that are not independent, (n, n), in parts."""
        return self.information if isinstance(self.information, Precision) else Precision.of(self._square())

    @property
    def diagonal(self) -> torch.Tensor:
        """(n,) precision of each entry with all others known."""
        own = self._own_diagonal()
        if self.common is None:
            return own
        pull, share = self.shared_pull
        return own - share * pull**2

    @property
    def total_std(self) -> torch.Tensor:
        """(n,) standard deviation of each entry, what moves all of them together included."""
        return self.std if self.common is None else (self.std**2 + self.common**2).sqrt()

    @property
    def shared_pull(self) -> tuple[torch.Tensor, float]:
        """(n,) q and the factor f by which ``f q q^T`` takes the common direction out of the precision."""
        if self.common is None:
            return torch.zeros_like(self.mean), 0.0
        pull = self._pull(self.common)
        return pull, 1 / (1 + float(self.common @ pull))

    def sharing(self, relative_std: float) -> Belief:
        """The same belief, but for one unknown factor all entries share; its direction stays a vector.

        Args:
            relative_std: of the factor; below 0 where the entries fall as the unknown number rises.
        """
        return self if relative_std == 0 else replace(self, common=relative_std * self.mean)

    def with_common_factor(self, relative_std: float) -> Belief:
        """The same belief, but for one unknown factor all entries share, known to ``relative_std``.

        The covariance grows by ``relative_std**2 mean mean^T``; its inverse follows from Sherman and Morrison. ``std``
        stays each entry's own: a common positive factor changes no sign, so it must not make a ReLU's outputs doubtful.
        """
        if relative_std == 0 or not bool(self.mean.any()):
            return self
        pull = self.apply(self.mean)
        share = 1 / (relative_std**-2.0 + float(self.mean @ pull))
        return Belief(self.mean, self.parts.less(pull, share), self.std)

    def before(self, value: torch.Tensor, slope: torch.Tensor) -> Belief:
        """The belief about z, where this one is about f(z).

        Args:
            value: (n,) z.
            slope: (n,) derivative of f there; 0 where f(z) says nothing of z.
        """
        scaled = slope**2 * self.precision if self.is_diagonal else self.parts.scaled(slope)
        common = None
        if self.common is not None:
            common = torch.where(slope == 0, 0.0, self.common / slope.masked_fill(slope == 0, 1.0))
        return Belief(value, scaled, self.std / slope.abs().clamp(min=_FLAT), common)

    def with_own_noise(self, std: torch.Tensor) -> Belief:
        """The same belief after independent noise (n,) is added to every entry.

        Exact for independent entries. Otherwise each row is weakened by as much as its own precision suffers, which
        keeps the matrix positive, allows for entries of which nothing is known, and spares an inversion.
        """
        keep = (1 + std**2 * self._own_diagonal()).rsqrt()
        weakened = keep**2 * self.precision if self.is_diagonal else self.parts.scaled(keep)
        return Belief(self.mean, weakened, (self.std**2 + std**2).sqrt(), self.common)

    def apply(self, vector: torch.Tensor) -> torch.Tensor:
        """Precision times a vector (n,), or columns (n, k)."""
        if self.common is None:
            return self._pull(vector)
        pull, share = self.shared_pull
        return self._pull(vector) - share * (pull @ vector) * beside(pull, vector)

    def matrix(self) -> torch.Tensor:
        """The whole precision, (n, n)."""
        full = self._square()
        if self.common is None:
            return full
        pull, share = self.shared_pull
        return torch.addr(full, pull, pull, alpha=-share)

    def _square(self) -> torch.Tensor:
        return torch.diag(self.precision) if self.is_diagonal else self.precision

    def _own_diagonal(self) -> torch.Tensor:
        if isinstance(self.information, Precision):
            return self.information.diagonal
        return self.information if self.is_diagonal else self.information.diagonal()

    def _pull(self, vector: torch.Tensor) -> torch.Tensor:
        if isinstance(self.information, Precision):
            return self.information.apply(vector)
        return beside(self.information, vector) * vector if self.is_diagonal else self.information @ vector
