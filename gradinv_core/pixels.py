"""What the numbers of a picture mean: the range its pixels lie in, and what the network is fed.

Client and server must agree on it, so both take it from here. With a mean and a standard deviation per channel the
picture itself lies in [0, 1], and the network is fed ``(picture - mean) / std``. With a range the network is fed the
picture as it is, and the range says which values its pixels may have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gradinv_core.arrays import Array, is_number
from gradinv_core.errors import OptionError

__all__ = ["PerChannel", "PixelSpace", "pixel_space"]

PerChannel = float | Sequence[float] | Array | torch.Tensor
"""One number for all channels, or one for each."""

_SLACK = 1e-3  # of the range: resizing and 16-bit numbers may leave it by so much


@dataclass(frozen=True)
class PixelSpace:
    """Which values pixels may have, and how the network sees them.

    Attributes:
        mean: subtracted from every channel, or from each; empty for none.
        std: what every channel is divided by afterwards, or each, above 0; empty for none.
        low: the smallest value of a pixel.
        high: the largest.

    Raises:
        OptionError: a value is no number or out of range; the message names it.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if bool(self.mean) != bool(self.std):
            raise OptionError("mean and std: expected both or neither, got only one; mean=0 and std=1 change nothing.")
        if not all(is_number(value) for value in self.mean):
            raise OptionError(f"mean: expected finite numbers, got {self.mean}.")
        if not all(is_number(value) and value > 0 for value in self.std):
            raise OptionError(f"std: expected numbers above 0, got {self.std}.")
        if not (is_number(self.low) and is_number(self.high) and self.low < self.high):
            raise OptionError(
                f"pixel_range: expected a low and a higher number, such as (-1, 1), got ({self.low}, {self.high})."
            )

    @property
    def is_plain(self) -> bool:
        """Whether pixels lie in [0, 1] and are fed as they are."""
        return not self.mean and (self.low, self.high) == (0.0, 1.0)

    @property
    def spread(self) -> float:
        """The width of the range."""
        return self.high - self.low

    def check_channels(self, channels: int) -> None:
        """Compare the means and standard deviations with the image.

        Raises:
            OptionError: neither one number nor one for each channel.
        """
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (0, 1, channels):
                raise OptionError(f"{name}: expected one number or one for each of {channels} channels, got {values}.")

    def check_picture(self, picture: torch.Tensor) -> None:
        """Compare a picture with the range.

        Raises:
            OptionError: its pixels plainly leave the range, as those of a picture normalised before do.
        """
        least, most, slack = float(picture.min()), float(picture.max()), _SLACK * self.spread
        if self.low - slack <= least and most <= self.high + slack:
            return
        if self.mean:
            raise OptionError(
                f"image: expected the picture itself, in [0, 1], with mean and std, got pixels from {least:.3g} to "
                f"{most:.3g}; leave mean and std out if it is normalised already."
            )
        raise OptionError(
            f"image: expected pixels from {self.low:g} to {self.high:g}, as pixel_range says, got {least:.3g} to "
            f"{most:.3g}."
        )

    def to_network(self, picture: torch.Tensor) -> torch.Tensor:
        """What the network is fed for a picture (..., channels, height, width)."""
        return picture if not self.mean else (picture - _columns(self.mean, picture)) / _columns(self.std, picture)

    def from_network(self, fed: torch.Tensor) -> torch.Tensor:
        """The picture (..., channels, height, width) for what the network was fed."""
        return fed if not self.mean else fed * _columns(self.std, fed) + _columns(self.mean, fed)

    def std_from_network(self, std: torch.Tensor) -> torch.Tensor:
        """Standard deviations of the picture's pixels for those of what the network was fed, in the same shape."""
        return std if not self.std else std * _columns(self.std, std)

    def from_unit(self, shares: torch.Tensor) -> torch.Tensor:
        """The picture whose pixels stand at these shares of their range."""
        return shares if (self.low, self.high) == (0.0, 1.0) else self.low + self.spread * shares

    def to_unit(self, picture: torch.Tensor) -> torch.Tensor:
        """At which share of its range each pixel stands: 0 at its low end, 1 at its high end."""
        return picture if (self.low, self.high) == (0.0, 1.0) else (picture - self.low) / self.spread


def pixel_space(
    mean: PerChannel | None, std: PerChannel | None, pixel_range: Sequence[float] | None, channels: int
) -> PixelSpace:
    """The pixel space a caller asks for; pixels in [0, 1], fed as they are, without any wish.

    Args:
        mean: subtracted from the picture, per channel; None for no normalisation.
        std: what it is divided by afterwards, per channel.
        pixel_range: (low, high) of the picture's pixels, which the network is fed as they are.
        channels: of the image.

    Raises:
        OptionError: a wrong value, only one of mean and std, or a range beside them.
    """
    if pixel_range is not None and (mean is not None or std is not None):
        raise OptionError(
            "pixel_range: expected it alone, or mean and std, got both; with mean and std the picture lies in [0, 1]."
        )
    if pixel_range is not None:
        ends = tuple(pixel_range) if isinstance(pixel_range, Sequence) and not isinstance(pixel_range, str) else ()
        if len(ends) != 2:
            raise OptionError(f"pixel_range: expected two numbers, such as (-1, 1), got {pixel_range!r}.")
        return PixelSpace(low=ends[0], high=ends[1])
    space = PixelSpace(_numbers(mean, "mean"), _numbers(std, "std"))
    space.check_channels(channels)
    return space


def _numbers(values: PerChannel | None, name: str) -> tuple[float, ...]:
    if values is None:
        return ()
    try:
        numbers = torch.as_tensor(values, dtype=torch.float64).detach().cpu().reshape(-1).tolist()
    except (TypeError, ValueError, RuntimeError) as error:
        raise OptionError(f"{name}: expected a number, or one for each channel, got {values!r}.") from error
    if not numbers:
        raise OptionError(f"{name}: expected a number, or one for each channel, got {values!r}.")
    return tuple(numbers)


def _columns(values: tuple[float, ...], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None, None]
