"""Names of gradients fitted to those of a network's parameters: what wrappers add is taken off, and nothing else."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import product

import torch

from gradinv_core.errors import OptionError
from gradinv_core.wrappers import plain_name

__all__ = ["fit_names", "is_statistic"]

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_NAMED = 3  # strangers that a message lists
_ALIKE = 0.4  # similarity from which a name is worth suggesting


def is_statistic(name: str) -> bool:
    """Whether an entry of a state dict is a statistic of batch norm, which has no gradient."""
    return name.rpartition(".")[2] in _STATISTICS


def fit_names(shapes: Mapping[str, tuple[int, ...]], known: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Which entry belongs to which parameter or buffer.

    Args:
        shapes: of the entries, by the names under which they came.
        known: the network's parameters and buffers by name.

    Returns:
        ``{name that came: name in the network}``. First the names as they are, then without the words that wrappers
        put in, then without a prefix that all of one side have in common.

    Raises:
        OptionError: some names belong to nothing; the message names them, and the closest ones of the network.
    """
    names = [name for name in shapes if name in known or not is_statistic(name)]
    if all(name in known for name in names):
        return {name: name for name in names}
    plain = {plain_name(name): name for name in known}
    if len(plain) < len(known):  # the network itself uses such words, and without them two names are one
        plain = {name: name for name in known}
    fitted = _without_prefix({name: plain_name(name) for name in names}, plain)
    fitted = fitted or _without_prefix({name: name for name in names}, {name: name for name in known})
    if fitted is None:
        strange = [name for name in names if plain_name(name) not in plain] or names
        raise OptionError(_strangers(strange, shapes, known))
    return fitted


def _without_prefix(names: Mapping[str, str], plain: Mapping[str, str]) -> dict[str, str] | None:
    """Pair the names, less as little of a common beginning as it takes; None where that does not help."""
    own, theirs = _common_depth(list(plain)), _common_depth(list(names.values()))
    for here, there in sorted(product(range(own + 1), range(theirs + 1)), key=sum):
        shorter = {_less(name, here): full for name, full in plain.items()}
        found = {name: shorter.get(_less(short, there)) for name, short in names.items()}
        fitted = {name: full for name, full in found.items() if full is not None}
        if len(fitted) == len(names) == len(set(fitted.values())):
            return fitted
    return None


def _common_depth(names: Sequence[str]) -> int:
    """Number of leading parts that all names share; the last part of a name is never one of them."""
    split = [name.split(".")[:-1] for name in names]
    depth = 0
    while all(len(parts) > depth and parts[depth] == split[0][depth] for parts in split):
        depth += 1
    return depth


def _less(name: str, depth: int) -> str:
    return ".".join(name.split(".")[depth:])


def _strangers(strange: list[str], shapes: Mapping[str, tuple[int, ...]], known: Mapping[str, torch.Tensor]) -> str:
    """The sentence about names that belong to nothing."""
    free = [name for name in known if name not in shapes and not is_statistic(name)]
    told = []
    for name in strange[:_NAMED]:
        same = [other for other in free if tuple(known[other].shape) == shapes[name]]
        close = difflib.get_close_matches(name, same, n=1, cutoff=0) or difflib.get_close_matches(
            name, list(known), n=1, cutoff=_ALIKE
        )
        told.append(f"{name} (closest: {close[0]})" if close else name)
    more = len(strange) - _NAMED
    rest = f" and {more} more" if more > 0 else ""
    return (
        f"gradients: expected names of the network's parameters, got {', '.join(told)}{rest}; "
        f"rename them, or leave out what is not the network's."
    )
