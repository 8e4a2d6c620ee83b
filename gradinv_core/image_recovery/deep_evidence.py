"""Deep evidence: the layer below the head knows lambda, whatever the label is (our derivation).

A candidate lambda gives the head's input ``x = lambda g_r`` and the loss gradient there, ``W^T c / lambda``. Read back
through the activation, that is the gradient ``delta`` at the output of the layer below, and that layer's own gradient
must agree with it:

    with a bias:     dL/db is delta, summed over the positions of a convolution;
    without one:     dL/dW = delta x^T of a linear layer has delta as its left factor.

These are many equations in the one unknown lambda. For a sigmoid ``dL/db = sum g q - lambda sum g^2 q`` is a straight
line; for a ReLU it is one in 1 / lambda. Only where the layer is positively homogeneous and has no bias do lambda and
1 / lambda cancel, and nothing is learned.

At the end of a residual network stands a sum, which hands its batch norm the same gradient, and an average over P
positions. Of a channel's P units some whole number n was active, 1 to P where the average is not nought, and dL/db is
n / P of what arrives: lambda makes all of these numbers whole at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from gradinv_core.arrays import ArrayLike
from gradinv_core.gradients import GradientsLike, read_gradients
from gradinv_core.head import ObservedHead, factor_heads, find_head, view_head
from gradinv_core.head.consistency import SIMPLEX_SIGMAS, fit
from gradinv_core.head.structures import LabelStructure
from gradinv_core.image_recovery.layer_evidence import LayerEvidence, is_clean, layer_evidence
from gradinv_core.label_recovery import LabelRecovery, Status, Window, answer_known_lambda, recover_label
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.label_recovery.report import report
from gradinv_core.label_recovery.what_came import in_sent_units
from gradinv_core.losses import training_loss

__all__ = ["layer_below", "recover_from_gradients"]

_STARTS = np.geomspace(0.5, 1e7, 64)  # of |lambda|, for Gauss and Newton
_ROUNDS = 60
_LONGEST_STEP = 2.0  # in log lambda
_SETTLED = 1e-12  # relative step at which a start has arrived
_SHARP = 3e-5  # relative width of the head's own answer below which nothing is gained by asking further
_SAME = 1e-5  # relative distance of two roots that are one
_GOOD = 30.0  # misfit per degree of freedom that roughly known rounding still explains
_BLIND = 0.1  # relative standard deviation from which a root says nothing
_SIGMAS = 1.96


def layer_below(
    model: nn.Module,
    gradients: GradientsLike,
    *,
    noise_std: float | None = None,
    sigmas: float = _SIGMAS,
    head: str | None = None,
) -> tuple[Mode, ...] | None:
    """Every lambda that explains the gradient of the layer below the head, whatever label it means.

    One positive factor in front of the whole gradient changes nothing: lambda takes it up.

    Args:
        model: as in `recover_from_gradients`.
        gradients: as in `recover_from_gradients`.
        noise_std: standard deviation of noise added to each gradient entry, if known; it is measured too.
        sigmas: half width of the ranges in standard deviations.
        head: as in `recover_from_gradients`.

    Returns:
        One mode for every lambda, best first; none if the layer's gradient fits nowhere although the head's is clean
        and every lambda was looked at; None if the layer says nothing.

    Raises:
        As `recover_from_gradients`.
    """
    sent, name = read_gradients(model, gradients), find_head(model, head)
    view = view_head(model, sent, name)
    observed = factor_heads(view.weight, view.weight_grad[None], view.bias, noise_std)
    if observed.vanished[0]:
        return None
    evidence = layer_evidence(model, sent, observed, view.weight_grad, noise_std, name)
    if evidence is None:
        return None
    found = _roots(evidence, sigmas)
    if found.modes:
        return tuple(found.modes)
    clean = is_clean(observed, view.weight_grad, noise_std)
    return () if clean and not found.blind and evidence.reached_by(_STARTS[-1]) else None


def recover_from_gradients(
    model: nn.Module,
    gradients: GradientsLike,
    *,
    head: str | None = None,
    label_format: str | LabelStructure = "unknown",
    gradient_scale: str = "known",
    temperature: float = 1.0,
    class_weights: ArrayLike | None = None,
    input_shape: Sequence[int] | None = None,
) -> LabelRecovery:
    """Recover label and feature from the gradients of the whole network.

    The head is asked first. Where it leaves more than a sliver of lambda, as for one-hot predictions and for labels
    without structure, the layer below it is asked too; ``window`` says which of them decided. That layer knows lambda,
    and so the feature, whatever the label and the loss; the label is then tested as `recover_label` tests it.

    Args:
        model: the network, with the weights the client used. The layer below the head is found where it stands in the
            same ``nn.Sequential``, and with ``input_shape`` in any network whose ``forward`` can be followed.
        gradients: of one sample, anything that `read_gradients` takes.
        head: name of the last layer, which the labels belong to; None looks for it, see `find_head`.
        label_format: as in `recover_label`, like every option that follows.
        gradient_scale: see `recover_label`.
        temperature: see `recover_label`.
        class_weights: see `recover_label`.
        input_shape: (channels, height, width) of the picture.

    Returns:
        As `recover_label`; with ``window`` "layer below" where that layer decided.

    Raises:
        OptionError: the network has no linear layer, several that may be the last, its gradient is missing, or an
            option is unknown.
        ShapeError, NonFiniteError, RankError: the gradients do not fit the network or one sample.
        ClassCountError: too few classes for the label format.
    """
    loss = training_loss(temperature, class_weights)
    sent, name = read_gradients(model, gradients), find_head(model, head)
    view = view_head(model, sent, name)
    answer = recover_label(
        *view,
        label_format=label_format,
        gradient_scale=gradient_scale,
        temperature=temperature,
        class_weights=class_weights,
    )
    sure = answer.status is Status.UNIQUE
    if answer.status is Status.VANISHED or (answer.feature_known and _width(answer) < _SHARP) or len(view.weight) == 1:
        return answer
    observed = factor_heads(view.weight, view.weight_grad[None], view.bias)
    evidence = layer_evidence(model, sent, observed, view.weight_grad, last_layer=name, input_shape=input_shape)
    if evidence is None:
        return answer
    if not loss.is_plain:
        observed = factor_heads(view.weight, view.weight_grad[None], view.bias, loss=loss)
    found = _roots(evidence, _SIGMAS)
    modes = [_in_honest_units(mode, loss.unit) for mode in found.modes]
    if len(modes) > 1:  # then the label may choose among them
        modes = [mode for mode in modes if _is_label(observed, mode)]
    if sure:  # then the layer below may sharpen what the head knows, and nothing else
        known, width = answer.scale * loss.unit, _width(answer)
        modes = [mode for mode in modes if abs(mode.scale / known - 1) < 2 * width]
        modes = [] if len(modes) > 1 else [mode for mode in modes if mode.high - mode.low <= width * abs(known)]
    if not modes:
        return answer
    evaluations = answer.evaluations + found.evaluations
    if len(modes) > 1:
        search = Search(tuple(modes), complete=True, evaluations=evaluations)
        return in_sent_units(report(observed, search, None, "layer_below", Window.LAYER_BELOW), loss)
    (mode,) = modes
    return in_sent_units(answer_known_lambda(observed, mode, label_format, gradient_scale, evaluations), loss)


def _in_honest_units(mode: Mode, unit: float) -> Mode:
    """A range of lambda for gradients divided by the loss's unit."""
    return mode._replace(scale=mode.scale * unit, low=mode.low * unit, high=mode.high * unit)


