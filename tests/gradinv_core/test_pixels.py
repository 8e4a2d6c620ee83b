"""What the numbers of a picture mean: maps there and back, and one sentence for every wish that makes no sense."""

import numpy as np
import pytest
import torch

from gradinv_core.errors import OptionError
from gradinv_core.pixels import PixelSpace, pixel_space

PICTURE = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_without_a_wish_pixels_are_fed_as_they_are():
    space = pixel_space(None, None, None, 3)
    assert space == PixelSpace()
    assert space.is_plain
    for same in (space.to_network, space.from_network, space.to_unit, space.from_unit, space.std_from_network):
        assert same(PICTURE) is PICTURE
    space.check_picture(PICTURE)


def test_mean_and_std_are_what_torchvision_normalises_by():
    from torchvision.transforms import Normalize

    mean, std = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    space = pixel_space(mean, np.array(std), None, 3)
    assert not space.is_plain
    torch.testing.assert_close(space.to_network(PICTURE), Normalize(mean, std)(PICTURE))
    torch.testing.assert_close(space.from_network(space.to_network(PICTURE)), PICTURE)
    bars = space.std_from_network(torch.ones_like(PICTURE))
    torch.testing.assert_close(bars[:, 0, 0], torch.tensor(std, dtype=torch.float64))
    assert (space.low, space.high) == (0, 1)


def test_one_number_serves_every_channel():
    for space in (pixel_space(0.5, 0.25, None, 3), pixel_space([0.5], torch.tensor(0.25), None, 1)):
        torch.testing.assert_close(space.to_network(PICTURE), (PICTURE - 0.5) / 0.25)


def test_a_range_changes_no_pixel_and_counts_shares():
    space = pixel_space(None, None, (-1, 3), 3)
    assert space.to_network(PICTURE) is PICTURE
    assert space.spread == 4
    torch.testing.assert_close(space.from_unit(PICTURE), 4 * PICTURE - 1)
    torch.testing.assert_close(space.to_unit(space.from_unit(PICTURE)), PICTURE)


@pytest.mark.parametrize(
    ("mean", "std", "pixel_range", "message"),
    [
        (0.5, None, None, "mean and std: expected both or neither, got only one"),
        (None, 0.5, None, "mean and std: expected both or neither, got only one"),
        (0.5, 0.5, (0, 1), "pixel_range: expected it alone, or mean and std, got both"),
        (0.5, 0.0, None, r"std: expected numbers above 0, got \(0.0,\)"),
        ((0.5, 0.5, 0.5), (0.5, -1, 0.5), None, "std: expected numbers above 0"),
        (float("nan"), 0.5, None, "mean: expected finite numbers"),
        ((0.5, 0.5), 0.5, None, "mean: expected one number or one for each of 3 channels"),
        (0.5, (0.5, 0.5), None, "std: expected one number or one for each of 3 channels"),
        ("grey", 0.5, None, "mean: expected a number, or one for each channel, got 'grey'"),
        ([], 0.5, None, "mean: expected a number, or one for each channel"),
        (None, None, (1, 0), r"pixel_range: expected a low and a higher number, such as \(-1, 1\), got \(1, 0\)"),
        (None, None, (0, float("inf")), "pixel_range: expected a low and a higher number"),
        (None, None, (0, 1, 2), "pixel_range: expected two numbers"),
        (None, None, "01", "pixel_range: expected two numbers"),
        (None, None, 1.0, "pixel_range: expected two numbers"),
    ],
)
def test_wishes_that_make_no_sense(mean, std, pixel_range, message):
    with pytest.raises(OptionError, match=message):
        pixel_space(mean, std, pixel_range, 3)
