"""Whether a device that was asked for is there."""

import torch

from gradinv_core.errors import OptionError

__all__ = ["check_device"]


def check_device(device: str) -> str:
    """The device, if it is there.

    Raises:
        OptionError: it is not.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # PyTorch asserts that CUDA was compiled in
        reason = str(error).splitlines()[0]
        raise OptionError(
            f"device: expected one that PyTorch finds here, such as cpu, got {device!r} ({reason})."
        ) from error
    return device
