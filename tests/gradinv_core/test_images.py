"""The one image convention: checks, conversion from pixels, squares and resizing."""

import numpy as np
import pytest
import torch

from gradinv_core.errors import NonFiniteError, OptionError, ShapeError
from gradinv_core.images import centre_square, check_image, image_from_pixels, resize


def test_a_batch_of_one_loses_its_batch_axis() -> None:
    assert check_image(torch.zeros(1, 3, 4, 5)).shape == (3, 4, 5)


def test_a_real_batch_is_refused() -> None:
    with pytest.raises(ShapeError, match="image: expected one image, got a batch of 2; pass one of them at a time"):
        check_image(torch.zeros(2, 3, 4, 4))


@pytest.mark.parametrize("shape", [(3,), (4, 4), (3, 0, 4), (1, 1, 3, 4, 4)])
def test_wrong_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ShapeError,
        match=r"image: expected shape \(channels, height, width\), got .*; put the channels first, a grey image has",
    ):
        check_image(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 4, 4), (4, 6, 5), (2, 3, 9)])
def test_any_number_of_channels_and_any_height_and_width(shape: tuple[int, ...]) -> None:
    assert check_image(torch.zeros(shape)).shape == shape


@pytest.mark.parametrize("image", [np.zeros((3, 4, 4)), torch.zeros(3, 4, 4, dtype=torch.uint8), None])
def test_wrong_kinds(image: object) -> None:
    with pytest.raises(ShapeError, match="image: expected a floating-point tensor"):
        check_image(image)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_not_finite(bad: float) -> None:
    image = torch.zeros(3, 4, 4)
    image[1, 2, 3] = bad
    with pytest.raises(NonFiniteError, match="image: expected finite values, got NaN or infinity"):
        check_image(image)


def test_grey_pixels_are_repeated_to_three_channels() -> None:
    image = image_from_pixels(np.array([[0, 255], [51, 102]], dtype=np.uint8))
    assert image.shape == (3, 2, 2)
    assert image.dtype == torch.float32
    torch.testing.assert_close(image[2], torch.tensor([[0.0, 1.0], [0.2, 0.4]]))


def test_colour_pixels_put_their_channels_first() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert torch.equal(image_from_pixels(pixels, white=1.0)[1], torch.from_numpy(pixels[..., 1]).float())


def test_centre_square_of_a_wide_and_a_tall_image() -> None:
    wide = torch.arange(15.0).reshape(3, 1, 5).expand(3, 3, 5)
    assert torch.equal(centre_square(wide), wide[:, :, 1:4])
    assert centre_square(wide.mT).shape == (3, 3, 3)


@pytest.mark.parametrize(("before", "after"), [(8, 32), (32, 8), (5, 3), (1, 4), (7, 7)])
def test_resizing_keeps_the_range(before: int, after: int) -> None:
    image = torch.rand(3, before, before, generator=torch.Generator().manual_seed(0)).round()
    resized = resize(image, after)
    assert resized.shape == (3, after, after)
    assert 0.0 <= float(resized.min()) <= float(resized.max()) <= 1.0


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    checkerboard = (torch.arange(64).reshape(8, 8).add(torch.arange(8)[:, None]) % 2).float().expand(3, 8, 8)
    torch.testing.assert_close(resize(checkerboard, 1), torch.full((3, 1, 1), 0.5), atol=0.01, rtol=0)


@pytest.mark.parametrize("size", [0, -1, 5000, 2.5, True, None])
def test_sizes_that_make_no_sense(size: object) -> None:
    with pytest.raises(OptionError, match="size: expected a whole number of pixels from 1 to 4096"):
        resize(torch.zeros(3, 4, 4), size)  # type: ignore[arg-type]
