"""Images with classes: two sets that need no network, the usual benchmarks downloaded on first use, and folders.

Every dataset answers ``dataset[i]`` with an image (3, size, size), float32 in [0, 1], and its class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from gradinv_core.downloads import data_folder, fetch_dataset
from gradinv_core.errors import ImageFileError, OptionError
from gradinv_core.image_files import read_image
from gradinv_core.images import centre_square, image_from_pixels, resize

__all__ = ["DATASETS", "FOLDER_PREFIX", "DatasetSpec", "ImageDataset", "load_dataset"]

FOLDER_PREFIX = "folder:"
"""In front of a path, the name of a dataset of one's own."""

_DIGITS = tuple("0123456789")
# Class name -> loader in skimage.data. All of these ship inside the package; its other pictures need a download.
_PHOTOGRAPHS = {
    "astronaut": "astronaut",
    "cat": "chelsea",
    "coffee": "coffee",
    "rocket": "rocket",
    "galaxies": "hubble_deep_field",
    "tissue": "immunohistochemistry",
    "retina": "retina",
    "motorcycle": "stereo_motorcycle",
}
_CROPS_PER_PHOTOGRAPH = 32
_SMALLEST_CROP = 64
_PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


@dataclass(frozen=True)
class DatasetSpec:
    """What a menu needs to know about a dataset.

    Attributes:
        name: key in `DATASETS`.
        title: for people.
        description: one sentence.
        class_names: in the order of the targets; empty where only the files know them.
        offline: whether it works without any download.
    """

    name: str
    title: str
    description: str
    class_names: tuple[str, ...]
    offline: bool


@dataclass(frozen=True)
class ImageDataset:
    """A sequence of (image, class) pairs; images are made when asked for.

    Attributes:
        name: which dataset it is.
        class_names: names in the order of the targets.
        length: number of images.
        read: index -> (image, class), called with 0 <= index < length.
    """

    name: str
    class_names: tuple[str, ...]
    length: int
    read: Callable[[int], tuple[torch.Tensor, int]]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if not -self.length <= index < self.length:
            raise IndexError(f"index: expected {-self.length} to {self.length - 1}, got {index}.")
        return self.read(index % self.length)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
        return (self.read(index) for index in range(self.length))


_SPECS = (
    DatasetSpec("digits", "Handwritten digits", "1,797 scans of 8x8 grey pixels.", _DIGITS, True),
    DatasetSpec("photographs", "Photographs", "Random crops of eight colour photographs.", tuple(_PHOTOGRAPHS), True),
    DatasetSpec("mnist", "MNIST", "Handwritten digits, 28x28 grey; downloads 12 MB.", _DIGITS, False),
    DatasetSpec("fashion_mnist", "Fashion-MNIST", "Ten kinds of clothing, 28x28 grey; downloads 31 MB.", (), False),
    DatasetSpec("cifar10", "CIFAR-10", "Ten kinds of things, 32x32 colour; downloads 170 MB.", (), False),
    DatasetSpec("cifar100", "CIFAR-100", "A hundred kinds of things, 32x32 colour; downloads 169 MB.", (), False),
    DatasetSpec("flowers102", "Flowers-102", "A hundred and two flowers, large colour; downloads 345 MB.", (), False),
    DatasetSpec("folder", "A folder of pictures", "One subfolder per class, as for ImageNet.", (), True),
)

DATASETS: Mapping[str, DatasetSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})


def load_dataset(
    name: str,
    size: int,
    root: str | Path | None = None,
    progress: Callable[[float], None] | None = None,
    *,
    training: bool = False,
) -> ImageDataset:
    """Open a dataset.

    Args:
        name: a key of `DATASETS`, or "folder:PATH".
        size: side of the square images it will return, in pixels.
        root: where downloads go (by default `downloads.data_folder`), or for "folder" the folder itself.
        progress: called with the share of a download that has arrived, 0 to 1, from the calling thread.
        training: whether the benchmarks' training images are wanted instead of their test images.

    Returns:
        The dataset: one part of the benchmarks, everything of the others.

    Raises:
        OptionError: unknown name, a size out of range, or a folder that does not hold one subfolder per class.
        DatasetUnavailableError: it must be downloaded and that failed.
    """
    if name.startswith(FOLDER_PREFIX):
        name, root = "folder", name.removeprefix(FOLDER_PREFIX)
    if name not in DATASETS:
        raise OptionError(f"dataset: expected one of {', '.join(DATASETS)}, got {name!r}.")
    resize(torch.zeros(3, 1, 1), size)  # complain about the size now rather than at the first image
    if name == "digits":
        return _digits(size)
    if name == "photographs":
        return _photographs(size)
    if name == "folder":
        return _folder(size, root)
    return _benchmark(name, size, Path(root) if root is not None else data_folder(), progress, training)


