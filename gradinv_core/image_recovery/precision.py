"""A precision matrix, kept as its parts: what changes it between two layers is a scale per entry and one direction.

Written out, each such change would cost a pass over millions of entries, and the next layer multiplies the matrix by
its own sparse one anyway, which takes the scale in for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

__all__ = ["Precision", "beside"]


def beside(entries: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Entries (n,) in a shape that multiplies a vector (n,), or every column of (n, k)."""
    return entries if vector.ndim == 1 else entries[:, None]


@dataclass(frozen=True)
class Precision:
    """``diag(scale) (base - share pull pull^T) diag(scale)``.

    Attributes:
        base: (n, n) symmetric; float32 where that is all that is known of it.
        scale: (n,) factor of each row and column.
        pull: (n,) what is taken out.
        share: how much of it.
    """

    base: torch.Tensor
    scale: torch.Tensor
    pull: torch.Tensor
    share: float

    @classmethod
    def of(cls, base: torch.Tensor) -> Precision:
        """The matrix itself."""
        flat = torch.zeros(len(base), dtype=torch.float64)
        return cls(base, torch.ones_like(flat), flat, 0.0)

    @property
    def diagonal(self) -> torch.Tensor:
        """(n,) float64."""
        return self.scale**2 * (self.base.diagonal().double() - self.share * self.pull**2)

    def apply(self, vector: torch.Tensor) -> torch.Tensor:
        """The matrix times a vector (n,), or columns (n, k)."""
        scale, pull = beside(self.scale, vector), beside(self.pull, vector)
        scaled = scale * vector
        image = (self.base @ scaled.to(self.base.dtype)).double()
        return scale * (image - self.share * (self.pull @ scaled) * pull)

    def scaled(self, factor: torch.Tensor) -> Precision:
        """Every row and column times its factor (n,)."""
        return replace(self, scale=self.scale * factor)

    def less(self, pull: torch.Tensor, share: float) -> Precision:
        """The matrix less ``share pull pull^T``; one direction is kept as such, more of them are written out."""
        if self.share == 0 and bool((self.scale != 0).all()):
            return replace(self, pull=pull / self.scale, share=share)
        return Precision.of(torch.addr(self.matrix(), pull, pull, alpha=-share))

    def matrix(self) -> torch.Tensor:
        """Written out: (n, n) float64."""
        whole = self.base.double()
        if self.share:
            whole = torch.addr(whole, self.pull, self.pull, alpha=-self.share)
        if bool((self.scale == 1).all()):
            return whole
        return self.scale[:, None] * whole * self.scale
