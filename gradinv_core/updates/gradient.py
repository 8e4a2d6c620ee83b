"""What two states of a plain SGD client say of the gradient."""

from __future__ import annotations

import torch

from gradinv_core.errors import OptionError
from gradinv_core.updates.local_steps import LocalSteps
from gradinv_core.updates.states import State, read_states

__all__ = ["gradient_from_update", "scaled_sum"]


def gradient_from_update(
    before: State,
    after: State,
    learning_rate: float | None,
    *,
    steps: int = 1,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
) -> dict[str, torch.Tensor]:
    """The gradient behind an update of ``torch.optim.SGD``.

    One step gives it exactly, ``(before - after) / learning_rate - weight_decay * before``; momentum changes nothing
    then, because its buffer starts at zero. After several steps what comes back is a mean of their gradients, each
    weighted as the optimiser weighted it: equally without decay and momentum, earlier ones more with momentum. Decay
    and momentum are undone exactly; but the gradients of later steps are taken at other weights, so that their mean is
    only roughly the gradient of one step, more roughly the larger the steps. `recover_from_update` does better where
    only the last layer trained.

    Rounding of the weights stays in the result: about ``2**-24 |weight| / learning_rate`` in float32.

    Other optimisers than plain SGD (Adam and its like, Nesterov, dampening) cannot be told from the states and give
    wrong gradients; so do steps on different samples, weight decay that some parameters are spared, and a buffer of
    momentum that survived an earlier round.

    Example:
        >>> import torch
        >>> before, after = {"w": torch.tensor([1.0])}, {"w": torch.tensor([0.75])}
        >>> gradient_from_update(before, after, 0.5)
        {'w': tensor([0.5000])}

    Args:
        before: the weights the client started from: a module, or ``{name: tensor or numpy array}`` such as a state
            dict. Buffers (running statistics) are set aside.
        after: the weights it sent back, under the same names.
        learning_rate: > 0; None if it is unknown: then ``before - after`` comes back, and whoever reads it passes
            ``gradient_scale="unknown"``.
        steps: number of local steps, >= 1.
        weight_decay: >= 0, as in ``torch.optim.SGD``.
        momentum: in [0, 1), as in ``torch.optim.SGD``.

    Returns:
        ``{name: gradient}`` under the names of ``before``, each with the type of its weight, whose rounding is the
        client's; zeros for weights that did not train, which are those that did not change in a single digit.

    Raises:
        OptionError: a number is out of range, the names differ, nothing changed, or weight decay is to be undone
            without a learning rate.
        ShapeError, NonFiniteError: the states do not fit together or are not finite.
    """
    plan = LocalSteps(1.0 if learning_rate is None else learning_rate, steps, weight_decay, momentum)
    if learning_rate is None and weight_decay > 0:
        raise OptionError(
            "weight_decay: expected 0 where learning_rate is None, because the decay of one step is their product; "
            f"got {weight_decay!r}. Name the learning rate, or try some."
        )
    old, new = read_states(before, after)
    total = 1.0 if learning_rate is None else plan.total
    return {name: (scaled_sum(old[name], new[name], plan) / total).to(old[name].dtype) for name in old}


def scaled_sum(old: torch.Tensor, new: torch.Tensor, plan: LocalSteps) -> torch.Tensor:
    """Sum of the gradients of all steps, each with its share, in float64; zeros where nothing changed."""
    start, end = old.double(), new.double()
    if torch.equal(start, end):  # it did not train, so it did not decay either
        return torch.zeros_like(start)
    # W_0 - W_k first: the two are near, so their difference is exact where shrink * W_0 would be rounded.
    return (start - end) / plan.rate - ((1 - plan.shrinks[-1]) / plan.rate) * start
