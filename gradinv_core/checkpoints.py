"""Trained networks that ship with the project: how far training has come decides how well a gradient can be read.

A checkpoint is named after its recipe, as in ``lenet_sigmoid-digits-smoothing-epoch-40.safetensors``. The format holds
numbers only: unlike a pickle, loading it can run nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from gradinv_core.errors import OptionError, TensorFileError
from gradinv_core.networks import NETWORKS, build_network

__all__ = [
    "CHECKPOINT_CLASSES",
    "UNTRAINED",
    "Stage",
    "available_stages",
    "describe_stage",
    "load_checkpoint",
    "save_checkpoint",
]

UNTRAINED = "untrained"
CHECKPOINT_CLASSES = 10
CHECKPOINT_SEED = 0
_RECIPE_NAMES = ("hard", "smoothing", "mixup")

_PACKAGE = Path(__file__).resolve().parent
# Beside the code in an installed package, among the assets in the repository.
_FOLDERS = (_PACKAGE / "checkpoints", _PACKAGE.parent / "assets" / "checkpoints")
_FILE_NAME = re.compile(
    rf"(?P<network>\w+)-digits-(?P<stage>(?P<recipe>{'|'.join(_RECIPE_NAMES)})-epoch-(?P<epoch>\d+))"
)


@dataclass(frozen=True)
class Stage:
    """One point of one training run on the digits.

    Attributes:
        name: what `load_checkpoint` takes, such as "smoothing-epoch-40".
        recipe: how the labels were softened in training: "hard", "smoothing" or "mixup"; None before training.
        epoch: passes over the training set so far.
        accuracy: share of the held-out digits it gets right, 0 to 1; None before training.
    """

    name: str
    recipe: str | None = None
    epoch: int = 0
    accuracy: float | None = None

    @property
    def title(self) -> str:
        """For people: "Smoothing, epoch 40, 98.3 % right"."""
        if self.recipe is None:
            return "Untrained"
        right = "" if self.accuracy is None else f", {100 * self.accuracy:.1f} % right"
        return f"{self.recipe.capitalize()} labels, epoch {self.epoch}{right}"


def available_stages(network: str) -> tuple[str, ...]:
    """Stage names of a network: "untrained" first, then every checkpoint by recipe and epoch.

    Raises:
        OptionError: unknown network.
    """
    _check_network(network)
    return (UNTRAINED, *_files(network))


def describe_stage(network: str, stage: str) -> Stage:
    """Read what is known about a stage without loading its weights.

    Raises:
        OptionError: unknown network or stage.
        TensorFileError: the checkpoint is damaged.
    """
    path = _find(network, stage)
    if path is None:
        return Stage(UNTRAINED)
    try:
        with safe_open(path, framework="pt") as file:
            accuracy = float((file.metadata() or {})["accuracy"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise _damaged(path) from error
    recipe, _, epoch = stage.partition("-epoch-")
    return Stage(stage, recipe, int(epoch), accuracy)


def load_checkpoint(network: str, stage: str) -> nn.Module:
    """Build a network for the ten digits, with a bias-free head, at a stage of its training.

    Args:
        network: a key of `gradinv_core.networks.NETWORKS`.
        stage: one of `available_stages`; "untrained" is the starting point of all the others.

    Returns:
        A fresh network in evaluation mode.

    Raises:
        OptionError: unknown network or stage.
        TensorFileError: the checkpoint is damaged or belongs to another network.
    """
    path = _find(network, stage)
    model = build_network(network, CHECKPOINT_CLASSES, seed=CHECKPOINT_SEED)
    if path is None:
        return model
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise _damaged(path) from error
    return model


def save_checkpoint(model: nn.Module, network: str, stage: Stage, folder: Path) -> Path:
    """Write one stage of training; the file name follows from the network and the stage."""
    path = folder / f"{network}-digits-{stage.name}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, path, metadata={"accuracy": f"{stage.accuracy:.4f}"})
    return path


def _check_network(network: str) -> None:
    if network not in NETWORKS:
        raise OptionError(f"network: expected one of {', '.join(NETWORKS)}, got {network!r}.")


def _files(network: str) -> dict[str, Path]:
    """Stage name -> file, in teaching order."""
    found: dict[tuple[int, int], tuple[str, Path]] = {}
    for folder in _FOLDERS:
        for path in folder.glob("*.safetensors") if folder.is_dir() else ():
            match = _FILE_NAME.fullmatch(path.stem)
            if match and match["network"] == network:
                found[_RECIPE_NAMES.index(match["recipe"]), int(match["epoch"])] = (match["stage"], path)
    return dict(found[key] for key in sorted(found))


def _find(network: str, stage: str) -> Path | None:
    """The stage's file; None for the untrained one."""
    _check_network(network)
    files = _files(network)
    if stage == UNTRAINED:
        return None
    if stage not in files:
        raise OptionError(f"stage of {network}: expected one of {', '.join((UNTRAINED, *files))}, got {stage!r}.")
    return files[stage]


def _damaged(path: Path) -> TensorFileError:
    return TensorFileError(
        f"checkpoint {path.name}: expected intact weights of its network, got something else; "
        f"write it again with python -m gradinv_core.training."
    )
