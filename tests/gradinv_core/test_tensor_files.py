"""Gradient files: read, and refused, without ever running code from them."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gradinv_core.errors import TensorFileError
from gradinv_core.tensor_files import read_tensors

NAMES = ("weight", "weight_grad")


class Bomb:
    def __reduce__(self):
        return (print, ("code ran while reading a file",))


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_both_formats_keep_values_and_types(tmp_path, ending):
    tensors = {"weight": torch.rand(3, 4), "weight_grad": torch.rand(3, 4).half(), "other": torch.rand(2)}
    path = tmp_path / f"gradient.{ending}"
    if ending == "npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})
    else:
        save_file(tensors, path)
    read = read_tensors(path, NAMES, ("bias",))
    assert set(read) == set(NAMES)
    assert read["weight_grad"].dtype == torch.float16
    assert torch.equal(read["weight"], tensors["weight"])


def test_pickled_content_is_refused_unread(tmp_path, capsys):
    path = tmp_path / "evil.npz"
    np.savez(path, weight=np.array([Bomb()], dtype=object), weight_grad=np.ones(3))
    with pytest.raises(TensorFileError, match="cannot be read safely"):
        read_tensors(path, NAMES)
    raw = tmp_path / "raw.npz"
    raw.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(TensorFileError, match="cannot be read safely"):
        read_tensors(raw, NAMES)
    assert "code ran" not in capsys.readouterr().out


def test_unusable_files_are_one_clear_error(tmp_path):
    with pytest.raises(TensorFileError, match="found no such file"):
        read_tensors(tmp_path / "absent.npz", NAMES)
    torch.save({"weight": torch.ones(2)}, tmp_path / "model.pt")
    with pytest.raises(TensorFileError, match=r"got \.pt; pickled files .* are refused"):
        read_tensors(tmp_path / "model.pt", NAMES)
    (tmp_path / "broken.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(TensorFileError, match="expected a safetensors file"):
        read_tensors(tmp_path / "broken.safetensors", NAMES)
    np.savez(tmp_path / "partial.npz", weight=np.ones((2, 2)))
    with pytest.raises(TensorFileError, match="weight_grad is missing"):
        read_tensors(tmp_path / "partial.npz", NAMES)
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("weight.npy", b"not an array")
        archive.writestr("weight_grad.npy", b"not an array")
    with pytest.raises(TensorFileError, match="cannot be read safely"):
        read_tensors(tmp_path / "text.npz", NAMES)


def test_an_array_announced_as_huge_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gradinv_core.tensor_files._LARGEST_ARRAY", 4)
    np.savez(tmp_path / "huge.npz", weight=np.ones((10, 10)), weight_grad=np.ones(3))
    with pytest.raises(TensorFileError, match="more than 4 entries"):
        read_tensors(tmp_path / "huge.npz", NAMES)


def test_every_damage_is_one_sentence(tmp_path):
    path = tmp_path / "damaged.npz"
    np.savez_compressed(path, weight=np.random.default_rng(0).normal(size=(8, 8)), weight_grad=np.ones((8, 8)))
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 4):
            damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            read_tensors(path, NAMES)
        except TensorFileError:
            refused += 1
    assert refused > 20


def test_capital_endings_and_foreign_byte_orders_are_read(tmp_path):
    path = tmp_path / "gradient.NPZ"
    with path.open("wb") as file:
        np.savez(file, weight=np.arange(3.0).astype(">f8"), weight_grad=np.ones(3, dtype=np.float32))
    assert read_tensors(path, NAMES)["weight"].tolist() == [0.0, 1.0, 2.0]
