"""The options of one recovery, checked once for both front doors."""

from __future__ import annotations

from dataclasses import dataclass

from gradinv_core.arrays import is_number
from gradinv_core.errors import ClassCountError, OptionError
from gradinv_core.head import ObservedHead
from gradinv_core.head.structures import LABEL_FORMATS, LabelStructure, label_structure
from gradinv_core.label_recovery import closed_form
from gradinv_core.label_recovery.modes import interval_sigmas
from gradinv_core.losses import CROSS_ENTROPY, TrainingLoss

__all__ = ["FEWEST_TO_TEST", "GRADIENT_SCALES", "SOLVERS", "Options", "Request", "check_request"]

SOLVERS = ("auto", "closed_form", "scan", "swarm", "lbfgs")
GRADIENT_SCALES = ("known", "unknown")
FEWEST_TO_TEST = 5
"""Fewest classes whose agreement says anything about format, scale and loss."""


@dataclass(frozen=True)
class Options:
    """The options as the caller gave them; see `recover_label`."""

    label_format: str | LabelStructure
    solver: str
    gradient_scale: str
    noise_std: float | None
    nonnegative_feature: bool
    confidence: float
    seed: int | None
    loss: TrainingLoss = CROSS_ENTROPY


@dataclass(frozen=True)
class Request:
    """The options, checked and in the solvers' terms."""

    structure: LabelStructure | None
    solver: str
    known_scale: bool
    nonnegative_feature: bool
    sigmas: float
    seed: int | None


def check_request(head: ObservedHead, options: Options, knows_lambda: bool = False) -> Request:
    """Check the options against the heads they are about.

    Args:
        head: the observed heads.
        options: as the caller gave them.
        knows_lambda: whether the gradient of a bias is there. Then no class is needed to find lambda, and a format that
            has too few classes left to be tested is not assumed at all.

    Raises:
        OptionError: an option is unknown, or two do not go together.
        ClassCountError: too few classes for the label format.
    """
    solver, gradient_scale, confidence = options.solver, options.gradient_scale, options.confidence
    if solver not in SOLVERS:
        raise OptionError(f"solver: expected one of {', '.join(SOLVERS)}, got {solver!r}.")
    if gradient_scale not in GRADIENT_SCALES:
        raise OptionError(f"gradient_scale: expected one of {', '.join(GRADIENT_SCALES)}, got {gradient_scale!r}.")
    if not is_number(confidence) or not 0 < confidence < 1:
        raise OptionError(f"confidence: expected a number between 0 and 1, got {confidence!r}.")
    if options.seed is not None and not (isinstance(options.seed, int) and options.seed >= 0):
        raise OptionError(f"seed: expected a whole number >= 0 or None, got {options.seed!r}.")
    structure = _structure(head.classes, options, knows_lambda)
    if structure is None and gradient_scale == "unknown" and not knows_lambda:
        raise OptionError(
            "label_format: 'any' with gradient_scale 'unknown' leaves every lambda possible without the gradient of a "
            "bias; name a label structure."
        )
    if solver == "closed_form" and not closed_form.applicable(head, structure):
        raise OptionError(
            "solver: 'closed_form' needs a bias-free head and a label format that leaves three classes with one shared "
            "value; use 'auto' or 'scan'."
        )
    if solver in ("swarm", "lbfgs") and (structure is None or gradient_scale == "unknown"):
        raise OptionError(f"solver: {solver!r} is the paper's search; it needs a label structure and a known scale.")
    return Request(
        structure,
        solver,
        gradient_scale == "known",
        options.nonnegative_feature,
        interval_sigmas(confidence),
        options.seed,
    )


def _structure(classes: int, options: Options, knows_lambda: bool) -> LabelStructure | None:
    known_scale = options.gradient_scale == "known"
    if not knows_lambda:
        return label_structure(options.label_format, classes, known_scale)
    if options.label_format == "unknown" and classes < FEWEST_TO_TEST:
        return None
    try:
        return label_structure(options.label_format, classes, known_scale)
    except ClassCountError:
        # Named formats bind with fewer classes, too, because lambda is no unknown.
        return LABEL_FORMATS[options.label_format] if isinstance(options.label_format, str) else options.label_format
