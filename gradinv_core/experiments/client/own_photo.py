"""A visitor's own photo: made small at once, kept by one tab, and never part of an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from gradinv_core.experiments.scenario import Scenario
from gradinv_core.image_files import read_image_sizes
from gradinv_core.networks import NETWORKS

__all__ = ["NEUTRAL_NAME", "PHOTO_LOST", "Origin", "OwnPhoto", "own_image", "read_photo"]

Origin = Literal["upload", "camera"]

NEUTRAL_NAME = "your photo"
"""Name of the class that a photo without one is trained as."""

PHOTO_LOST = (
    "The address asks for a photo of your own, but this tab holds none: a reload forgets it, and no address carries "
    "it; the page shows the dataset's picture until you choose the photo again."
)


@dataclass(frozen=True, eq=False)
class OwnPhoto:
    """What is kept of the file: some 700 kB, however large it was.

    Attributes:
        images: size -> (3, size, size) picture in [0, 1], for every image size that networks have.
        origin: how it came, "upload" or "camera".
    """

    images: Mapping[int, torch.Tensor]
    origin: Origin


def read_photo(data: bytes, origin: Origin) -> OwnPhoto:
    """Read a file.

    Args:
        data: a stranger's file.
        origin: how it came.

    Raises:
        ImageFileError: it is no picture, or none of the right kind.
    """
    return OwnPhoto(read_image_sizes(data, sorted({spec.image_size for spec in NETWORKS.values()})), origin)


def own_image(scenario: Scenario, photo: OwnPhoto | None) -> torch.Tensor | None:
    """The visitor's photo (3, h, w), as large as the network needs it; None where there is none, or none is wanted."""
    if photo is None or not scenario.own_photo:
        return None
    return photo.images[NETWORKS[scenario.network].image_size]
