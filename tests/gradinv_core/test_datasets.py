"""Datasets: what works without a network, what a folder holds, and what is said when a download fails."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from gradinv_core import datasets, downloads
from gradinv_core.datasets import DATASETS, load_dataset
from gradinv_core.errors import DatasetUnavailableError, ImageFileError, OptionError

ONLINE = [name for name, spec in DATASETS.items() if not spec.offline]


@pytest.mark.parametrize(("name", "length"), [("digits", 1797), ("photographs", 256)])
@pytest.mark.parametrize("size", [16, 64])
def test_offline_sets_keep_the_image_convention(name: str, length: int, size: int) -> None:
    dataset = load_dataset(name, size)
    assert len(dataset) == length
    assert dataset.class_names == DATASETS[name].class_names
    for index in (0, 1, length // 2, -1):
        image, target = dataset[index]
        assert image.shape == (3, size, size)
        assert image.dtype == torch.float32
        assert 0 <= float(image.min()) < float(image.max()) <= 1
        assert 0 <= target < len(dataset.class_names)


@pytest.mark.parametrize("name", ["digits", "photographs"])
def test_the_same_index_is_always_the_same_image(name: str) -> None:
    first, again = load_dataset(name, 32), load_dataset(name, 32)
    assert all(torch.equal(first[index][0], again[index][0]) for index in (0, 9, 100))


def test_every_class_of_the_offline_sets_occurs() -> None:
    assert {load_dataset("digits", 8)[index][1] for index in range(100)} == set(range(10))
    assert [load_dataset("photographs", 8)[index][1] for index in range(16)] == [*range(8), *range(8)]


def test_digits_are_grey_and_photographs_coloured() -> None:
    digit, photograph = load_dataset("digits", 32)[0][0], load_dataset("photographs", 32)[0][0]
    assert torch.equal(digit[0], digit[2])
    assert float((photograph[0] - photograph[2]).abs().mean()) > 0.05


def test_crops_of_one_photograph_differ() -> None:
    dataset = load_dataset("photographs", 32)
    crops = [dataset[8 * crop][0] for crop in range(10)]
    assert all(not torch.equal(crops[0], crop) for crop in crops[1:])


def test_changing_a_returned_image_does_not_change_the_dataset() -> None:
    for name, size in (("digits", 8), ("digits", 32), ("photographs", 32)):
        before = load_dataset(name, size)[0][0].clone()
        load_dataset(name, size)[0][0].zero_()
        assert torch.equal(load_dataset(name, size)[0][0], before)


def test_iteration_and_bounds() -> None:
    dataset = load_dataset("photographs", 8)
    assert sum(1 for _ in dataset) == len(dataset)
    with pytest.raises(IndexError, match="index: expected -256 to 255, got 256"):
        dataset[256]


def test_unknown_dataset() -> None:
    with pytest.raises(OptionError, match=r"dataset: expected one of digits, photographs, .*, got 'imagenet'"):
        load_dataset("imagenet", 32)


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("size", [0, -3, 10**6])
def test_sizes_are_checked_first(name: str, size: int) -> None:
    with pytest.raises(OptionError, match="size: expected a whole number of pixels from 1 to 4096"):
        load_dataset(name, size)


# A folder of pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, colour, count in (("apples", "red", 2), ("plums", "blue", 1)):
        (tmp_path / name / "deeper").mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (20, 30), colour).save(tmp_path / name / "deeper" / f"{index}.png")
    (tmp_path / "apples" / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_subfolders_are_classes(folder: Path) -> None:
    dataset = load_dataset("folder", 16, root=folder)
    assert dataset.class_names == ("apples", "plums")
    assert [target for _, target in dataset] == [0, 0, 1]
    torch.testing.assert_close(dataset[2][0][:, 0, 0], torch.tensor([0.0, 0.0, 1.0]))


def test_a_damaged_picture_is_named(folder: Path) -> None:
    (folder / "plums" / "bad.jpg").write_bytes(b"nonsense")
    dataset = load_dataset("folder", 16, root=folder)
    with pytest.raises(ImageFileError, match=r"bad\.jpg: image file: expected a PNG"):
        dataset[2]


@pytest.mark.parametrize("root", [None, "does/not/exist"])
def test_no_folder(root: str | None) -> None:
    with pytest.raises(OptionError, match="folder: expected an existing folder with one subfolder per class, got"):
        load_dataset("folder", 16, root=root)


def test_a_folder_without_classes(tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match=r"folder: expected at least two subfolders .* got 0 subfolders and 0 pictures"
    ):
        load_dataset("folder", 16, root=tmp_path)


# Downloads. The network is never touched: torchvision's classes, or its download function, are replaced.


@pytest.mark.parametrize("name", ONLINE)
def test_without_a_network_one_sentence_says_what_to_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise URLError("[Errno -3] Temporary failure in name resolution")

    for module in ("mnist", "cifar", "flowers102"):
        for function in ("download_and_extract_archive", "download_url"):
            monkeypatch.setattr(f"torchvision.datasets.{module}.{function}", no_network, raising=False)
    with pytest.raises(
        DatasetUnavailableError,
        match=r"has to be downloaded once, and that failed \(.*\); connect this machine to the int",
    ) as caught:
        load_dataset(name, 32, root=tmp_path)
    assert "\n" not in str(caught.value)


Build = Callable[..., Any]


def pretend(monkeypatch: pytest.MonkeyPatch, build: Build) -> None:
    """Put ``build(folder, download, train)`` in the place of torchvision's CIFAR-10."""
    fake = SimpleNamespace(CIFAR10=build)
    monkeypatch.setattr(downloads, "import_torchvision", lambda *_, **__: fake)


