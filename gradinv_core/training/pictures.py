"""A dataset in memory, a byte for each number as in its files, with pictures held out to count how many are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gradinv_core.datasets import DATASETS, ImageDataset, load_dataset
from gradinv_core.errors import OptionError

__all__ = ["Pictures", "TrainingPictures", "open_pictures"]

_HELD_OUT = 0.2  # of a dataset that has no test pictures of its own
_ORDER_SEED = 0
_FEWEST = 10


@dataclass(frozen=True)
class Pictures:
    """One part of a dataset.

    Attributes:
        images: (N, 3, size, size) bytes.
        targets: (N,) int64.
    """

    images: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, index: np.ndarray) -> Pictures:
        """Those at ``index`` alone."""
        chosen = torch.from_numpy(index)
        return Pictures(self.images[chosen], self.targets[chosen])


@dataclass(frozen=True)
class TrainingPictures:
    """What a network is trained and tested on.

    Attributes:
        training: to learn from.
        held_out: to count how many are right; never learned from.
        classes: number of classes C.
    """

    training: Pictures
    held_out: Pictures
    classes: int


def open_pictures(
    dataset: str,
    size: int,
    root: Path | None = None,
    progress: Callable[[str, float], None] = lambda *_: None,
) -> TrainingPictures:
    """Bring a dataset into memory.

    Args:
        dataset: a key of `DATASETS`, or "folder:PATH".
        size: side of the pictures in pixels.
        root: where torchvision's datasets lie or go to; None for the usual place.
        progress: called with what is going on and a share from 0 to 1.

    Returns:
        The benchmarks' training and test pictures; of the others a fifth is held out, always the same.

    Raises:
        OptionError: unknown dataset, no such folder, or too few pictures.
        DatasetUnavailableError: it has to be downloaded, and that failed.
        ImageFileError: a picture of a folder is damaged.
    """

    def read(*, training: bool) -> tuple[ImageDataset, Pictures]:
        opened = load_dataset(dataset, size, root, lambda share: progress("Downloading", share), training=training)
        return opened, _in_memory(opened, lambda share: progress("Reading pictures", share))

    benchmark = dataset in DATASETS and not DATASETS[dataset].offline
    opened, everything = read(training=benchmark)
    if benchmark:
        return TrainingPictures(everything, read(training=False)[1], len(opened.class_names))
    if len(everything) < _FEWEST:
        raise OptionError(
            f"dataset: expected at least {_FEWEST} pictures to learn from and to test with, got {len(everything)}; add "
            f"some."
        )
    order = np.random.default_rng(_ORDER_SEED).permutation(len(everything))
    held_out = round(_HELD_OUT * len(order))
    return TrainingPictures(
        everything.take(order[held_out:]), everything.take(order[:held_out]), len(opened.class_names)
    )


def _in_memory(dataset: ImageDataset, progress: Callable[[float], None]) -> Pictures:
    images, targets = [], []
    for number, (image, target) in enumerate(dataset, 1):
        images.append(image.mul(255).round().to(torch.uint8))
        targets.append(target)
        progress(number / len(dataset))
    return Pictures(torch.stack(images), torch.tensor(targets))
