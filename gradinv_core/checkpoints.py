"""Stages of training that a network can be had at: how far it has come decides how well a gradient can be read.

Some ship with the project and are named after their recipe, as in
``lenet_sigmoid-digits-smoothing-epoch-40.safetensors``. Those of ``gradinv train`` are named by their path, or, where
they lie in the folder that the environment calls GRADINV_CHECKPOINTS, by their file's name without its ending. The
format holds numbers only: unlike a pickle, loading it can run nothing.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from gradinv_core.errors import OptionError, TensorFileError
from gradinv_core.networks import NETWORKS, build_network
from gradinv_core.pretrained import IMAGENET
from gradinv_core.trained_file import SUFFIX, TrainedFacts, is_trained_file, load_trained, read_facts

__all__ = [
    "CHECKPOINT_CLASSES",
    "UNTRAINED",
    "Stage",
    "available_stages",
    "describe_stage",
    "load_checkpoint",
    "save_checkpoint",
    "shipped_stages",
    "stage_classes",
    "stage_has_bias",
]

UNTRAINED = "untrained"
CHECKPOINT_CLASSES = 10
CHECKPOINT_SEED = 0
_DIGITS = "digits"
_WORDS = (UNTRAINED, IMAGENET, "trained")  # mean something else where a stage is asked for
_RECIPE_NAMES = ("hard", "smoothing", "mixup")

_PACKAGE = Path(__file__).resolve().parent
# Beside the code in an installed package, among the assets in the repository.
_FOLDERS = (_PACKAGE / "checkpoints", _PACKAGE.parent / "assets" / "checkpoints")
_FILE_NAME = re.compile(
    rf"(?P<network>\w+)-digits-(?P<stage>(?P<recipe>{'|'.join(_RECIPE_NAMES)})-epoch-(?P<epoch>\d+))"
)


@dataclass(frozen=True)
class Stage:
    """One point of one training run.

    Attributes:
        name: what `load_checkpoint` takes, such as "smoothing-epoch-40".
        recipe: how the labels were softened in training, such as "mixup"; None before training.
        epoch: passes over the training set so far.
        accuracy: share of the held-out pictures it gets right, 0 to 1; None before training.
        dataset: what it was trained on.
    """

    name: str
    recipe: str | None = None
    epoch: int = 0
    accuracy: float | None = None
    dataset: str = _DIGITS

    @property
    def title(self) -> str:
        """For people: "Smoothing, epoch 40, 98.3 % right"."""
        if self.recipe is None:
            return "Untrained"
        right = "" if self.accuracy is None else f", {100 * self.accuracy:.1f} % right"
        source = "" if self.dataset == _DIGITS else f", trained on {self.dataset}"
        return f"{self.recipe.capitalize()} labels, epoch {self.epoch}{right}{source}"


def available_stages(network: str) -> tuple[str, ...]:
    """Stage names of a network: those that ship, then one's own by name.

    Raises:
        OptionError: unknown network.
    """
    return (*shipped_stages(network), *_own_files(network))


def shipped_stages(network: str) -> tuple[str, ...]:
    """Stage names that are the same weights everywhere: "untrained", then every checkpoint by recipe and epoch.

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
    own = _own(network, stage)
    if own is not None:
        facts = read_facts(own)
        return Stage(stage, facts.labels, facts.epoch, facts.accuracy, facts.dataset)
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


def stage_classes(network: str, stage: str) -> int:
    """Number of classes that a stage's last layer tells apart.

    Raises:
        OptionError: unknown network or stage.
        TensorFileError: the checkpoint is damaged.
    """
    own = _own_facts(network, stage)
    return CHECKPOINT_CLASSES if own is None else own.classes


def stage_has_bias(network: str, stage: str) -> bool:
    """Whether the last layer was trained with a bias; of those that ship none was.

    Raises:
        OptionError: unknown network or stage.
        TensorFileError: the file is damaged.
    """
    own = _own_facts(network, stage)
    return own is not None and own.head_bias


def load_checkpoint(network: str, stage: str) -> nn.Module:
    """Build a network at a stage of its training; those that ship know the ten digits and have no bias in the head.

    Args:
        network: a key of `gradinv_core.networks.NETWORKS`.
        stage: one of `available_stages`, of which "untrained" is the starting point of those that ship; or the path of
            a file that ``gradinv train`` wrote, see `gradinv_core.trained_file`.

    Returns:
        A fresh network in evaluation mode.

    Raises:
        OptionError: unknown network or stage.
        TensorFileError: the checkpoint is damaged or belongs to another network.
    """
    own = _own(network, stage)
    if own is not None:
        return load_trained(own)[0]
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


def _own_files(network: str) -> dict[str, str]:
    """Stage name -> path of what ``gradinv train`` wrote for this network into the folder of one's own, by name."""
    folder = os.environ.get("GRADINV_CHECKPOINTS")
    found: dict[str, str] = {}
    for path in sorted(Path(folder).glob(f"*{SUFFIX}")) if folder else ():
        try:
            facts = read_facts(str(path))
        except TensorFileError:
            continue  # somebody else's
        if facts.network == network and path.stem not in (*_WORDS, *_files(network)):
            found[path.stem] = str(path)
    return found


def _own(network: str, stage: str) -> str | None:
    """Path of a stage of one's own; None for those that ship, and for the untrained one."""
    _check_network(network)
    if not is_trained_file(stage):
        return _own_files(network).get(stage)
    found = read_facts(stage).network
    if found != network:
        raise OptionError(f"stage of {network}: expected a file with its weights, got {stage}, which holds {found}'s.")
    return stage


def _own_facts(network: str, stage: str) -> TrainedFacts | None:
    """What a stage of one's own says of itself; None for those that ship. Complains about one that is not there."""
    own = _own(network, stage)
    if own is not None:
        return read_facts(own)
    _find(network, stage)
    return None


def _find(network: str, stage: str) -> Path | None:
    """File of a stage that ships; None for the untrained one."""
    _check_network(network)
    files = _files(network)
    if stage == UNTRAINED:
        return None
    if stage not in files:
        known = ", ".join(available_stages(network))
        raise OptionError(f"stage of {network}: expected one of {known}, got {stage!r}.")
    return files[stage]


def _damaged(path: Path) -> TensorFileError:
    return TensorFileError(
        f"checkpoint {path.name}: expected intact weights of its network, got something else; "
        f"write it again with python -m gradinv_core.training."
    )
