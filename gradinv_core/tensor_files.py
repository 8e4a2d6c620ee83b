"""Gradient files an engineer points us at, read without running any code that may be in them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors import safe_open

from gradinv_core.errors import TensorFileError

__all__ = ["list_entries", "read_tensors"]

_LARGEST_FILE = 2**31  # bytes
_LARGEST_ARRAY = 2**30  # entries; a small zip may announce a huge array
_MOST_ENTRIES = 10_000  # of a pickled file: nested mappings that share their parts can have more than fit into memory
_LISTED = 12

Shape = tuple[int, ...]


def read_tensors(
    path: str | Path, required: Sequence[str] | None, optional: Sequence[str] = ()
) -> dict[str, torch.Tensor]:
    """Read named tensors from a file.

    Args:
        path: ``.npz`` or ``.npy`` (numpy, no pickled objects), ``.safetensors``, or ``.pt``, ``.pth`` as `torch.save`
            writes a tensor, a list or a mapping of tensors (nothing else in it is ever built). Entries of a list are
            called "0", "1" and so on, those of a mapping in a mapping "outer.inner"; a ``.npy`` or a lone tensor has
            the file's name.
        required: names that must be there; None takes every entry of the file.
        optional: names taken if there; everything else in the file is ignored.

    Returns:
        ``{name: tensor}`` in the types of the file.

    Raises:
        TensorFileError: no such file, unknown kind, damaged, unsafe, too large, or a name is missing.
    """
    file, read = _open(path)
    names = None if required is None else (*required, *optional)
    tensors = _read(file, read, names)
    missing = [name for name in required or () if name not in tensors]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise TensorFileError(
            f"{file}: expected entries {', '.join(required or ())}, but {', '.join(missing)} {verb} missing; the file "
            f"holds {_described(list_entries(file))}; name those that are meant with --weight NAME --weight-grad NAME "
            f"--bias NAME --bias-grad NAME."
        )
    return tensors


def list_entries(path: str | Path) -> dict[str, Shape]:
    """Names and shapes of everything that `read_tensors` can read from a file, in the file's order.

    Raises:
        TensorFileError: as `read_tensors`.
    """
    file, _ = _open(path)
    return _read(file, _SHAPES[file.suffix.lower()], None)


def _open(path: str | Path) -> tuple[Path, Reader]:
    """The file, checked from outside, and who reads it."""
    file = Path(path)
    kinds = ", ".join(_READERS)
    if not file.is_file():
        raise TensorFileError(f"{file}: expected a file of kind {kinds}, found no such file.")
    if file.stat().st_size > _LARGEST_FILE:
        raise TensorFileError(f"{file}: expected at most 2 GiB, got {file.stat().st_size / 2**30:.1f} GiB.")
    if file.suffix.lower() not in _READERS:
        raise TensorFileError(
            f"{file}: expected a file of kind {kinds}, got {file.suffix or 'no ending'}; other pickled files (.pkl) "
            f"are refused because reading one can run code. Save it with safetensors or numpy.savez."
        )
    return file, _READERS[file.suffix.lower()]


def _read(file: Path, read: Reader, names: Sequence[str] | None) -> dict[str, Any]:
    try:
        return read(file, names)
    except Exception as error:  # a damaged or hostile file can fail in any of numpy's, zipfile's, torch's ways
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise TensorFileError(
            f"{file}: expected {_EXPECTED[file.suffix.lower()]}, got a file that cannot be read safely ({reason})."
        ) from error


def _described(entries: Mapping[str, Shape]) -> str:
    if not entries:
        return "no arrays"
    told = [f"{name} {shape}" for name, shape in list(entries.items())[:_LISTED]]
    more = len(entries) - _LISTED
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")


def _check_size(name: str, entries: int) -> None:
    if entries > _LARGEST_ARRAY:
        raise ValueError(f"{name} has more than {_LARGEST_ARRAY} entries")


def _header(handle: BinaryIO) -> tuple[Shape, np.dtype[Any]]:
    """Shape and type that a .npy file announces."""
    major, _ = np.lib.format.read_magic(handle)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(handle)
    return tuple(shape), dtype


def _to_tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))


def _npy(file: Path, names: Sequence[str] | None) -> dict[str, torch.Tensor]:
    with file.open("rb") as handle:
        _check_size(file.stem, prod(_header(handle)[0]))
        handle.seek(0)
        array = np.load(handle, allow_pickle=False)
    return {file.stem: _to_tensor(array)} if names is None or file.stem in names else {}


def _npy_shapes(file: Path, names: Sequence[str] | None) -> dict[str, Shape]:  # noqa: ARG001
    with file.open("rb") as handle:
        return {file.stem: _header(handle)[0]}


def _npz(file: Path, names: Sequence[str] | None) -> dict[str, torch.Tensor]:
    found = _npz_shapes(file, names)
    for name, shape in found.items():
        _check_size(name, prod(shape))
    with file.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
        return {name: _to_tensor(np.asarray(archive[name])) for name in found}


def _npz_shapes(file: Path, names: Sequence[str] | None) -> dict[str, Shape]:
    """Of the arrays asked for; of all that can be read where none are."""
    found: dict[str, Shape] = {}
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name == member.filename or (names is not None and name not in names):
                continue
            with archive.open(member) as handle:
                shape, dtype = _header(handle)  # type: ignore[arg-type]
            if dtype.kind in "fiub":
                found[name] = shape
            elif names is not None:
                raise ValueError(f"{name} holds {dtype} instead of numbers")
    return found


def _safetensors(file: Path, names: Sequence[str] | None) -> dict[str, torch.Tensor]:
    with safe_open(file, framework="pt") as archive:
        return {name: archive.get_tensor(name) for name in archive.keys() if names is None or name in names}  # noqa: SIM118


def _safetensors_shapes(file: Path, names: Sequence[str] | None) -> dict[str, Shape]:  # noqa: ARG001
    with safe_open(file, framework="pt") as archive:
        return {name: tuple(archive.get_slice(name).get_shape()) for name in archive.keys()}  # noqa: SIM118


def _torch(file: Path, names: Sequence[str] | None) -> dict[str, torch.Tensor]:
    """What `torch.save` wrote; weights_only builds tensors and plain containers, and refuses all else unread."""
    if not zipfile.is_zipfile(file):  # before torch 1.6, or no file of torch's at all
        raise ValueError("it is no zip archive, as torch.save writes them since 1.6")
    with zipfile.ZipFile(file) as archive:
        if sum(member.file_size for member in archive.infolist()) > _LARGEST_FILE:
            raise ValueError("it unpacks to more than 2 GiB")
    content = torch.load(file, map_location="cpu", weights_only=True)
    found: dict[str, torch.Tensor] = {}
    for name, value in _flattened(content, file.stem):
        if isinstance(value, torch.Tensor) and value.layout is torch.strided and not value.is_quantized:
            _check_size(name, value.numel())
            if names is None or name in names:
                found[name] = value.detach()
    return found


def _torch_shapes(file: Path, names: Sequence[str] | None) -> dict[str, Shape]:
    return {name: tuple(tensor.shape) for name, tensor in _torch(file, names).items()}


def _flattened(content: object, name: str) -> Iterable[tuple[str, object]]:
    """Entries of a mapping or list, and of mappings and lists directly inside."""
    count = 0
    outer = _members(content)
    for key, value in [(name, content)] if outer is None else outer:
        inner = _members(value)
        for path, entry in [(key, value)] if inner is None else ((f"{key}.{part}", part_of) for part, part_of in inner):
            count += 1
            if count > _MOST_ENTRIES:
                raise ValueError(f"it has more than {_MOST_ENTRIES} entries")
            yield path, entry


def _members(value: object) -> list[tuple[str, object]] | None:
    if isinstance(value, Mapping):
        return [(str(key), inner) for key, inner in value.items()]
    return [(str(index), inner) for index, inner in enumerate(value)] if isinstance(value, list | tuple) else None


Reader = Callable[[Path, Sequence[str] | None], dict[str, Any]]
"""(file, names or None for all) -> entries."""

_READERS: Mapping[str, Reader] = {
    ".npz": _npz,
    ".npy": _npy,
    ".safetensors": _safetensors,
    ".pt": _torch,
    ".pth": _torch,
}
_SHAPES: Mapping[str, Reader] = {
    ".npz": _npz_shapes,
    ".npy": _npy_shapes,
    ".safetensors": _safetensors_shapes,
    ".pt": _torch_shapes,
    ".pth": _torch_shapes,
}
_EXPECTED: Mapping[str, str] = {
    ".npz": "numeric arrays saved with numpy.savez",
    ".npy": "a numeric array saved with numpy.save",
    ".safetensors": "a safetensors file",
    ".pt": "tensors saved with torch.save, in lists or dictionaries at most",
    ".pth": "tensors saved with torch.save, in lists or dictionaries at most",
}
