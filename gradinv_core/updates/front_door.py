"""Label and feature from the update of a federated client: its weights before and after local training."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from gradinv_core.arrays import is_number
from gradinv_core.errors import ClassCountError, GradientInversionError, OptionError, RankError
from gradinv_core.head import ObservedHead, factor_heads, find_head
from gradinv_core.head.structures import LabelStructure, label_structure
from gradinv_core.image_recovery import recover_from_gradients
from gradinv_core.label_recovery import LabelRecovery, Status, recover_label
from gradinv_core.label_recovery.modes import interval_sigmas
from gradinv_core.label_recovery.scan import possible_signs
from gradinv_core.updates.answer import approximate, path_answer
from gradinv_core.updates.bias_update import from_bias
from gradinv_core.updates.gradient import gradient_from_update, scaled_sum
from gradinv_core.updates.local_steps import LocalSteps
from gradinv_core.updates.search import scan
from gradinv_core.updates.states import State, read_states
from gradinv_core.updates.trajectory import TrainedHead

__all__ = ["recover_from_update"]

_CONFIDENCE = 0.95
_CLEAN = 4.0  # times the rounding of the weights, which grow a little in training
_LOST = 8.0  # roundings of a weight; smaller changes by one step are partly rounded away


def recover_from_update(
    model: nn.Module,
    after: State,
    learning_rate: float | None,
    *,
    before: State | None = None,
    steps: int = 1,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    head: str | None = None,
    label_format: str | LabelStructure = "unknown",
    nonnegative_feature: bool = False,
    confidence: float = _CONFIDENCE,
) -> LabelRecovery:
    """Recover label and feature of the one sample a client trained on by ``torch.optim.SGD``, from its new weights.

    One step is a gradient, and is read as one. After several steps with everything but the head frozen, the update is
    still of rank one, and the path of the logits follows from lambda and the label: the answer is exact, or says that
    it is ambiguous. After several steps of the whole network the label is an approximation, never "unique".

    The number of steps must be known. If it is not, try some: a wrong number fits no label of the format, or the answer
    says that the update cannot show the number.

    Example:
        >>> import torch
        >>> from gradinv_core.labels import smooth_label
        >>> model, feature = torch.nn.Sequential(torch.nn.Linear(32, 10, bias=False)), torch.rand(1, 32)
        >>> client = torch.nn.Sequential(torch.nn.Linear(32, 10, bias=False))
        >>> _ = client.load_state_dict(model.state_dict())
        >>> optimiser = torch.optim.SGD(client.parameters(), lr=0.1)
        >>> for _ in range(5):
        ...     optimiser.zero_grad()
        ...     torch.nn.functional.cross_entropy(client(feature), smooth_label(3, 10, 0.1)[None].float()).backward()
        ...     optimiser.step()
        >>> recover_from_update(model, client.state_dict(), 0.1, steps=5).label_format
        'smoothing'

    Args:
        model: the network; its weights are those before training unless ``before`` is given.
        after: the weights the client sent back, a module or ``{name: tensor or numpy array}``.
        learning_rate: > 0; None if it is unknown, which is possible for one step only.
        before: the weights the client started from, if the model holds others.
        steps: number of local steps, all on the same sample.
        weight_decay: as in ``torch.optim.SGD``; of every parameter that trains.
        momentum: as in ``torch.optim.SGD``, without dampening or Nesterov.
        head: name of the last layer, which the labels belong to; None looks for it, see `find_head`.
        label_format: as in `recover_label`.
        nonnegative_feature: as in `recover_label`.
        confidence: as in `recover_label`.

    Returns:
        As `recover_label`. ``condition`` names what a "unique" rests on where the update cannot show it.

    Raises:
        OptionError: an option is out of range; the states do not belong together; the head did not train.
        ShapeError, NonFiniteError: the states do not fit together or are not finite.
        RankError: the update is not that of one sample and of these steps.
        ClassCountError: too few classes for the label format.
    """
    started = time.perf_counter()
    plan = _plan(learning_rate, steps, weight_decay, momentum)
    if not is_number(confidence) or not 0 < confidence < 1:
        raise OptionError(f"confidence: expected a number between 0 and 1, got {confidence!r}.")
    old, new = read_states(model if before is None else before, after)
    name = _head_name(model, old, head)
    weight, bias = old[f"{name}.weight"], old.get(f"{name}.bias")
    if torch.equal(weight, new[f"{name}.weight"]):
        raise OptionError(
            f"after: expected a weight {name}.weight that training changed, got that of before; the label is read off "
            f"the last layer, which was frozen or got an input of zero."
        )
    bias_trains = bias is not None and not torch.equal(bias, new[f"{name}.bias"])
    own = {f"{name}.weight", f"{name}.bias"}
    moved = [not torch.equal(old[key], new[key]) for key in old if key not in own]
    if steps == 1 or any(moved):
        gradients = gradient_from_update(
            old, new, learning_rate, steps=steps, weight_decay=weight_decay, momentum=momentum
        )
        plain = label_format == "unknown" and not nonnegative_feature and confidence == _CONFIDENCE
        whole = bool(moved) and all(moved) and (bias is None or bias_trains)  # a frozen layer below is no witness
        if steps == 1 and plain and learning_rate is not None and whole:
            return _timed(recover_from_gradients(_with_weights(model, old), gradients, head=name), started)
        read = partial(
            recover_label,
            weight,
            gradients[f"{name}.weight"],
            bias,
            gradients[f"{name}.bias"] if bias_trains else None,
            label_format=label_format,
            gradient_scale="unknown" if learning_rate is None else "known",
            nonnegative_feature=nonnegative_feature,
            confidence=confidence,
        )
        return _timed(read() if steps == 1 else _approximately(read, steps), started)

    # Only the head trained, and for several steps.
    total = scaled_sum(weight, new[f"{name}.weight"], plan).to(weight.dtype)
    observed = _with_lost_changes(factor_heads(weight, total[None], bias), plan, total)
    trained = TrainedHead(observed, plan, bias_trains)
    structure = _structure(label_format, observed.classes)
    sigmas = interval_sigmas(confidence)
    if bias is not None and bias_trains:
        end = scaled_sum(bias, new[f"{name}.bias"], plan).numpy()
        found = from_bias(trained, end, structure, sigmas)
    else:
        found = scan(trained, structure, sigmas, possible_signs(observed, nonnegative_feature))
    clean = float(observed.residual[0]) <= _CLEAN * _rounding_share(weight, total, plan)
    return _timed(path_answer(trained, found, structure, bias_trains, clean), started)


def _plan(learning_rate: float | None, steps: int, weight_decay: float, momentum: float) -> LocalSteps:
    plan = LocalSteps(1.0 if learning_rate is None else learning_rate, steps, weight_decay, momentum)
    if learning_rate is None and steps > 1:
        raise OptionError(
            f"learning_rate: expected a number, because the steps after the first depend on it; got None with "
            f"{steps} steps. Try some rates: a wrong one fits no label of the format."
        )
    return plan


def _head_name(model: nn.Module, weights: Mapping[str, torch.Tensor], head: str | None) -> str:
    name = find_head(model, head)
    if f"{name}.weight" not in weights:
        raise OptionError(
            f"before: expected the weights of the last layer under {name}.weight, got {', '.join(weights) or 'none'}; "
            f"send the states under the network's names."
        )
    return name


def _structure(label_format: str | LabelStructure, classes: int) -> LabelStructure | None:
    """The label structure; none where the classes are too few for "unknown" to say anything."""
    try:
        return label_structure(label_format, classes)
    except ClassCountError:
        if label_format != "unknown":
            raise
        return label_structure("any", classes)


def _rounding_share(weight: torch.Tensor, total: torch.Tensor, plan: LocalSteps) -> float:
    """The most that rounding the weights at every step can leave outside rank one, relative to the whole."""
    unit = torch.finfo(weight.dtype).eps / 2
    per_step = unit * float(weight.double().norm()) / plan.rate
    return plan.steps * per_step / float(total.double().norm()) + unit


def _with_lost_changes(observed: ObservedHead, plan: LocalSteps, total: torch.Tensor) -> ObservedHead:
    """The head with the noise of rows whose changes are so small that the weights' rounding swallowed part of them.

    What is lost there is lost in one direction, that of the feature, so it leaves no trace outside rank one.
    """
    unit = torch.finfo(total.dtype).eps / 2
    change = total.double().abs().numpy() * plan.rate / plan.steps
    rounding = unit * np.abs(observed.weight)
    lost = np.median(change, axis=1) < _LOST * np.median(rounding, axis=1)
    if not lost.any():
        return observed
    direction = np.abs(observed.row_gradient[0])
    worst = plan.total / plan.rate * (rounding @ direction) / float(direction @ direction)
    return replace(observed, ratio_std=np.where(lost, np.maximum(observed.ratio_std, worst), observed.ratio_std))


def _approximately(read: Callable[[], LabelRecovery], steps: int) -> LabelRecovery:
    """A guess from the mean gradient of several steps of the whole network."""
    try:
        answer = read()
    except GradientInversionError as error:
        raise RankError(
            f"after: expected an update near to a gradient, got {steps} local steps of the whole network, which saw "
            f"{steps} different features and leave no label to guess; ask for fewer steps, or for smaller ones."
        ) from error
    return answer if answer.status is Status.VANISHED else approximate(answer, steps)


def _with_weights(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """The model if it holds these weights; else a copy that does."""
    held = model.state_dict()
    if all(name in held and torch.equal(held[name].cpu(), weight) for name, weight in weights.items()):
        return model
    twin = copy.deepcopy(model)
    twin.load_state_dict(dict(weights), strict=False)
    return twin


def _timed(answer: LabelRecovery, started: float) -> LabelRecovery:
    return replace(answer, seconds=time.perf_counter() - started)
