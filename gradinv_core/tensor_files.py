"""Gradient files an engineer points us at: .npz or .safetensors, never unpickled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from gradinv_core.errors import TensorFileError

__all__ = ["read_tensors"]

_LARGEST_FILE = 2**31  # bytes
_LARGEST_ARRAY = 2**30  # entries; a small zip may announce a huge array


def read_tensors(
    path: str | Path, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, torch.Tensor]:
    """Read named tensors from a file.

    Args:
        path: ``.npz`` (numpy, no pickled objects) or ``.safetensors``.
        required: names that must be there.
        optional: names taken if there; everything else in the file is ignored.

    Returns:
        ``{name: tensor}`` in the types of the file.

    Raises:
        TensorFileError: no such file, unknown kind, damaged, pickled, too large, or a name is missing.
    """
    file = Path(path)
    if not file.is_file():
        raise TensorFileError(f"{file}: expected a .npz or .safetensors file, found no such file.")
    if file.stat().st_size > _LARGEST_FILE:
        raise TensorFileError(f"{file}: expected at most 2 GiB, got {file.stat().st_size / 2**30:.1f} GiB.")
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    if file.suffix.lower() not in readers:
        raise TensorFileError(
            f"{file}: expected a .npz or .safetensors file, got {file.suffix or 'no ending'}; pickled files "
            f"(.pt, .pkl) are refused because reading one can run code. Save it with safetensors or numpy.savez."
        )
    tensors = readers[file.suffix.lower()](file, (*required, *optional))
    missing = [name for name in required if name not in tensors]
    if missing:
        raise TensorFileError(
            f"{file}: expected entries {', '.join(required)}, but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing."
        )
    return tensors


def _read_npz(file: Path, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    try:
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            members = {member.filename: member.file_size for member in archive.zip.infolist()}
            chosen = [name for name in names if f"{name}.npy" in members]
            if any(members[f"{name}.npy"] > 8 * _LARGEST_ARRAY for name in chosen):
                raise ValueError(f"an array has more than {_LARGEST_ARRAY} entries")  # noqa: TRY301 - reworded below
            arrays = {name: np.asarray(archive[name]) for name in chosen}
            return {name: torch.from_numpy(a.astype(a.dtype.newbyteorder("="))) for name, a in arrays.items()}
    except Exception as error:  # a damaged or hostile archive can fail in any of numpy's, zipfile's and zlib's ways
        raise TensorFileError(
            f"{file}: expected numeric arrays saved with numpy.savez, got a file that cannot be read safely ({error})."
        ) from error


def _read_safetensors(file: Path, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise TensorFileError(f"{file}: expected a safetensors file, got one that cannot be read ({error}).") from error
    return {name: tensors[name] for name in names if name in tensors}
