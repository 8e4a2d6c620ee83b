"""The race: four solvers on one curve, where each ended, and whether it would have known."""

import math
from typing import Literal

import streamlit as st

from dashboard.claims import Kind
from dashboard.claims.cause import VANISHED
from dashboard.claims.plain_words import in_words
from dashboard.claims.race import finding, race_finding
from dashboard.components import RaceData, Track, solver_race
from dashboard.drawing.number_text import plain
from gradinv_core.experiments.server.attack import LabelAttack
from gradinv_core.label_recovery import LabelRecovery, Status, Window
from gradinv_core.label_recovery.paper_search import LBFGS_BOUND, SWARM_SEGMENTS, Ending
from gradinv_core.label_recovery.race import Outcome, Racer, RaceVerdict, Solver, verdict
from gradinv_core.label_recovery.racer import AGREEMENT

__all__ = ["finding", "show"]

Tone = Literal["right", "wrong", "open", "none"]

_SENTENCES = {
    True: "Four solvers look for λ in the same gradient. The paper's two searches keep to the paper's bounds.",
    False: "Four solvers look for λ in the same gradient. The paper's two searches have no bounds here.",
}
_EXPLANATION = (
    "A solver tries values of λ, one evaluation each, and looks for one at which the label makes sense. All four start "
    "from the same gradient and know nothing else. L-BFGS walks downhill on the paper's loss. A swarm is 500 particles "
    "that pull each other towards the best of them. The scan tries λ everywhere; the closed form computes it."
)
_CAPTION = (
    "How to read it: left and right is λ, up and down is the paper's loss; low is good. Press play, or move the "
    "slider, to see who looks where. Orange dots are the λ that the paper's searches try, blue marks are ours. A "
    "cross means that a search gave up. The paper's searches stop at the first small loss: right or wrong, they cannot "
    "tell."
)
_BOUNDLESS_CAPTION = (
    " Far out the paper's loss is small although nothing is there. Only bounds keep its searches from stopping there."
)
_KINDS: dict[Solver, Literal["closed-form", "scan", "lbfgs", "swarm"]] = {
    Solver.CLOSED_FORM: "closed-form",
    Solver.SCAN: "scan",
    Solver.PAPER_LBFGS: "lbfgs",
    Solver.PAPER_SWARM: "swarm",
}
_EXPLANATIONS = {
    Solver.CLOSED_FORM: "Ours. Three classes that share a value leave exactly one λ; it is computed, not searched for.",
    Solver.SCAN: "Ours. It tries λ everywhere on a fine grid, then refines every dip. Slower, but it always answers.",
    Solver.PAPER_LBFGS: "The paper's first search: downhill from +1, then from −1, with skips where the loss is flat.",
    Solver.PAPER_SWARM: "The paper's second search: 500 particles per range of λ, in ranges further and further out.",
}
_VERDICTS: dict[RaceVerdict, tuple[str, Tone]] = {
    RaceVerdict.RIGHT: ("the exact λ", "right"),
    RaceVerdict.LOCAL_MINIMUM: ("stopped at a wrong λ", "wrong"),
    RaceVerdict.OUT_OF_BOUND: ("gave up: out of bound", "none"),
    RaceVerdict.UNDECIDED: ("one of many that fit", "open"),
    RaceVerdict.NOTHING: ("found nothing", "none"),
}
_ELSEWHERE = {
    Window.BIAS: " The exact λ comes from the gradient of the bias, which none of the four looks at.",
    Window.LAYER_BELOW: " The exact λ comes from the layer below the head, which none of the four looks at.",
    Window.SIMPLEX: " The exact λ comes from the rule that no share is below 0; of the four, only the scan knows it.",
}


def show(
    attack: LabelAttack, racers: tuple[Racer, ...], *, bounded: bool, true_scale: float | None = None, dark: bool
) -> None:
    """Draw the race.

    Args:
        attack: the server's answer, which judges, and the landscape it stands in.
        racers: what `gradinv_core.label_recovery.race.race` returned for the same head.
        bounded: whether the paper's searches kept to the paper's bounds.
        true_scale: the client's λ, to hold the server's answer against; None to trust it.
        dark: whether the page is dark.
    """
    found, curve = attack.recovery, attack.curve
    if found.status is Status.VANISHED:
        st.warning(VANISHED, icon=":material/block:")
        return
    verdicts = [verdict(racer, found) for racer in racers]
    settled = found.status is Status.UNIQUE
    title = race_finding(racers, found, true_scale)
    misled = title.kind is Kind.RACE_MISLED
    elsewhere = _ELSEWHERE.get(found.window, "") if settled and not misled else ""
    st.markdown(_SENTENCES[bounded] + elsewhere, help=_EXPLANATION)
    data = RaceData(
        title=title.text,
        caption=_CAPTION if bounded else _CAPTION + _BOUNDLESS_CAPTION,
        scales=curve.scales,
        paper_loss=curve.paper_loss,
        scale_free_loss=curve.scale_free_loss,
        tracks=[_track(racer, judged, found, misled=misled) for racer, judged in zip(racers, verdicts, strict=True)],
        exact_scale=found.scale,
        intervals=found.intervals,
        ambiguous=not settled,
        swarm_bound=SWARM_SEGMENTS[-1][1] if bounded else None,
        lbfgs_bound=LBFGS_BOUND if bounded else None,
        dark=dark,
    )
    solver_race(data, key="race")


def _track(racer: Racer, judged: RaceVerdict, found: LabelRecovery, *, misled: bool) -> Track:
    words, tone = _verdict(racer, judged, found)
    if misled:
        words, tone = "not the true λ", "wrong"
    return Track(
        kind=_KINDS[racer.name],
        name=str(racer.name),
        explanation=_EXPLANATIONS[racer.name],
        path=racer.path,
        losses=racer.losses,
        moves=racer.moves,
        counts=racer.counts,
        end=racer.end,
        evaluations=racer.evaluations,
        time=f"{plain(1000 * racer.seconds, 2)} ms" if racer.path else "–",
        ended_at="nowhere" if racer.end is None else plain(racer.end, 6),
        verdict=words,
        reason=in_words(racer.sentence),
        knew=_knew(racer),
        tone=tone,
    )


def _verdict(racer: Racer, judged: RaceVerdict, found: LabelRecovery) -> tuple[str, Tone]:
    """The verdict in words, and its mark. Who gave up and who stopped of its own accord are told apart."""
    if racer.ending is Ending.OUT_OF_STEPS and judged is RaceVerdict.LOCAL_MINIMUM:
        return "gave up: stuck at a wrong λ", "none"
    if racer.ending is Ending.OUT_OF_STEPS and judged is RaceVerdict.RIGHT:
        return "the exact λ, though its steps ran out", "right"
    settled = judged is RaceVerdict.OUT_OF_BOUND and found.status is Status.UNIQUE
    if settled and racer.end is not None and math.isclose(racer.end, found.scale, rel_tol=AGREEMENT):
        return "gave up, though its best was the exact λ", "none"
    return _VERDICTS[judged]


def _knew(racer: Racer) -> str:
    """Whether the solver itself can tell, in a few words."""
    if racer.knows:
        return "yes: it excludes all others"
    if not racer.name.ours:
        return "no"
    if racer.status is Outcome.NOTHING:
        return "it says that it has no answer"
    return "it says that others may fit"
