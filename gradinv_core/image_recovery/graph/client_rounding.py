"""How far what a client computed is off what it should have been: its own rounding, from layer to layer.

What comes back of a layer is what the client computed there, so error bars of a true activation hold this as well.
"""

from __future__ import annotations

import torch

__all__ = ["client_rounding"]

_ROUNDINGS = 4.0  # units by which activations err
_FLOOR = 0.1  # ... of each entry's square and so much of the mean square


def client_rounding(values: torch.Tensor, rounding: float) -> torch.Tensor:
    """(K, ...) variance of what K samples' activations (K, ...) err by.

    Args:
        values: as they came back.
        rounding: relative precision of the client's arithmetic.
    """
    typical = values.square().mean(tuple(range(1, values.ndim)), keepdim=True)
    return (_ROUNDINGS * rounding) ** 2 * (values.square() + _FLOOR * typical)
