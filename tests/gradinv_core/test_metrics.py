"""Metrics against known values and independent implementations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import peak_signal_noise_ratio

from gradinv_core.errors import NonFiniteError, OptionError, ShapeError
from gradinv_core.metrics import cosine_similarity, max_abs_error, psnr, relative_error, ssim

RNG = np.random.default_rng(0)
TRUE = RNG.random((3, 16, 16))
NOISY = np.clip(TRUE + 0.1 * RNG.normal(size=TRUE.shape), 0, 1)
vectors = arrays(np.float64, 6, elements=st.floats(-100, 100))


def test_psnr_agrees_with_an_independent_implementation() -> None:
    assert psnr(NOISY, TRUE) == pytest.approx(peak_signal_noise_ratio(TRUE, NOISY, data_range=1.0))
    assert psnr(255 * NOISY, 255 * TRUE, data_range=255.0) == pytest.approx(psnr(NOISY, TRUE))


def test_psnr_of_a_known_difference() -> None:
    assert psnr(torch.full((3, 4, 4), 0.6), torch.full((3, 4, 4), 0.5)) == pytest.approx(20.0, abs=1e-5)


def test_identical_images() -> None:
    assert psnr(TRUE, TRUE) == math.inf
    assert ssim(TRUE, TRUE) == pytest.approx(1.0)
    assert relative_error(TRUE, TRUE) == max_abs_error(TRUE, TRUE) == 0.0
    assert cosine_similarity(TRUE, TRUE) == pytest.approx(1.0)


def test_ssim_falls_with_noise_and_mixes_tensors_with_arrays() -> None:
    assert 0.3 < ssim(torch.from_numpy(NOISY).float(), TRUE) < 0.999


@pytest.mark.parametrize("side", [3, 4, 5, 6, 7, 8])
def test_ssim_works_on_small_images(side: int) -> None:
    assert ssim(TRUE[:, :side, :side], TRUE[:, :side, :side]) == pytest.approx(1.0)


def test_ssim_of_an_image_too_small_for_a_window() -> None:
    with pytest.raises(ShapeError, match=r"ssim: expected images of at least 3x3 pixels, got \(3, 2, 9\); use psnr"):
        ssim(np.zeros((3, 2, 9)), np.zeros((3, 2, 9)))


def test_known_errors() -> None:
    assert relative_error([3.0, 5.0], [3.0, 4.0]) == pytest.approx(0.2)
    assert max_abs_error([3.0, 2.0], [3.0, 4.0]) == 2.0
    assert cosine_similarity([1.0, 0.0], [1.0, 1.0]) == pytest.approx(0.5**0.5)


def test_a_zero_truth() -> None:
    assert relative_error([0.0], [0.0]) == 0.0
    assert relative_error([1.0], [0.0]) == math.inf
    assert math.isnan(cosine_similarity([1.0], [0.0]))


@given(first=vectors, second=vectors)
def test_symmetries_and_ranges(first: np.ndarray, second: np.ndarray) -> None:
    assert max_abs_error(first, second) == max_abs_error(second, first) >= 0
    assert psnr(first, second) == psnr(second, first)
    cosine = cosine_similarity(first, second)
    assert math.isnan(cosine) or -1.0 <= cosine <= 1.0


@pytest.mark.parametrize("metric", [psnr, relative_error, max_abs_error, cosine_similarity, ssim])
def test_shapes_must_agree(metric) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(
        ShapeError, match=r"metrics: expected two arrays of the same shape, got \(3, 8, 8\) and \(3, 9, 8\)"
    ):
        metric(np.zeros((3, 8, 8)), np.zeros((3, 9, 8)))


@pytest.mark.parametrize("metric", [psnr, relative_error, max_abs_error, cosine_similarity, ssim])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_must_be_finite(metric, bad: float) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NonFiniteError, match=r"recovered.*: expected finite numbers, got NaN or infinity"):
        metric(np.full((3, 8, 8), bad), np.zeros((3, 8, 8)))


@pytest.mark.parametrize("data_range", [0.0, -1.0, math.nan, math.inf])
def test_data_range_must_be_positive(data_range: float) -> None:
    for metric in (psnr, ssim):
        with pytest.raises(OptionError, match="data_range: expected a positive number"):
            metric(TRUE, NOISY, data_range)


def test_empty_input() -> None:
    with pytest.raises(ShapeError, match="recovered: expected at least one entry"):
        psnr([], [])
