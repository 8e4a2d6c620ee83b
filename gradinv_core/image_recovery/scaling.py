"""Networks through which lambda is a matter of brightness: a wrong one gives the same picture, brighter or darker."""

from __future__ import annotations

from torch import nn

__all__ = ["scales_with_lambda"]

_HOMOGENEOUS = (nn.Flatten, nn.Identity, nn.Dropout, nn.ReLU)


def scales_with_lambda(model: nn.Module) -> bool:
    """Whether the exact route's picture is proportional to lambda, among those of one sign.

    Our derivation. With ``delta = c / lambda`` at the head, a feature is ``lambda g_r``. Where hidden layers have no
    bias and ``f(a x) = a f(x)`` for every activation and a > 0, slopes stay as they are, so every delta further down
    is proportional to 1 / lambda, and every input ``h = G^T delta / |delta|^2`` to lambda. A hidden bias breaks this:
    its gradient is delta itself. Across zero the picture would turn negative.

    Args:
        model: any network; whatever is not a plain chain of linear layers does not count.
    """
    if not isinstance(model, nn.Sequential):
        return False
    *hidden, head = model
    return isinstance(head, nn.Linear) and all(
        isinstance(layer, _HOMOGENEOUS) or (isinstance(layer, nn.Linear) and layer.bias is None) for layer in hidden
    )
