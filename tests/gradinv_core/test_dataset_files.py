"""The benchmarks' own files, byte for byte in their format but tiny: read by torchvision, without a network.

CIFAR's and Flowers' files are known by their checksums, so the checksums are replaced by those of the tiny files.
"""

import hashlib
import pickle
import struct

import numpy as np
import pytest
import torch
import torchvision.datasets as published
from PIL import Image
from scipy.io import savemat

from gradinv_core.datasets import load_dataset

RNG = np.random.default_rng(0)


def checksum(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(("name", "attribute"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_idx_files(name, attribute, tmp_path):
    """Yann LeCun's format: a magic number, the sizes, and bytes, all big-endian."""
    raw = tmp_path / name / attribute / "raw"
    raw.mkdir(parents=True)
    pixels, targets = RNG.integers(0, 256, (3, 28, 28), dtype=np.uint8), bytes([7, 2, 1])
    for part in ("train", "t10k"):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, 3, 28, 28) + pixels.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, 3) + targets)
    dataset = load_dataset(name, 28, root=tmp_path)
    assert [target for _, target in dataset] == [7, 2, 1]
    assert len(dataset.class_names) == 10
    expected = torch.from_numpy(pixels[1]).float().div(255).expand(3, 28, 28)
    torch.testing.assert_close(dataset[1][0], expected)


@pytest.mark.parametrize(
    ("name", "attribute", "classes", "label_key"),
    [("cifar10", "CIFAR10", 10, "labels"), ("cifar100", "CIFAR100", 100, "fine_labels")],
)
def test_cifar_s_python_version(name, attribute, classes, label_key, tmp_path, monkeypatch):
    """A dictionary with rows of 3,072 bytes: red, green, blue, each row by row."""
    kind = getattr(published, attribute)
    folder = tmp_path / name / kind.base_folder
    folder.mkdir(parents=True)
    pixels = RNG.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    content = {"data": pixels.reshape(2, 3072), label_key: [3, classes - 1]}
    for listed in ("train_list", "test_list"):
        files = [file for file, _ in getattr(kind, listed)]
        for file in files:
            (folder / file).write_bytes(pickle.dumps(content, protocol=2))
        monkeypatch.setattr(kind, listed, [[file, checksum(folder / file)] for file in files])
    names = folder / kind.meta["filename"]
    names.write_bytes(pickle.dumps({kind.meta["key"]: [f"kind {index}" for index in range(classes)]}, protocol=2))
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": checksum(names)})
    dataset = load_dataset(name, 32, root=tmp_path)
    assert [target for _, target in dataset] == [3, classes - 1]
    assert dataset.class_names[3] == "kind 3"
    torch.testing.assert_close(dataset[0][0], torch.from_numpy(pixels[0]).float() / 255)


def test_flowers_with_their_tables_of_numbers(tmp_path, monkeypatch):
    """Pictures by number; which are for testing, and what they show (counted from 1), stands in MATLAB's files."""
    folder = tmp_path / "flowers102" / "flowers-102"
    (folder / "jpg").mkdir(parents=True)
    for number, colour in ((1, "white"), (2, "black"), (3, "white")):
        Image.new("RGB", (40, 30), colour).save(folder / "jpg" / f"image_{number:05d}.jpg")
    savemat(folder / "imagelabels.mat", {"labels": np.array([[77, 1, 102]])})
    savemat(folder / "setid.mat", {"trnid": np.array([[1]]), "valid": np.array([[1]]), "tstid": np.array([[3, 2]])})
    files = {
        part: (file, checksum(folder / file)) for part, file in (("label", "imagelabels.mat"), ("setid", "setid.mat"))
    }
    monkeypatch.setattr(published.Flowers102, "_file_dict", published.Flowers102._file_dict | files)
    dataset = load_dataset("flowers102", 16, root=tmp_path)
    assert [target for _, target in dataset] == [101, 0]
    assert len(dataset.class_names) == 102
    assert float(dataset[0][0].min()) > 0.99
    assert float(dataset[1][0].max()) < 0.01
