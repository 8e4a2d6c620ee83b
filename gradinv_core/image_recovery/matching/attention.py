"""Attention that can be differentiated twice: PyTorch's fused kernels cannot, its written-out form can."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["is_about_attention", "written_out_attention"]

_FUSED = "scaled_dot_product"
_turn = threading.Lock()  # the choice of kernels is one for all threads; whoever changes it must be who puts it back


def is_about_attention(error: RuntimeError) -> bool:
    """Whether PyTorch complains that its fused attention has no second derivative."""
    return _FUSED in str(error)


@contextmanager
def written_out_attention() -> Iterator[None]:
    """Within it, attention takes the written-out form."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with _turn, sdpa_kernel(SDPBackend.MATH):
        yield
