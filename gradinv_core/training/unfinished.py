"""What a training that was stopped goes on from: weights, Adam's memory, and the epoch, in a file beside the result."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from gradinv_core.errors import OptionError, TensorFileError
from gradinv_core.trained_file import write_tensors
from gradinv_core.training.plan import TrainingPlan

__all__ = ["forget", "read_back", "remember", "unfinished_file"]

_NETWORK, _ADAM = "network.", "adam."


def unfinished_file(out: Path) -> Path:
    """Where it lies, for a result at ``out``."""
    return out.with_suffix(".unfinished")


def remember(
    out: Path, plan: TrainingPlan, epoch: int, best: float, model: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    """Write it, at once and for good.

    Args:
        out: of the result.
        plan: of the training.
        epoch: how many are done.
        best: accuracy of the best of them.
        model: the network.
        optimiser: Adam, after that epoch.

    Raises:
        OptionError: nothing can be written there.
    """
    tensors = {f"{_NETWORK}{name}": tensor for name, tensor in model.state_dict().items()}
    for number, memory in optimiser.state_dict()["state"].items():
        tensors |= {f"{_ADAM}{number}.{part}": tensor for part, tensor in memory.items()}
    write_tensors(tensors, {"plan": _told(plan), "epoch": str(epoch), "best": repr(best)}, unfinished_file(out))


def read_back(out: Path, plan: TrainingPlan, model: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[int, float]:
    """Put a training back to where it was; without a file it begins.

    Args:
        out: of the result.
        plan: of the training, the same as then.
        model: the network, changed in place.
        optimiser: Adam over its parameters, changed in place.

    Returns:
        How many epochs are done, and the accuracy of the best of them.

    Raises:
        OptionError: what lies there belongs to another training.
        TensorFileError: it is damaged.
    """
    path = unfinished_file(out)
    if not path.is_file():
        return 0, -1.0
    try:
        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        begun, epoch, best = told["plan"], int(told["epoch"]), float(told["best"])
        if begun == _told(plan):
            _restore(tensors, model, optimiser)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise TensorFileError(
            f"{path}: expected an unfinished training, got something else ({error!r}); remove it to begin anew."
        ) from error
    if begun != _told(plan):
        raise OptionError(
            f"out: expected the settings that {path.name} was begun with, {begun}, got {_told(plan)}; give those, "
            f"choose another file, or remove that one."
        )
    return epoch, best


def forget(out: Path) -> None:
    """It is finished."""
    unfinished_file(out).unlink(missing_ok=True)


def _told(plan: TrainingPlan) -> str:
    return json.dumps(asdict(plan))


def _restore(tensors: dict[str, torch.Tensor], model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    memory: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith(_ADAM):
            number, part = name.removeprefix(_ADAM).split(".")
            memory.setdefault(int(number), {})[part] = tensor
    model.load_state_dict(
        {name.removeprefix(_NETWORK): tensor for name, tensor in tensors.items() if name.startswith(_NETWORK)}
    )
    optimiser.load_state_dict({"state": memory, "param_groups": optimiser.state_dict()["param_groups"]})
