"""How close a recovered image, label or feature is to the true one. Metrics see the truth; attacks never do."""

from __future__ import annotations

import math

import numpy as np

from gradinv_core.arrays import Array, ArrayLike, as_array
from gradinv_core.errors import OptionError, ShapeError

__all__ = ["cosine_similarity", "max_abs_error", "psnr", "relative_error", "ssim"]

_IMAGE_AXES = "channels height width"
_SSIM_WINDOW = 7  # side of the sliding window, in pixels: the usual choice without Gaussian weights


def psnr(recovered: ArrayLike, true: ArrayLike, data_range: float = 1.0) -> float:
    """Peak signal-to-noise ratio in decibels: ``10 log10(data_range^2 / mean squared error)``.

    Args:
        recovered: array of any shape.
        true: array of the same shape.
        data_range: distance between the darkest and the brightest possible value.

    Returns:
        Decibels; infinity when the two are identical. 40 dB looks identical; whether a picture is recognisable is more
        than a matter of decibels, see `gradinv_core.likeness`.

    Raises:
        ShapeError: different shapes.
        NonFiniteError: NaN or infinity inside.
        OptionError: ``data_range`` is not positive.
    """
    first, second = _pair(recovered, true)
    _check_range(data_range)
    squared_error = float(np.mean((first - second) ** 2))
    return math.inf if squared_error == 0.0 else 10.0 * math.log10(data_range**2 / squared_error)


def ssim(recovered: ArrayLike, true: ArrayLike, data_range: float = 1.0) -> float:
    """Structural similarity of two images (Wang et al., 2004), mean over windows and channels.

    Args:
        recovered: (channels, h, w) image.
        true: (channels, h, w) image.
        data_range: distance between the darkest and the brightest possible value.

    Returns:
        A number in [-1, 1]; 1 when the two are identical.

    Raises:
        ShapeError: not (channels, h, w), different shapes, or smaller than 3x3.
        NonFiniteError: NaN or infinity inside.
        OptionError: ``data_range`` is not positive.
    """
    first, second = as_array(recovered, "recovered image", _IMAGE_AXES), as_array(true, "true image", _IMAGE_AXES)
    _check_same_shape(first, second)
    _check_range(data_range)
    shortest = min(first.shape[1:])
    if shortest < 3:
        raise ShapeError(f"ssim: expected images of at least 3x3 pixels, got {first.shape}; use psnr instead.")
    from skimage.metrics import structural_similarity

    window = min(_SSIM_WINDOW, shortest - 1 + shortest % 2)  # the largest odd window that fits
    return float(structural_similarity(first, second, win_size=window, channel_axis=0, data_range=data_range))


def relative_error(recovered: ArrayLike, true: ArrayLike) -> float:
    """``|recovered - true| / |true|`` in the Euclidean norm; 0 is perfect. A zero truth gives 0 or infinity.

    Raises:
        ShapeError: different shapes.
        NonFiniteError: NaN or infinity inside.
    """
    first, second = _pair(recovered, true)
    error, size = float(np.linalg.norm(first - second)), float(np.linalg.norm(second))
    if size == 0.0:
        return 0.0 if error == 0.0 else math.inf
    return error / size


def max_abs_error(recovered: ArrayLike, true: ArrayLike) -> float:
    """Largest absolute difference between two entries, in the unit of the entries.

    Raises:
        ShapeError: different shapes.
        NonFiniteError: NaN or infinity inside.
    """
    first, second = _pair(recovered, true)
    return float(np.abs(first - second).max())


def cosine_similarity(recovered: ArrayLike, true: ArrayLike) -> float:
    """Cosine of the angle between two arrays, in [-1, 1]; it ignores their lengths. NaN when one of them is zero.

    Raises:
        ShapeError: different shapes.
        NonFiniteError: NaN or infinity inside.
    """
    first, second = _pair(recovered, true)
    lengths = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    return math.nan if lengths == 0.0 else float(np.clip(np.dot(first, second) / lengths, -1.0, 1.0))


def _pair(recovered: ArrayLike, true: ArrayLike) -> tuple[Array, Array]:
    """Both as flat float64 arrays, after checking that they had the same shape."""
    first, second = (
        as_array(values, name, " ".join(["axis"] * np.ndim(values)))
        for values, name in ((recovered, "recovered"), (true, "true"))
    )
    _check_same_shape(first, second)
    return first.ravel(), second.ravel()


def _check_same_shape(first: Array, second: Array) -> None:
    if first.shape != second.shape:
        raise ShapeError(
            f"metrics: expected two arrays of the same shape, got {first.shape} and {second.shape}; "
            f"resize or reshape the recovered one."
        )


def _check_range(data_range: float) -> None:
    if not (math.isfinite(data_range) and data_range > 0):
        raise OptionError(f"data_range: expected a positive number, got {data_range}; images here span 1.0.")