@lru_cache(maxsize=8)
def _digits(size: int) -> ImageDataset:
    pixels, targets = _digit_scans()

    def read(index: int) -> tuple[torch.Tensor, int]:
        return resize(image_from_pixels(pixels[index], white=16.0), size), int(targets[index])

    return ImageDataset("digits", _DIGITS, len(pixels), read)


@cache
def _digit_scans() -> tuple[np.ndarray, np.ndarray]:
    """(n, 8, 8) pixels from 0 to 16 and (n,) targets, from scikit-learn's own file.

    Its loader would first import all of scikit-learn, which takes seconds in front of somebody who waits for a page.
    """
    spec = find_spec("sklearn")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            table = np.loadtxt(file, delimiter=",")
            return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(int)
    from sklearn.datasets import load_digits  # it keeps the file somewhere else by now

    digits = load_digits()
    return digits.images, digits.target


@lru_cache(maxsize=8)
def _photographs(size: int) -> ImageDataset:
    """The first picture of every class is the photograph's centre; the others are random squares, always the same."""
    count = len(_PHOTOGRAPHS)

    def read(index: int) -> tuple[torch.Tensor, int]:
        crop, target = divmod(index, count)
        photograph = _photograph(target)
        if crop == 0:
            return resize(centre_square(photograph), size), target
        rng = np.random.default_rng((target, crop))
        height, width = photograph.shape[1:]
        side = int(rng.integers(_SMALLEST_CROP, min(height, width) + 1))
        top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
        return resize(photograph[:, top : top + side, left : left + side], size), target

    return ImageDataset("photographs", tuple(_PHOTOGRAPHS), count * _CROPS_PER_PHOTOGRAPH, read)


@lru_cache(maxsize=len(_PHOTOGRAPHS))
def _photograph(target: int) -> torch.Tensor:
    """(3, h, w) one whole photograph."""
    import skimage.data

    pixels = getattr(skimage.data, list(_PHOTOGRAPHS.values())[target])()
    return image_from_pixels(pixels[0] if isinstance(pixels, tuple) else pixels)  # a stereo pair: the left eye


def _folder(size: int, root: str | Path | None) -> ImageDataset:
    if root is None or not Path(root).is_dir():
        raise OptionError(f"folder: expected an existing folder with one subfolder per class, got {root}.")
    classes = sorted(entry for entry in Path(root).iterdir() if entry.is_dir() and not entry.name.startswith("."))
    files = [
        (path, target)
        for target, folder in enumerate(classes)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _PICTURE_SUFFIXES and path.is_file()
    ]
    if len(classes) < 2 or not files:
        raise OptionError(
            f"folder: expected at least two subfolders (classes) with pictures in {root}, "
            f"got {len(classes)} subfolders and {len(files)} pictures; give each class its own subfolder."
        )

    def read(index: int) -> tuple[torch.Tensor, int]:
        path, target = files[index]
        try:
            return read_image(path.read_bytes(), size), target
        except ImageFileError as error:
            raise ImageFileError(f"{path.name}: {error}") from error

    return ImageDataset("folder", tuple(folder.name for folder in classes), len(files), read)


def _benchmark(
    name: str, size: int, root: Path, progress: Callable[[float], None] | None, training: bool
) -> ImageDataset:
    pairs, class_names = fetch_dataset(name, root, progress, training=training)

    def read(index: int) -> tuple[torch.Tensor, int]:
        picture, target = pairs[index]
        return resize(centre_square(image_from_pixels(np.asarray(picture))), size), int(target)

    return ImageDataset(name, class_names, len(pairs), read)