class Pairs(list[tuple[Image.Image, int]]):
    """Stands for a torchvision dataset."""

    classes = ("ship", "frog")


def test_a_downloaded_dataset_keeps_the_image_convention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    pretend(monkeypatch, lambda *_, **__: Pairs([(Image.fromarray(pixels), 1), (Image.new("L", (28, 28), 255), 0)]))
    dataset = load_dataset("cifar10", 32, root=tmp_path)
    assert dataset.class_names == ("ship", "frog")
    torch.testing.assert_close(dataset[0][0], torch.from_numpy(pixels).permute(2, 0, 1) / 255)
    assert dataset[0][1] == 1
    assert torch.equal(dataset[1][0], torch.ones(3, 32, 32))


def test_progress_is_reported_from_the_calling_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    halfway, seen = threading.Event(), []

    def build(folder: Path, **_: object) -> Pairs:
        with (folder / "archive").open("wb") as file:
            file.truncate(178_000_000)
        halfway.wait(5)
        return Pairs()

    def progress(share: float) -> None:
        seen.append((round(share, 2), threading.current_thread() is threading.main_thread()))
        if share > 0:
            halfway.set()

    pretend(monkeypatch, build)
    monkeypatch.setattr(downloads, "_POLL_SECONDS", 0.01)
    load_dataset("cifar10", 32, root=tmp_path, progress=progress)
    assert (0.5, True) in seen
    assert seen[-1] == (1.0, True)


def test_a_download_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forever = threading.Event()
    pretend(monkeypatch, lambda *_, **__: forever.wait(30))
    monkeypatch.setattr(downloads, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(downloads, "_STALL_SECONDS", 0.05)
    with pytest.raises(
        DatasetUnavailableError, match=r"CIFAR-10 has to be .* failed \(nothing arrived for 0 seconds\)"
    ):
        load_dataset("cifar10", 32, root=tmp_path)
    forever.set()


@pytest.mark.parametrize(
    "error", [RuntimeError("File not found or corrupted.\nmore"), OSError(28, "No space left on device"), EOFError()]
)
def test_other_ways_a_download_fails(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object, **__: object) -> None:
        raise error

    pretend(monkeypatch, build)
    with pytest.raises(
        DatasetUnavailableError, match=r"CIFAR-10 has to be downloaded once, and that failed \([^\n]*\); con"
    ):
        load_dataset("cifar10", 32, root=tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetUnavailableError, match="MNIST has to be downloaded once, and that failed"):
        load_dataset("mnist", 32, root=tmp_path / "file")


def test_the_scans_are_those_of_scikit_learn_and_come_without_its_import(monkeypatch):
    ours = datasets._digit_scans.__wrapped__()
    theirs = load_digits()
    np.testing.assert_array_equal(ours[0], theirs.images)
    np.testing.assert_array_equal(ours[1], theirs.target)
    monkeypatch.setattr(datasets, "find_spec", lambda _name: None)  # as if the file had moved
    np.testing.assert_array_equal(datasets._digit_scans.__wrapped__()[0], theirs.images)
    monkeypatch.undo()
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)  # as in a process that has not asked scikit-learn for anything yet
    np.testing.assert_array_equal(datasets._digit_scans.__wrapped__()[0], theirs.images)
    assert "sklearn" not in sys.modules
