"""The border of the core: tensors or arrays come in, checked float64 numpy arrays go on."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from gradinv_core.errors import NonFiniteError, ShapeError

__all__ = [
    "Array",
    "ArrayLike",
    "as_array",
    "as_values",
    "is_number",
    "keep_type",
    "stays_on_its_device",
    "to_tensor",
    "unit_roundoff",
]

Array: TypeAlias = npt.NDArray[np.float64]
ArrayLike: TypeAlias = torch.Tensor | npt.ArrayLike


def as_array(values: ArrayLike, name: str, axes: str) -> Array:
    """Convert to a float64 array and check it.

    Args:
        values: torch tensor (any device, any real type), numpy array or nested lists.
        name: how the error messages call it.
        axes: one word per expected axis, as in ``"classes features"``.

    Returns:
        A float64 array with exactly ``len(axes.split())`` axes, none of them empty.

    Raises:
        ShapeError: wrong number of axes, an empty axis, or not numbers at all.
        NonFiniteError: NaN or infinity inside.
    """
    array = _as_real(values, name)
    _check_shape(array.shape, name, axes)
    flat = array.reshape(-1)  # one fast pass, without warnings; only a suspicious sum is worth a second look
    if not isfinite(np.vdot(flat, flat)) and not np.isfinite(array).all():
        raise _not_finite(name)
    return array


def as_values(values: ArrayLike, name: str, axes: str) -> Array | torch.Tensor:
    """`as_array`, except that a tensor on a device that computes in float64 stays there, as a float64 tensor."""
    if not (isinstance(values, torch.Tensor) and stays_on_its_device(values)):
        return as_array(values, name, axes)
    _check_shape(values.shape, name, axes)
    there = values.detach().to(torch.float64)
    if not torch.isfinite(there.sum()) and not torch.isfinite(there).all():
        raise _not_finite(name)
    return there


def stays_on_its_device(values: ArrayLike) -> bool:
    """Whether it is a tensor to work on where it lies: a CPU is NumPy's own place, and Apple's GPUs lack float64."""
    if not isinstance(values, torch.Tensor):
        return False
    return values.device.type not in ("cpu", "mps") and values.layout is torch.strided and values.is_floating_point()


def _check_shape(shape: Sequence[int], name: str, axes: str) -> None:
    expected = axes.split()
    if len(shape) != len(expected):
        raise ShapeError(
            f"{name}: expected {len(expected)} axes ({', '.join(expected)}), got shape {tuple(shape)}; "
            f"reshape it or pass one sample only."
        )
    if 0 in shape:
        raise ShapeError(f"{name}: expected at least one entry along each axis, got shape {tuple(shape)}.")


def _not_finite(name: str) -> NonFiniteError:
    return NonFiniteError(
        f"{name}: expected finite numbers, got NaN or infinity; "
        f"the training step that produced it overflowed, so nothing can be read from it."
    )


def keep_type(values: ArrayLike, name: str) -> torch.Tensor | np.ndarray:
    """The same values as a tensor or array of their own type, so that its rounding stays known.

    Raises:
        ShapeError: not an array at all.
    """
    if isinstance(values, torch.Tensor):
        return values
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ShapeError(
            f"{name}: expected an array of real numbers, got {type(values).__name__} that does not form one; "
            f"pass a tensor, a numpy array or nested lists of equal lengths."
        ) from error


def _as_real(values: ArrayLike, name: str) -> Array:
    """Float64 copy or view of anything that is an array of real numbers."""
    if isinstance(values, torch.Tensor):
        values = values.detach()
        values = values.to_dense() if values.layout is not torch.strided else values
        values = (values.to("cpu", torch.float64) if values.is_floating_point() else values.cpu()).numpy()
    array = np.asarray(keep_type(values, name))
    if np.iscomplexobj(array):
        raise ShapeError(
            f"{name}: expected an array of real numbers, got complex ones; take the real part if it is meant."
        )
    try:
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name}: expected an array of real numbers, got entries of type {array.dtype}.") from error


def is_number(value: object) -> bool:
    """Whether an option is one finite real number, and not a yes or no."""
    return isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool) and isfinite(value)


def unit_roundoff(values: ArrayLike) -> float:
    """Relative rounding error of one entry, from the type the values arrived in (2**-24 for float32)."""
    if isinstance(values, torch.Tensor):
        return torch.finfo(values.dtype if values.dtype.is_floating_point else torch.float64).eps / 2
    dtype = np.asarray(values).dtype
    return float(np.finfo(dtype if np.issubdtype(dtype, np.floating) else np.float64).eps) / 2


def to_tensor(array: npt.ArrayLike) -> torch.Tensor:
    """Float64 CPU tensor that owns its memory."""
    return torch.from_numpy(np.array(array, dtype=np.float64))
