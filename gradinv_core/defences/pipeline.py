"""Several defences in a row, as a client applies them to one gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from gradinv_core.defences.defence import Defence, DefenceContext
from gradinv_core.errors import NonFiniteError, OptionError
from gradinv_core.gradients import GradientsLike, gradient_entry, read_gradients
from gradinv_core.head import find_head

__all__ = ["MOST_DEFENCES", "apply_defences", "check_defences"]

MOST_DEFENCES = 6
"""Longest pipeline; longer ones are typing errors, or an address made to keep the page busy."""

_STREAM = 0xDEF  # tells this stream from others that start at the same seed


def apply_defences(
    model: nn.Module,
    gradients: GradientsLike,
    defences: Sequence[Defence],
    *,
    image: torch.Tensor | None = None,
    seed: int = 0,
    head: str | None = None,
) -> dict[str, torch.Tensor]:
    """Defend one gradient.

    Args:
        model: the network the gradient belongs to.
        gradients: as `capture_gradients` returns them, or anything else that `read_gradients` takes; left as they are.
        defences: in the order in which they are applied, at most six, each kind at most once.
        image: (3, h, w) the training image; only `PerturbFeature` needs it.
        seed: of every random draw, 0 or above.
        head: name of the last layer; None looks for it where a defence asks for it, see `find_head`.

    Returns:
        What is sent: new tensors that share no memory with the given ones. What was not there is not sent.

    Raises:
        OptionError: no gradients, too many defences, one kind twice, or a defence that lacks what it needs.
        OptionError, ShapeError: as `read_gradients`.
        NonFiniteError: NaN or infinity in a gradient, or the defended one overflowed.
    """
    chosen = check_defences(defences)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise OptionError(f"seed: expected a whole number >= 0, got {seed!r}.")
    read = read_gradients(model, gradients)
    if not read:
        raise OptionError(
            "gradients: expected at least one entry, got none; capture a training step's gradient before defending it."
        )
    sent = {name: gradient_entry(read, name, gradient.shape).clone() for name, gradient in read.items()}
    last = find_head(model, head) if head is not None or any(defence.needs_head for defence in chosen) else None
    biased = last is not None and model.get_submodule(last).bias is not None
    context = DefenceContext(
        model=model,
        head_weight="" if last is None else f"{last}.weight",
        head_bias=f"{last}.bias" if biased else None,
        generator=_generator(seed),
        image=image,
    )
    for defence in chosen:
        sent = defence.apply(sent, context)
        context = replace(context, clip_norm=defence.clip_norm_after(context.clip_norm))
    if not all(torch.isfinite(gradient).all() for gradient in sent.values()):
        raise NonFiniteError(
            "defences: expected a finite result, got NaN or infinity; the noise or the gradient is too large for the "
            "gradient's number type."
        )
    return sent


def _generator(seed: int) -> torch.Generator:
    """A stream of its own: networks and images drawn with the same seed must not resemble the noise."""
    (state,) = np.random.SeedSequence((seed, _STREAM)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state) >> 1)


def check_defences(defences: Sequence[Defence]) -> tuple[Defence, ...]:
    """A pipeline as a tuple, checked.

    Raises:
        OptionError: not defences, more than six, or one kind twice.
    """
    chosen = tuple(defences)
    for defence in chosen:
        if not isinstance(defence, Defence):
            raise OptionError(f"defences: expected Defence objects, got {defence!r}; see DEFENCES for the kinds.")
    if len(chosen) > MOST_DEFENCES:
        raise OptionError(f"defences: expected at most {MOST_DEFENCES}, got {len(chosen)}; leave some out.")
    names = [defence.name for defence in chosen]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(f"defences: expected each kind at most once, got {', '.join(twice)} twice; merge them.")
    return chosen