def _width(answer: LabelRecovery) -> float:
    """Relative width of the range of lambda that the head leaves."""
    return sum(high - low for low, high in answer.intervals) / abs(answer.scale)


class _Roots(NamedTuple):
    """What the search found: the roots, and whether it saw lambdas that fit but are not singled out."""

    modes: list[Mode]
    blind: bool
    evaluations: int


def _roots(evidence: LayerEvidence, sigmas: float) -> _Roots:
    """Every lambda that explains the layer below, by Gauss and Newton from many starts at once."""
    scales = evidence.starts(_STARTS)
    limits = torch.where(scales > 0, evidence.largest(1), evidence.largest(-1))
    evaluations = 0
    for _ in range(_ROUNDS):
        if not len(scales):
            return _Roots([], False, evaluations)
        residual, derivative, std = evidence.residuals(scales)
        evaluations += len(scales)
        weights = std**-2.0
        information = (weights * derivative**2).sum(-1)
        step = -(weights * residual * derivative).sum(-1) / information.clamp(min=1e-300)
        moved = scales * torch.exp(step.clamp(-_LONGEST_STEP, _LONGEST_STEP))
        moved = moved.sign() * moved.abs().clamp(_STARTS[0], _STARTS[-1]).minimum(limits)
        still = float((moved / scales - 1).abs().max()) < _SETTLED
        scales = moved
        if still:
            break
    modes: list[Mode] = []
    blind = False
    for scale in sorted(set(scales.tolist())):
        if any(abs(scale / mode.scale - 1) < _SAME for mode in modes):
            continue
        misfit, known, step_left, freedom = _judge(evidence, scale)
        if misfit > _GOOD:
            continue
        relative = sigmas * max(1.0, misfit) ** 0.5 / max(known, 1e-300) ** 0.5 + 4 * evidence.rounding
        if known * _BLIND**2 < 1 or abs(step_left) > relative:  # it fits, but so do its neighbours
            blind = True
            continue
        ends = sorted((scale * (1 - relative), scale * (1 + relative)))
        modes.append(Mode(scale, ends[0], ends[1], 1 / scale, misfit, freedom, relative))
    return _Roots(sorted(modes, key=lambda mode: mode.misfit), blind, evaluations)


def _judge(evidence: LayerEvidence, scale: float) -> tuple[float, float, float, int]:
    """Misfit per degree of freedom at one lambda; information on log lambda; Newton's next step; degrees of freedom."""
    residual, derivative, std = (part[0] for part in evidence.residuals(torch.tensor([scale], dtype=torch.float64)))
    residual, derivative = residual / std, derivative / std
    information = float(derivative.square().sum())
    step = -float((residual * derivative).sum()) / max(information, 1e-300)
    freedom = len(residual) - 1 - (0 if evidence.sums else 1)
    return float(residual.square().sum()) / max(freedom, 1), information, step, freedom


def _is_label(head: ObservedHead, mode: Mode) -> bool:
    """Whether the label this lambda implies is a probability vector, as far as lambda's own error allows."""
    result = fit(head, np.array([[mode.scale]]), None)
    drift = np.abs(result.slope[0, 0]) * (mode.high - mode.low)
    allowed = SIMPLEX_SIGMAS * result.std[0, 0] + drift + 1e-6
    label = result.labels[0, 0]
    return bool(np.all((label >= -allowed) & (label <= 1 + allowed)))
