"""The input of one fully connected layer, from its gradient alone (paper, section on image reconstruction).

A linear layer's weight gradient is ``G = delta x^T``: the gradient at its output times its input. If delta is known,
``x = G^T delta / |delta|^2``: no equation is missing, whatever the layer's size.
"""

from __future__ import annotations

import torch

__all__ = ["previous_input"]

_ROWS = 512  # rows of a weight gradient taken to float64 at a time: a 4096 x 12288 layer must not cost 400 MB
_COLUMNS = 256  # columns from which a layer's misfit is measured


def previous_input(gradient: torch.Tensor, delta: torch.Tensor) -> tuple[torch.Tensor, float, float]:
    """Input of a linear layer.

    Block by block in float64. The misfit is the gradient's noise; divided by |delta|, it is the noise of the input.

    Args:
        gradient: (outputs, inputs) gradient of the weight.
        delta: (outputs,) gradient at the output, not zero.

    Returns:
        Input (inputs,), its standard deviation, and the relative misfit of ``G = delta x^T``.
    """
    power = float(delta @ delta)
    value = torch.zeros(gradient.shape[1], dtype=torch.float64)
    active = torch.nonzero(delta)[:, 0]  # a ReLU layer's inactive rows say nothing of its input
    for rows in active.split(_ROWS):
        value += gradient[rows.to(gradient.device)].double().cpu().T @ delta[rows]
    value /= power
    # The misfit, from as many columns as it takes to know it well.
    step = max(1, gradient.shape[1] // _COLUMNS)
    part = gradient[:, ::step].double().cpu()
    rest, total = float((part - torch.outer(delta, value[::step])).square().sum()), float(part.square().sum())
    std = (rest / part.numel() / power) ** 0.5
    return value, std, (rest / total) ** 0.5 if total > 0 else 0.0
