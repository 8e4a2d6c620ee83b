"""What the defences left of the last layer, in terms that label recovery understands.

Entries that were pruned, or rounded to a grid, are completed from the rank-one rule; what that leaves uncertain becomes
noise. Rows of which nothing is known are named instead of being taken for zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gradinv_core.arrays import Array, as_array
from gradinv_core.aware.rank_one import RankOne, complete
from gradinv_core.defences import DropRows, Prune
from gradinv_core.defences.announced import Announced
from gradinv_core.defences.defence import share_count
from gradinv_core.defences.quantise import levels_per_side
from gradinv_core.defences.sparsify import pruned_count
from gradinv_core.errors import RankError
from gradinv_core.head import HeadView

__all__ = ["Evidence", "gather_evidence"]

_REFUSE = 0.5  # relative; a completion that misses the known entries by more is no single sample's
_HIDDEN_SIZE = 2.0  # features that were hidden, relative to the others: the hidden ones are those that stand out
_SIGMAS = 6.0


@dataclass(frozen=True)
class Evidence:
    """The last layer, with what was missing filled in where the rest tells it.

    Attributes:
        head: its weights as they are, its gradients completed. ``bias_grad`` is None where nothing is left of it.
        silent: (C,) which rows say nothing; their gradients are zero here.
        noise_std: standard deviation of independent noise on each entry that stands for all that is uncertain, None if
            nothing was added: then what little there is can be measured.
    """

    head: HeadView
    silent: np.ndarray
    noise_std: float | None


def gather_evidence(head: HeadView, announced: Announced) -> Evidence:
    """Undo what can be undone, and turn the rest into noise.

    Args:
        head: the last layer as released, gradient (C, d) finite.
        announced: what the defences mean for it.

    Returns:
        See `Evidence`.

    Raises:
        RankError: the entries that were sent are not those of one outer product.
    """
    matrix = as_array(head.weight_grad, "weight_grad", "classes features")
    classes, features = matrix.shape
    parts = [matrix]
    if head.bias_grad is not None:  # the bias gradient is one more column, that of a feature of one
        parts.append(as_array(head.bias_grad, "bias_grad", "classes")[:, None])
    silent = _dropped_rows(matrix, announced) if announced.dropped else np.zeros(classes, dtype=bool)
    known = np.concatenate([_known_entries(part, silent, announced) for part in parts], axis=1)
    together = np.concatenate(parts, axis=1)
    steps = [_half_step(part, announced) for part in parts]
    half_step = np.concatenate([np.full(part.shape[1], step) for part, step in zip(parts, steps, strict=True)])

    variance = announced.noise**2
    if announced.quantised and announced.noise:
        step = 2 * max(steps)
        # Noise of half a step and more makes rounding errors independent; below, a whole row can err one way.
        variance += step**2 / 12 if announced.noise >= step / 2 else (step / 2) ** 2 * features
    elif announced.quantised or (announced.pruned and not known[~silent].all()):
        found = complete(np.where(silent[:, None], 0.0, together), known & ~silent[:, None], announced.noise, half_step)
        variance = _completion_variance(found, together, known & ~silent[:, None], variance, half_step)
        variance += _unknown_columns(found, together, known, features)
        silent = ~found.rows
        together = found.matrix
    if announced.perturbed:
        count = share_count(announced.perturbed, features)
        power = float((together[:, :features] ** 2).sum())
        variance += _HIDDEN_SIZE**2 * power * count / (features * (features - count))
    together = np.where(silent[:, None], 0.0, together)
    bias_grad = None
    if head.bias_grad is not None and bool(together[:, features:].any()):
        bias_grad = torch.from_numpy(together[:, features].copy()).to(head.bias_grad.dtype)
    weight_grad = torch.from_numpy(together[:, :features].copy()).to(head.weight_grad.dtype)
    filled = HeadView(head.weight, weight_grad, head.bias, bias_grad)
    return Evidence(filled, silent, variance**0.5 if variance > 0 else None)


def _dropped_rows(matrix: Array, announced: Announced) -> np.ndarray:
    """Rows (C,) that were dropped, or that noise makes look as if they had been."""
    noise = announced.noise_after.get(DropRows, 0.0)
    features = matrix.shape[1]
    silent: np.ndarray = (matrix**2).sum(1) <= noise**2 * (features + _SIGMAS * (2 * features) ** 0.5)
    return np.zeros_like(silent) if silent.all() else silent


def _known_entries(part: Array, silent: np.ndarray, announced: Announced) -> np.ndarray:
    """Entries of one tensor (C, columns) that were not pruned."""
    if not announced.pruned:
        return np.ones(part.shape, dtype=bool)
    count = pruned_count(announced.pruned, part.size)
    zeros: np.ndarray = part == 0
    if announced.noise_after.get(Prune, 0.0) > 0:  # pruned entries hold that noise and nothing else
        known = np.ones(part.size, dtype=bool)
        known[np.argsort(np.abs(part), axis=None)[:count]] = False
        return known.reshape(part.shape)
    if announced.quantised is None and int(zeros[~silent].sum()) > count:
        return np.ones(part.shape, dtype=bool)  # more zeros than were pruned: only zeros were pruned
    return ~zeros


def _half_step(part: Array, announced: Announced) -> float:
    """Half the step of the grid one tensor was rounded to; a little more, because it was stored in float32."""
    if announced.quantised is None:
        return 0.0
    return float(np.abs(part).max()) * (0.5 / levels_per_side(announced.quantised) + 2.0**-22)


def _completion_variance(found: RankOne, matrix: Array, known: np.ndarray, variance: float, half_step: Array) -> float:
    """Squared noise that leaves the factors as uncertain as they are, and explains what the completion misses.

    Raises:
        RankError: it misses too much.
    """
    inside = known & found.rows[:, None] & found.columns
    excess = np.maximum(np.abs(matrix - found.matrix) - 2 * half_step, 0.0)[inside]
    missed = float((excess**2).mean()) if excess.size else 0.0
    size = float((matrix[inside] ** 2).mean()) if excess.size else 0.0
    if missed > _REFUSE**2 * size + 4 * variance:
        raise RankError(
            f"gradients: expected the last layer of one sample, rank one where it was not pruned; got one that misses "
            f"that by {(missed / max(size, 1e-300)) ** 0.5:.0%}. Name the defences that were applied."
        )
    of_bias = 0.0
    if len(half_step) and found.right_std.size:
        of_bias = float(found.right_std[-1]) * float(np.linalg.norm(found.left))
    return max(found.equivalent_noise(), of_bias) ** 2 + max(missed, variance)


def _unknown_columns(found: RankOne, matrix: Array, known: np.ndarray, features: int) -> float:
    """Squared noise that stands for features of which no entry was sent: each is below the smallest that was."""
    count = int((~found.columns[:features]).sum())
    sent = np.abs(matrix[known & (matrix != 0)])
    if count == 0 or sent.size == 0:
        return 0.0
    # A feature's entry in the largest row was below that size; in the others it was smaller still.
    bound = float(sent.min()) / float(np.abs(found.left).max())
    return float((found.left**2).sum()) * bound**2 / 3 * count / features
