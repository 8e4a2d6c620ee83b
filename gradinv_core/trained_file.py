"""One trained network in a file of its own: weights as safetensors, which can run nothing, and what is known of them.

A file is named by its path, or by its path and the first digits of its content's hash, as in
``runs/lenet.safetensors#1a2b3c4d5e6f7081``: then other weights under the same name are noticed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from gradinv_core.errors import OptionError, TensorFileError
from gradinv_core.networks import build_network

__all__ = [
    "SUFFIX",
    "TrainedFacts",
    "is_trained_file",
    "load_trained",
    "pinned",
    "read_facts",
    "save_trained",
    "write_tensors",
]

SUFFIX = ".safetensors"
_DIGITS = 16  # hexadecimal, of a pin


@dataclass(frozen=True)
class TrainedFacts:
    """What stands in the file besides the weights.

    Attributes:
        network: a key of `gradinv_core.networks.NETWORKS`.
        classes: number of classes C.
        head_bias: whether the last layer has a bias.
        dataset: what it was trained on; a folder of pictures is "folder".
        labels: how they were softened, such as "mixup".
        epoch: passes over the training set.
        accuracy: share of held-out pictures it gets right, 0 to 1.
    """

    network: str
    classes: int
    head_bias: bool
    dataset: str
    labels: str
    epoch: int
    accuracy: float


def is_trained_file(name: str) -> bool:
    """Whether a stage is a file's path, pinned or not, rather than a name."""
    return name.partition("#")[0].endswith(SUFFIX)


def pinned(name: str) -> str:
    """The path together with the hash of what lies there.

    Raises:
        TensorFileError: no such file, or it was pinned before and holds something else by now.
    """
    path, _, pin = name.partition("#")
    found = _digest(_existing(path), os.stat(path).st_mtime_ns)
    if pin not in ("", found):
        raise TensorFileError(
            f"{path}: expected the weights with hash {pin}, got those with {found}; they were replaced since."
        )
    return f"{path}#{found}"


def save_trained(model: nn.Module, facts: TrainedFacts, path: Path) -> None:
    """Write weights and facts; whoever reads sees the old file or the new one, never a part.

    Raises:
        OptionError: nothing can be written there.
    """
    told = {field.name: str(getattr(facts, field.name)) for field in fields(facts)}
    write_tensors(model.state_dict(), told, path)


def write_tensors(tensors: Mapping[str, torch.Tensor], told: dict[str, str], path: Path) -> None:
    """Tensors and words in one file, at once.

    Raises:
        OptionError: nothing can be written there.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, beside, metadata=told)
        beside.replace(path)
    except (OSError, SafetensorError) as error:
        raise OptionError(f"out: expected a file to write, got {path} ({error}).") from error


def read_facts(name: str) -> TrainedFacts:
    """What a file says of its network, without its weights.

    Args:
        name: its path, pinned or not; a pin is not compared here.

    Raises:
        TensorFileError: no such file, or not one of `save_trained`.
    """
    path = _existing(name.partition("#")[0])
    try:
        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}
        return TrainedFacts(
            network=told["network"],
            classes=int(told["classes"]),
            head_bias=told["head_bias"] == str(True),
            dataset=told["dataset"],
            labels=told["labels"],
            epoch=int(told["epoch"]),
            accuracy=float(told["accuracy"]),
        )
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise TensorFileError(
            f"{path}: expected a network that gradinv train wrote, got another file ({error!r}); train one."
        ) from error


def load_trained(name: str) -> tuple[nn.Module, TrainedFacts]:
    """Build the network and give it its weights.

    Args:
        name: the file's path; pinned, its content is compared with the pin.

    Returns:
        The network in evaluation mode, and what is known of it.

    Raises:
        TensorFileError: no such file, not one of `save_trained`, damaged, or other weights than those pinned.
    """
    if "#" in name:
        pinned(name)
    path, facts = name.partition("#")[0], read_facts(name)
    try:
        model = build_network(facts.network, facts.classes, head_bias=facts.head_bias)
        model.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise TensorFileError(
            f"{path}: expected the weights of {facts.network} with {facts.classes} classes, got something else "
            f"({str(error).splitlines()[0]}); train it again."
        ) from error
    return model, facts


def _existing(path: str) -> str:
    if not Path(path).is_file():
        raise TensorFileError(f"{path}: expected a trained network's file, found none; gradinv train writes one.")
    return path


@lru_cache(maxsize=64)
def _digest(path: str, _changed: int) -> str:
    """Read once as long as it is not written again."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
