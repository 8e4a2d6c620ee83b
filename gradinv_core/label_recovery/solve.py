"""From observed heads to answers: the cheapest solver that can prove itself, and every objection heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradinv_core.arrays import Array
from gradinv_core.errors import ClassCountError
from gradinv_core.head import ObservedHead
from gradinv_core.head.structures import LabelStructure
from gradinv_core.label_recovery import closed_form, paper_search, scan
from gradinv_core.label_recovery.bias import known_lambda, without_feature
from gradinv_core.label_recovery.known_lambda import judge_label
from gradinv_core.label_recovery.modes import Mode, Search
from gradinv_core.label_recovery.report import (
    candidates_at,
    report,
    report_known_lambda,
    report_rescaled,
    report_row_sums,
    vanished_report,
)
from gradinv_core.label_recovery.request import Request
from gradinv_core.label_recovery.result import Candidate, Doubt, LabelRecovery, Window
from gradinv_core.label_recovery.sentences import WITHOUT_FEATURE
from gradinv_core.label_recovery.what_came import sums_up

__all__ = ["judged", "solve_heads"]


def solve_heads(head: ObservedHead, bias_grads: Array | None, request: Request) -> list[LabelRecovery]:
    """Answer N heads: the bias route where there is a bias gradient, else the closed form, else the scan.

    Args:
        head: N observed heads.
        bias_grads: (N, C) gradients of the head bias in the head's units, or None.
        request: the checked options.
    """
    structure, known_scale, sigmas = request.structure, request.known_scale, request.sigmas
    answers: list[LabelRecovery | None] = [None] * len(head)
    of_bias = bias_grads is not None and request.solver == "auto"
    for index in np.flatnonzero(head.vanished):
        answers[index] = vanished_report(head, int(index))
        if bias_grads is not None and of_bias and known_scale and bias_grads[index].any():
            seen, mode = without_feature(head.take(np.array([index])), bias_grads[index])
            answer = judged(seen, mode, request, "bias", Window.BIAS)
            answers[index] = replace(answer, message=f"{WITHOUT_FEATURE} {answer.message}")
    pending = np.flatnonzero(~head.vanished)

    if bias_grads is not None and of_bias:
        for index in pending:
            one = head.take(np.array([index]))
            mode = known_lambda(one, bias_grads[index], sigmas)
            answers[index] = judged(one, mode, request, "bias", Window.BIAS)
        pending = pending[:0]

    analytic = request.solver in ("auto", "closed_form") and closed_form.applicable(head, structure)
    if pending.size and analytic and structure is not None:
        together = head.take(pending)
        searches = closed_form.solve(together, structure, known_scale, sigmas)
        at_once = _lone_candidates(together, searches, structure)
        rest = []
        for place, (index, search) in enumerate(zip(pending, searches, strict=True)):
            one = head.take(np.array([index]))
            found = _of_allowed_sign(one, search, request)
            if request.solver == "closed_form" or (found.complete and found.modes):
                ready = at_once.get(place) if found is search else None
                answer = report(
                    *(one, found, structure, "closed_form", Window.LABEL_STRUCTURE),
                    known_scale=known_scale,
                    candidates=ready,
                )
                answers[index] = _checked(one, answer, structure)
            else:
                rest.append(index)
        pending = np.array(rest, dtype=int)

    for index in pending:
        answers[index] = _solve_one(head.take(np.array([index])), request)
    return [answer for answer in answers if answer is not None]


def _lone_candidates(
    head: ObservedHead, searches: Sequence[Search], structure: LabelStructure
) -> dict[int, list[Candidate]]:
    """The candidate of every head that has exactly one, by the head's place: most have, and together it takes less."""
    places = [place for place, search in enumerate(searches) if len(search.modes) == 1]
    if not places:
        return {}
    found = candidates_at(head.take(np.array(places)), [searches[place].modes[0] for place in places], structure)
    return {place: [candidate] for place, candidate in zip(places, found, strict=True)}


