"""One front door to label recovery: check what came, have it solved, and answer in the units it came in."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from gradinv_core.arrays import ArrayLike, as_array, keep_type, stays_on_its_device, unit_roundoff
from gradinv_core.errors import ShapeError
from gradinv_core.head import ObservedHead, factor_heads
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery.crowd import solve_crowd
from gradinv_core.label_recovery.modes import Mode
from gradinv_core.label_recovery.request import Options, check_request
from gradinv_core.label_recovery.result import LabelRecovery, Window
from gradinv_core.label_recovery.solve import judged, solve_heads
from gradinv_core.label_recovery.what_came import as_two_classes, in_sent_units, refuse_transposed
from gradinv_core.losses import training_loss

__all__ = ["answer_known_lambda", "recover_label", "recover_labels"]

_BATCH_ENTRIES = 2**19  # gradient entries per block of recover_labels: 4 MB in float64 stay in the cache
_FEWEST, _FEWEST_ENTRIES = 8, 2**24  # fewer samples than this waste the solver's steps, as far as memory allows
_DEVICE_ENTRIES = 2**27  # on a GPU: 1 GB


def recover_label(
    weight: ArrayLike,
    weight_grad: ArrayLike,
    bias: ArrayLike | None = None,
    bias_grad: ArrayLike | None = None,
    *,
    label_format: str | LabelStructure = "unknown",
    solver: str = "auto",
    gradient_scale: str = "known",
    noise_std: float | None = None,
    nonnegative_feature: bool = False,
    confidence: float = 0.95,
    temperature: float = 1.0,
    class_weights: ArrayLike | None = None,
    seed: int | None = None,
) -> LabelRecovery:
    """Recover the soft label and the last-layer feature of one sample from the gradient of its head.

    Example:
        >>> import torch
        >>> weight, feature = torch.randn(10, 64) / 8, torch.rand(64)
        >>> label = torch.tensor([0.01] * 8 + [0.6, 0.32])
        >>> weight_grad = torch.outer(torch.softmax(weight @ feature, 0) - label, feature)
        >>> recover_label(weight, weight_grad).label_format
        'mixup+smoothing'

    Args:
        weight: (C, d) weights of the last fully connected layer. One row, a single logit with a sigmoid and binary
            cross-entropy, is taken as the two-class softmax it is: the label's second entry is the target.
        weight_grad: (C, d) their gradient under cross-entropy, from a single sample.
        bias: (C,) head bias; None for a bias-free head.
        bias_grad: (C,) its gradient. With it lambda and the feature are exact for any label and any loss.
        label_format: "unknown" (covers the next four), "hard", "smoothing", "mixup", "mixup+smoothing", "any"
            (nothing but the simplex), or a `LabelStructure` of your own.
        solver: "auto", "closed_form", "scan", or the paper's searches "swarm" and "lbfgs", which cannot prove anything.
        gradient_scale: "unknown" if the gradient may have been clipped or multiplied by a positive factor.
        noise_std: standard deviation of noise added to each gradient entry, if known; otherwise it is measured.
        nonnegative_feature: the feature is known to be non-negative (after ReLU or sigmoid), which fixes lambda's sign.
        confidence: probability that the intervals hold the true lambda, in (0, 1).
        temperature: T of a loss ``T^2 * cross_entropy(z / T, y)``, as in distillation. Without the factor T^2 the
            gradient is 1/T^2 of that: say ``gradient_scale="unknown"``.
        class_weights: (C,) weights w of a loss ``-sum w_i y_i log p_i``. A loss divided by the target's weight, as
            PyTorch's for class indices is, has an unknown scale.
        seed: seed of the particle swarm; the other solvers draw nothing.

    Returns:
        The best answer, and how far it can be trusted. It is called unique only where something could have refuted it:
        the gradient's rows add up to zero, the label has the format, and no factor fits better. What cannot be tested
        (fewer than five classes, format "any") stands in ``condition``.

    Raises:
        ShapeError, NonFiniteError: the arrays do not fit together or are not finite.
        RankError: the gradient is not that of one sample.
        ClassCountError: too few classes for the label format.
        OptionError: an option is unknown.
    """
    weight_grads = keep_type(weight_grad, "weight_grad")[None]
    if np.ndim(weight_grads) != 3:
        raise ShapeError(
            f"weight_grad: expected 2 axes (classes, features), got shape {tuple(np.shape(weight_grads)[1:])}; "
            f"pass one sample, or several to recover_labels."
        )
    loss = training_loss(temperature, class_weights)
    options = Options(label_format, solver, gradient_scale, noise_std, nonnegative_feature, confidence, seed, loss)
    bias_grads = None if bias_grad is None else keep_type(bias_grad, "bias_grad")[None]
    return _recover(weight, weight_grads, bias, bias_grads, options)[0]


def recover_labels(
    weight: ArrayLike,
    weight_grads: ArrayLike,
    bias: ArrayLike | None = None,
    bias_grads: ArrayLike | None = None,
    *,
    label_format: str | LabelStructure = "unknown",
    solver: str = "auto",
    gradient_scale: str = "known",
    noise_std: float | None = None,
    nonnegative_feature: bool = False,
    confidence: float = 0.95,
    temperature: float = 1.0,
    class_weights: ArrayLike | None = None,
    seed: int | None = None,
) -> list[LabelRecovery]:
    """`recover_label` for N independent samples that share one head, in one vectorised pass.

    Args:
        weight: (C, d) head weights.
        weight_grads: (N, C, d) one gradient per sample; tensors on a GPU are read there, and only vectors leave it.
        bias: (C,) head bias, or None.
        bias_grads: (N, C) gradients of the head bias, or None.
        label_format: as in `recover_label`, like every option that follows.
        solver: see `recover_label`.
        gradient_scale: see `recover_label`.
        noise_std: see `recover_label`.
        nonnegative_feature: see `recover_label`.
        confidence: see `recover_label`.
        temperature: see `recover_label`.
        class_weights: see `recover_label`.
        seed: see `recover_label`.

    Returns:
        N answers, in order. ``seconds`` is each sample's share of the whole.

    Raises:
        As `recover_label`.
    """
    grads = keep_type(weight_grads, "weight_grads")
    shape = tuple(np.shape(grads))
    if len(shape) != 3 or 0 in shape:
        raise ShapeError(
            f"weight_grads: expected 3 axes (samples, classes, features), none empty, got shape {shape}; "
            f"for one sample call recover_label."
        )
    bias_part = None if bias_grads is None else keep_type(bias_grads, "bias_grads")
    if bias_part is not None and len(bias_part) != shape[0]:
        raise ShapeError(f"bias_grads: expected one row per sample ({shape[0]}), got {len(bias_part)}.")
    loss = training_loss(temperature, class_weights)
    options = Options(label_format, solver, gradient_scale, noise_std, nonnegative_feature, confidence, seed, loss)
    block = _block(shape[1] * shape[2], on_device=stays_on_its_device(grads))
    weight = as_array(weight, "weight", "classes features")  # once, not for every block
    answers: list[LabelRecovery] = []
    for start in range(0, shape[0], block):
        part = slice(start, start + block)
        answers += _recover(weight, grads[part], bias, None if bias_part is None else bias_part[part], options, start)
    return answers


def _block(entries: int, *, on_device: bool) -> int:
    """How many gradients of so many entries are read at once."""
    if on_device:
        return max(1, _DEVICE_ENTRIES // entries)
    return max(1, _BATCH_ENTRIES // entries, min(_FEWEST, _FEWEST_ENTRIES // entries))


def answer_known_lambda(
    head: ObservedHead,
    mode: Mode,
    label_format: str | LabelStructure = "unknown",
    gradient_scale: str = "known",
    evaluations: int = 1,
) -> LabelRecovery:
    """The answer where the layer below the head told lambda, with its label tested as far as it can be.

    Args:
        head: a single observed head.
        mode: the one range of lambda.
        label_format: as in `recover_label`.
        gradient_scale: see `recover_label`.
        evaluations: how many lambdas were evaluated on the way.

    Raises:
        OptionError, ClassCountError: as `recover_label`.
    """
    options = Options(label_format, "auto", gradient_scale, None, False, 0.95, None)
    answer = judged(head, mode, check_request(head, options, True), "layer_below", Window.LAYER_BELOW)
    return replace(answer, evaluations=evaluations)


def _recover(
    weight: ArrayLike,
    weight_grads: ArrayLike,
    bias: ArrayLike | None,
    bias_grads: ArrayLike | None,
    options: Options,
    first: int = 0,
) -> list[LabelRecovery]:
    """Recover one block of samples, of which the first is number ``first``."""
    started = time.perf_counter()
    if bias_grads is not None and bias is None:
        raise ShapeError("bias: expected the head's bias along with bias_grad, got None; pass both or neither.")
    if np.ndim(weight) == 2 and len(weight) == 1:  # type: ignore[arg-type]
        weight, weight_grads, bias, bias_grads = as_two_classes(weight, weight_grads, bias, bias_grads)
    head = factor_heads(weight, weight_grads, bias, options.noise_std, first, options.loss)
    refuse_transposed(head, first)
    request = check_request(head, options, bias_grads is not None and options.solver == "auto")
    residuals = None
    if bias_grads is not None:
        residuals = as_array(bias_grads, "bias_grad", "samples classes") / options.loss.unit
        head = replace(head, rounding=np.maximum(head.rounding, unit_roundoff(bias_grads)))
        if residuals.shape != (len(head), head.classes):
            raise ShapeError(f"bias_grad: expected one entry per class ({head.classes}), got {residuals.shape[1]}.")
    solve = solve_crowd if stays_on_its_device(weight_grads) else solve_heads
    answers = [in_sent_units(answer, options.loss) for answer in solve(head, residuals, request)]
    seconds = (time.perf_counter() - started) / len(head)
    return [replace(answer, seconds=seconds) for answer in answers]
