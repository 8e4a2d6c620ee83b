"""Gradient files: read, and refused, without ever running code from them."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gradinv_core.errors import TensorFileError
from gradinv_core.tensor_files import list_entries, read_tensors

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
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"weight": [1.0]}))
    kinds = (
        r"expected a file of kind \.npz, \.npy, \.safetensors, \.pt, \.pth, got \.pkl; other pickled files .* refused"
    )
    with pytest.raises(TensorFileError, match=kinds):
        read_tensors(tmp_path / "model.pkl", NAMES)
    (tmp_path / "broken.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(TensorFileError, match="expected a safetensors file"):
        read_tensors(tmp_path / "broken.safetensors", NAMES)
    np.savez(tmp_path / "partial.npz", weight=np.ones((2, 2)))
    there = r"weight_grad is missing; the file holds weight \(2, 2\); name those that are meant with --weight NAME"
    with pytest.raises(TensorFileError, match=there):
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


ENTRIES = {"fc.weight": torch.rand(3, 4), "fc.weight.grad": torch.rand(3, 4).double(), "step": torch.tensor(7)}


def saved(path, entries=ENTRIES):
    if path.suffix == ".npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in entries.items()})
    elif path.suffix == ".safetensors":
        save_file(entries, path)
    else:
        torch.save(entries, path)
    return path


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".pt", ".pth"])
def test_a_file_tells_what_it_holds(tmp_path, ending):
    path = saved(tmp_path / f"client{ending}")
    assert list_entries(path) == {"fc.weight": (3, 4), "fc.weight.grad": (3, 4), "step": ()}
    everything = read_tensors(path, None)
    assert {name: tuple(tensor.shape) for name, tensor in everything.items()} == list_entries(path)
    assert everything["fc.weight.grad"].dtype == torch.float64
    chosen = read_tensors(path, ("fc.weight",), ("fc.weight.grad", "fc.bias"))
    assert list(chosen) == ["fc.weight", "fc.weight.grad"]
    assert torch.equal(chosen["fc.weight"], ENTRIES["fc.weight"])


def test_a_name_that_is_missing_is_answered_with_those_there(tmp_path):
    path = saved(tmp_path / "client.pt", {f"layer{index}": torch.zeros(index, 2) for index in range(15)})
    with pytest.raises(TensorFileError) as refusal:
        read_tensors(path, NAMES)
    assert str(refusal.value) == (
        f"{path}: expected entries weight, weight_grad, but weight, weight_grad are missing; the file holds "
        + ", ".join(f"layer{index} ({index}, 2)" for index in range(12))
        + " and 3 more; name those that are meant with --weight NAME --weight-grad NAME --bias NAME --bias-grad NAME."
    )
    torch.save({}, path)
    with pytest.raises(TensorFileError, match="the file holds no arrays; name"):
        read_tensors(path, NAMES)


def test_lists_and_mappings_in_mappings_get_names(tmp_path):
    path = tmp_path / "update.pt"
    torch.save([torch.ones(2), None, torch.nn.Parameter(torch.zeros(3)), 5, "five"], path)
    assert list_entries(path) == {"0": (2,), "2": (3,)}
    assert not read_tensors(path, None)["2"].requires_grad
    torch.save({"epoch": 3, "gradients": {"fc.weight": torch.ones(2, 3)}, "pair": (torch.ones(1), torch.ones(2))}, path)
    assert list_entries(path) == {"gradients.fc.weight": (2, 3), "pair.0": (1,), "pair.1": (2,)}
    torch.save(torch.ones(4), path)
    np.save(tmp_path / "alone.npy", np.ones((2, 3), dtype=np.float32))
    assert list_entries(path) == {"update": (4,)}
    assert list_entries(tmp_path / "alone.npy") == {"alone": (2, 3)}
    assert read_tensors(tmp_path / "alone.npy", ("alone",))["alone"].dtype == torch.float32
    with pytest.raises(TensorFileError, match=r"weight is missing; the file holds alone \(2, 3\)"):
        read_tensors(tmp_path / "alone.npy", ("weight",))


def hostile_archive(path, pickled):
    """A file as torch.save writes it, its pickle replaced."""
    whole = path.with_name("honest.pt")
    torch.save({"weight": torch.ones(2)}, whole)
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(path, "w") as evil:
        for member in archive.infolist():
            content = pickled if member.filename.endswith("data.pkl") else archive.read(member)
            evil.writestr(member.filename, content)


@pytest.mark.parametrize("ending", [".pt", ".pth"])
def test_pickles_that_would_run_code_are_refused_unread(tmp_path, capsys, ending):
    path, ran = tmp_path / f"evil{ending}", tmp_path / "ran"
    command = f"cos\nsystem\n(S'touch {ran}'\ntR.".encode()
    for bomb in (pickle.dumps({"weight": Bomb()}, protocol=2), command, pickle.dumps(Bomb())):
        hostile_archive(path, bomb)
        for ask in (list_entries, lambda file: read_tensors(file, ("weight",))):
            with pytest.raises(
                TensorFileError, match=r"expected tensors saved with torch\.save, .* cannot be read safely"
            ):
                ask(path)
        path.write_bytes(bomb)  # no archive at all, as torch wrote them long ago
        with pytest.raises(TensorFileError, match=r"it is no zip archive, as torch\.save writes them since 1\.6"):
            read_tensors(path, ("weight",))
    torch.save({"weight": torch.ones(2), "model": torch.nn.Linear(2, 2)}, path)
    with pytest.raises(TensorFileError, match="cannot be read safely"):
        read_tensors(path, ("weight",))
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([Bomb()], dtype=object))
    with pytest.raises(TensorFileError, match=r"expected a numeric array saved with numpy\.save, .* cannot be read"):
        read_tensors(objects, None)
    assert not ran.exists()
    assert "code ran" not in capsys.readouterr().out
    pickle.loads(pickle.dumps(Bomb()))  # noqa: S301 - the bomb is live
    assert "code ran" in capsys.readouterr().out


def test_a_torch_file_that_grows_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "large.pt"
    torch.save({"weight": torch.zeros(1).expand(100, 100)}, path)  # one number that claims to be ten thousand
    assert list_entries(path) == {"weight": (100, 100)}
    monkeypatch.setattr("gradinv_core.tensor_files._LARGEST_ARRAY", 1000)
    with pytest.raises(TensorFileError, match="weight has more than 1000 entries"):
        read_tensors(path, ("weight",))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))
    monkeypatch.setattr("gradinv_core.tensor_files._LARGEST_FILE", 10**5)
    with pytest.raises(TensorFileError, match="it unpacks to more than 2 GiB"):
        read_tensors(path, ("weight",))
    monkeypatch.undo()
    torch.save([{"one": torch.ones(1)}] * 10_001, path)
    with pytest.raises(TensorFileError, match="it has more than 10000 entries"):
        list_entries(path)


def test_every_damage_to_a_torch_file_is_one_sentence(tmp_path):
    path = saved(tmp_path / "damaged.pt")
    whole = path.read_bytes()
    rng = np.random.default_rng(2)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 8):
            damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            read_tensors(path, ("fc.weight",))
        except TensorFileError:
            refused += 1
    assert refused > 20
