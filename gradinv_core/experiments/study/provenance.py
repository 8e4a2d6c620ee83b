"""Which code played a sample, with which libraries, on which machine."""

from __future__ import annotations

import hashlib
import platform
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

import gradinv_core

__all__ = ["Provenance", "code_version", "provenance"]

_PACKAGE = Path(gradinv_core.__file__).parent
# How a table looks, what a command prints and how a network was trained changes no row.
_NOT_PLAYED = re.compile(r"cli(_\w+)?\.py|experiments/study/report/.*|training/.*")
_SHORT = 16


@dataclass(frozen=True)
class Provenance:
    """Where a row comes from.

    Attributes:
        code: see `code_version`.
        versions: of Python, PyTorch and NumPy.
        machine: kind of processor, system and device; no name of anybody's.
    """

    code: str
    versions: str
    machine: str


@cache
def code_version() -> str:
    """16 hexadecimal digits over the package's sources, reports, commands and training aside.

    Another version may give another row, so its rows have other keys; a commit's name would miss what is not committed.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        place = path.relative_to(_PACKAGE).as_posix()
        if not _NOT_PLAYED.fullmatch(place):
            digest.update(place.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:_SHORT]


@cache
def provenance(device: str = "cpu") -> Provenance:
    """Of this process.

    Args:
        device: where networks compute.
    """
    versions = f"Python {platform.python_version()}, PyTorch {torch.__version__}, NumPy {np.__version__}"
    processor = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return Provenance(code_version(), versions, f"{platform.system()}, {processor}")
