"""One front door to label recovery: pick the cheapest solver that can prove itself and judge its answer."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from gradinv_core.arrays import Array, ArrayLike, as_array, keep_type, unit_roundoff
from gradinv_core.errors import ShapeError
from gradinv_core.head import ObservedHead, observe_heads
from gradinv_core.label_recovery import bias as bias_solver
from gradinv_core.label_recovery import closed_form, paper_search, scan
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.label_recovery.report import report, vanished_report, zero_feature_report
from gradinv_core.label_recovery.request import Options, Request, check_request
from gradinv_core.label_recovery.result import LabelRecovery, Window
from gradinv_core.label_structures import LabelStructure

__all__ = ["recover_label", "recover_labels"]

_BATCH_ENTRIES = 2**19  # gradient entries per block of recover_labels: 4 MB in float64 stay in the cache


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
        weight: (C, d) weights of the last fully connected layer.
        weight_grad: (C, d) their gradient under cross-entropy, from a single sample.
        bias: (C,) head bias; None for a bias-free head.
        bias_grad: (C,) its gradient. With it the answer is exact for any soft label.
        label_format: "unknown" (covers the next four), "hard", "smoothing", "mixup", "mixup+smoothing", "any"
            (nothing but the simplex), or a `LabelStructure` of your own.
        solver: "auto", "closed_form", "scan", or the paper's searches "swarm" and "lbfgs", which cannot prove anything.
        gradient_scale: "unknown" if the gradient may have been clipped or multiplied by a positive factor.
        noise_std: standard deviation of noise added to each gradient entry, if known; otherwise it is measured.
        nonnegative_feature: the feature is known to be non-negative (after ReLU or sigmoid), which fixes lambda's sign.
        confidence: probability that the intervals hold the true lambda, in (0, 1).
        seed: seed of the particle swarm; the other solvers draw nothing.

    Returns:
        The best answer, and how far it can be trusted.

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
    options = Options(label_format, solver, gradient_scale, noise_std, nonnegative_feature, confidence, seed)
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
    seed: int | None = None,
) -> list[LabelRecovery]:
    """`recover_label` for N independent samples that share one head, in one vectorised pass.

    Args:
        weight: (C, d) head weights.
        weight_grads: (N, C, d) one gradient per sample.
        bias: (C,) head bias, or None.
        bias_grads: (N, C) gradients of the head bias, or None.
        label_format: as in `recover_label`, like every option that follows.
        solver: see `recover_label`.
        gradient_scale: see `recover_label`.
        noise_std: see `recover_label`.
        nonnegative_feature: see `recover_label`.
        confidence: see `recover_label`.
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
    options = Options(label_format, solver, gradient_scale, noise_std, nonnegative_feature, confidence, seed)
    block = max(1, _BATCH_ENTRIES // (shape[1] * shape[2]))
    answers: list[LabelRecovery] = []
    for start in range(0, shape[0], block):
        part = slice(start, start + block)
        answers += _recover(weight, grads[part], bias, None if bias_part is None else bias_part[part], options, start)
    return answers


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
    head = observe_heads(weight, weight_grads, bias, options.noise_std, first)
    request = check_request(head, options)
    residuals = None
    if bias_grads is not None:
        residuals = as_array(bias_grads, "bias_grad", "samples classes")
        head = replace(head, rounding=np.maximum(head.rounding, unit_roundoff(bias_grads)))
        if residuals.shape != (len(head), head.classes):
            raise ShapeError(f"bias_grad: expected one entry per class ({head.classes}), got {residuals.shape[1]}.")
        if bias is None:
            raise ShapeError("bias: expected the head's bias along with bias_grad, got None; pass both or neither.")
    answers = _solve(head, residuals, request)
    seconds = (time.perf_counter() - started) / len(head)
    return [replace(answer, seconds=seconds) for answer in answers]


def _solve(head: ObservedHead, bias_grads: Array | None, request: Request) -> list[LabelRecovery]:
    structure, known_scale, sigmas = request.structure, request.known_scale, request.sigmas
    answers: list[LabelRecovery | None] = [None] * len(head)
    for index in np.flatnonzero(head.vanished):
        lonely_bias = bias_grads is not None and bias_grads[index].any() and known_scale
        if bias_grads is not None and lonely_bias and request.solver == "auto":
            answers[index] = zero_feature_report(head, int(index), bias_grads[index])
        else:
            answers[index] = vanished_report(head, int(index))
    pending = np.flatnonzero(~head.vanished)

    if bias_grads is not None and request.solver == "auto":
        for index in pending:
            one = head.take(np.array([index]))
            search = bias_solver.solve(one, bias_grads[index], structure, known_scale, sigmas)
            answers[index] = report(one, search, structure, "bias", Window.BIAS)
        pending = pending[:0]

    analytic = request.solver in ("auto", "closed_form") and closed_form.applicable(head, structure)
    if pending.size and analytic and structure is not None:
        rest = []
        for index, search in zip(
            pending, closed_form.solve(head.take(pending), structure, known_scale, sigmas), strict=True
        ):
            one = head.take(np.array([index]))
            search = _of_allowed_sign(one, search, request)
            if request.solver == "closed_form" or (search.complete and search.modes):
                answers[index] = report(one, search, structure, "closed_form", Window.LABEL_STRUCTURE)
            else:
                rest.append(index)
        pending = np.array(rest, dtype=int)

    for index in pending:
        answers[index] = _solve_one(head.take(np.array([index])), request)
    return [answer for answer in answers if answer is not None]


def _solve_one(head: ObservedHead, request: Request) -> LabelRecovery:
    """Scan or paper's search for a single head."""
    structure, known_scale = request.structure, request.known_scale
    if request.solver in ("swarm", "lbfgs") and structure is not None:
        return _paper(head, structure, request)
    signs = _allowed_signs(head, request)
    evaluations = 0
    if structure is not None:
        search = scan.solve(head, structure, known_scale, request.sigmas, signs)
        if search.modes or not known_scale:
            return report(head, search, structure, "scan", Window.LABEL_STRUCTURE)
        evaluations = search.evaluations  # no lambda makes the classes agree: the label has another structure, or none
    search = scan.solve(head, None, True, request.sigmas, signs)
    search = replace(search, evaluations=search.evaluations + evaluations)
    return report(head, search, None, "scan", Window.SIMPLEX, rejected=structure)


def _paper(head: ObservedHead, structure: LabelStructure, request: Request) -> LabelRecovery:
    """The paper's search. It stops at the first small loss, so it never proves that there is no other lambda."""
    if request.solver == "swarm":
        path = paper_search.swarm(paper_search.objective(head, structure), request.seed)
    else:
        path = paper_search.lbfgs(head, structure)
    mode = Mode(path.scale, -np.inf, np.inf, 1 / path.scale, 0.0, 0, 1.0)
    search = Search((mode,) if path.converged else (), complete=False, evaluations=path.evaluations)
    return report(head, search, structure, request.solver, Window.LABEL_STRUCTURE, fallback_scale=path.scale)


def _allowed_signs(head: ObservedHead, request: Request) -> tuple[int, ...]:
    if not request.nonnegative_feature:
        return (-1, 1)
    return (1,) if head.row_gradient[0].sum() > 0 else (-1,)


def _of_allowed_sign(head: ObservedHead, search: Search, request: Request) -> Search:
    signs = _allowed_signs(head, request)
    return replace(search, modes=tuple(mode for mode in search.modes if np.sign(mode.scale) in signs))