def _solve_one(head: ObservedHead, request: Request) -> LabelRecovery:
    """Scan or paper's search for a single head."""
    structure, known_scale = request.structure, request.known_scale
    if request.solver in ("swarm", "lbfgs") and structure is not None:
        return _paper(head, structure, request)
    signs = scan.possible_signs(head, request.nonnegative_feature)
    evaluations = 0
    if structure is not None:
        search = scan.solve(head, structure, known_scale, request.sigmas, signs)
        if search.modes or not known_scale:
            answer = report(head, search, structure, "scan", Window.LABEL_STRUCTURE, known_scale=known_scale)
            if not (answer.doubt is Doubt.FORMAT and known_scale):
                return _checked(head, answer, structure)
            return _with_any_factor(head, structure, request) or _checked(head, answer, structure)
        evaluations = search.evaluations  # no lambda makes the classes agree: was the gradient multiplied?
        rescaled = _with_any_factor(head, structure, request)
        if rescaled is not None:
            return rescaled
    search = scan.solve(head, None, True, request.sigmas, signs)
    search = replace(search, evaluations=search.evaluations + evaluations)
    return _checked(head, report(head, search, None, "scan", Window.SIMPLEX, rejected=structure), structure)


def _with_any_factor(head: ObservedHead, structure: LabelStructure, request: Request) -> LabelRecovery | None:
    """The one answer that fits once the gradient is divided by some factor; None where that is not certain."""
    try:
        structure.check(head.classes, False)
    except ClassCountError:
        return None
    if not sums_up(head, structure):
        return None
    if closed_form.applicable(head, structure):
        search = _of_allowed_sign(head, closed_form.solve(head, structure, False, request.sigmas)[0], request)
        if search.complete:
            return report_rescaled(head, search, structure, "closed_form") if search.modes else None
    search = scan.solve(head, structure, False, request.sigmas, scan.possible_signs(head, request.nonnegative_feature))
    return report_rescaled(head, search, structure, "scan") if search.modes else None


def judged(head: ObservedHead, mode: Mode, request: Request, solver: str, window: Window) -> LabelRecovery:
    """The answer at a known lambda, tested as far as it can be."""
    verdict = judge_label(head, mode, request.structure, request.known_scale, request.sigmas)
    answer = report_known_lambda(
        head, mode, verdict, request.structure, solver, window, known_scale=request.known_scale
    )
    return _checked(head, answer, request.structure)


def _checked(head: ObservedHead, answer: LabelRecovery, structure: LabelStructure | None) -> LabelRecovery:
    """The answer, unless the rows of the gradient object to all that it takes for granted."""
    nowhere = answer.intervals == [(-np.inf, np.inf)]
    farthest = 1.0 if nowhere else max(abs(end) for ends in answer.intervals for end in ends)
    return answer if sums_up(head, structure, farthest) else report_row_sums(answer, head)


def _paper(head: ObservedHead, structure: LabelStructure, request: Request) -> LabelRecovery:
    """The paper's search. It stops at the first small loss, so it never proves that there is no other lambda."""
    if request.solver == "swarm":
        path = paper_search.swarm(paper_search.objective(head, structure), request.seed)
    else:
        path = paper_search.lbfgs(head, structure)
    mode = Mode(path.scale, -np.inf, np.inf, 1 / path.scale, 0.0, 0, 1.0)
    search = Search((mode,) if path.converged else (), complete=False, evaluations=path.evaluations)
    return report(head, search, structure, request.solver, Window.LABEL_STRUCTURE, fallback_scale=path.scale)


def _of_allowed_sign(head: ObservedHead, search: Search, request: Request) -> Search:
    if not request.nonnegative_feature:
        return search
    signs = scan.possible_signs(head, True)
    return replace(search, modes=tuple(mode for mode in search.modes if np.sign(mode.scale) in signs))
