"""What a federated client sends: its weights before and after, as state dicts or modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from gradinv_core.errors import NonFiniteError, OptionError, ShapeError

__all__ = ["State", "read_states", "read_weights"]

State: TypeAlias = nn.Module | Mapping[str, torch.Tensor | np.ndarray]

_RUNNING = ("running_mean", "running_var", "num_batches_tracked")  # statistics of normalisation layers, not weights


def read_states(before: State, after: State) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The weights before and after under the names of ``before``, checked against each other.

    Buffers are set aside: those of a module, and in a mapping the running statistics of normalisation layers and
    everything that is not a floating-point number.

    Raises:
        OptionError: different names, or nothing changed.
        ShapeError: an entry is no array, or two shapes differ.
        NonFiniteError: NaN or infinity.
    """
    old, new = read_weights(before, "before"), read_weights(after, "after")
    missing, surplus = [name for name in old if name not in new], [name for name in new if name not in old]
    if missing or surplus:
        raise OptionError(
            f"after: expected the names of before, got {_listed(missing, 'missing')}"
            f"{' and ' if missing and surplus else ''}{_listed(surplus, 'more')}; pass two states of one network."
        )
    for name, weight in old.items():
        if new[name].shape != weight.shape:
            raise ShapeError(
                f"after {name}: expected shape {tuple(weight.shape)} as before, got {tuple(new[name].shape)}; pass two "
                f"states of one network."
            )
    if all(torch.equal(weight.double(), new[name].double()) for name, weight in old.items()):
        raise OptionError(
            "after: expected weights that training changed, got those of before to the last digit; check that the "
            "states were copied and not the same tensors, and that the learning rate does not drown in their rounding."
        )
    return old, {name: new[name] for name in old}


def read_weights(state: State, what: str) -> dict[str, torch.Tensor]:
    """The weights of one state, detached, on the CPU; ``what`` is its name in messages.

    Raises:
        OptionError: neither module nor mapping, or without weights.
        ShapeError, NonFiniteError: an entry is no array, or not finite.
    """
    buffers: set[str] = set()
    entries: Mapping[str, object]
    if isinstance(state, nn.Module):
        buffers, entries = {name for name, _ in state.named_buffers()}, state.state_dict()
    elif isinstance(state, Mapping):
        entries = state
    else:
        raise OptionError(
            f"{what}: expected a module or a mapping from names to arrays, got {type(state).__name__}; pass "
            f"model.state_dict()."
        )
    weights = {
        name: _weight(value, f"{what} {name}")
        for name, value in entries.items()
        if name not in buffers and name.rpartition(".")[2] not in _RUNNING
    }
    weights = {name: weight for name, weight in weights.items() if weight.is_floating_point()}
    if not weights:
        raise OptionError(f"{what}: expected at least one weight, got none; pass model.state_dict().")
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise NonFiniteError(
                f"{what} {name}: expected finite numbers, got NaN or infinity; the training overflowed, so nothing can "
                f"be read from it."
            )
    return weights


def _weight(value: object, what: str) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub":
        return torch.from_numpy(np.array(value))
    raise ShapeError(f"{what}: expected a tensor or an array of real numbers, got {type(value).__name__}.")


def _listed(names: list[str], how: str) -> str:
    """At most three names in words."""
    if not names:
        return ""
    return f"{', '.join(names[:3])}{f' and {len(names) - 3} others' if len(names) > 3 else ''} {how}"
