"""One entry of the gradients a client sent, checked against the parameter it belongs to."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from gradinv_core.errors import NonFiniteError, OptionError, ShapeError

__all__ = ["check_gradient", "gradient_entry"]


def check_gradient(gradient: object, name: str, shape: torch.Size) -> torch.Tensor:
    """A parameter's gradient, detached.

    Raises:
        ShapeError: it is no tensor, or of another shape than the parameter.
    """
    if not isinstance(gradient, torch.Tensor):
        raise ShapeError(f"gradient {name}: expected a torch tensor, got {type(gradient).__name__}.")
    if gradient.shape != shape:
        raise ShapeError(
            f"gradient {name}: expected shape {tuple(shape)}, got {tuple(gradient.shape)}; "
            f"gradient and network must belong together."
        )
    return gradient.detach()


def gradient_entry(gradients: Mapping[str, torch.Tensor], name: str, shape: torch.Size) -> torch.Tensor:
    """The gradient of the parameter of this name, detached.

    Args:
        gradients: ``{parameter name: gradient}``.
        name: of the parameter.
        shape: of the parameter.

    Raises:
        OptionError: it is missing.
        ShapeError, NonFiniteError: it is no tensor, of another shape, or not finite.
    """
    if name not in gradients:
        raise OptionError(
            f"gradients: expected an entry {name}, got {', '.join(gradients) or 'none'}; "
            f"send the gradient of every parameter under its name in the network."
        )
    gradient = check_gradient(gradients[name], name, shape)
    # The sum is finite where every entry is, and costs no mask as large as the gradient; it may overflow.
    if not torch.isfinite(gradient.sum()) and not torch.isfinite(gradient).all():
        raise NonFiniteError(f"gradient {name}: expected finite numbers, got NaN or infinity.")
    return gradient
