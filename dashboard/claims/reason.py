"""What stands in the server's way, in the order in which it matters: the card's own failure, label, picture, search."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from dashboard.claims.cause import named
from dashboard.claims.claim import Claim, Kind
from dashboard.claims.label import verdict
from dashboard.claims.plain_words import in_words
from dashboard.claims.server import Server
from dashboard.claims.truth import Truth
from dashboard.drawing.number_text import plain
from gradinv_core.diagnosis import Cause, Diagnosis
from gradinv_core.label_recovery import LabelRecovery, Status
from gradinv_core.label_recovery.race import Racer, RaceVerdict, Solver
from gradinv_core.label_recovery.race import verdict as race_verdict

__all__ = ["SEARCH_TITLES", "Level", "of_label", "of_picture", "of_search", "reasons"]


class Level(StrEnum):
    """What a failure is a failure of."""

    LABEL = "label"
    PICTURE = "picture"
    SEARCH = "search"


SEARCH_TITLES = {
    RaceVerdict.LOCAL_MINIMUM: "Stopped at a wrong λ",
    RaceVerdict.OUT_OF_BOUND: "Left its bounds",
}
"""For a search of the paper's that failed."""

_FINE = (Kind.LABEL_LEAKS, Kind.NOTHING_WRONG)


def of_label(diagnosis: Diagnosis, server: Server | None = None, truth: Truth | None = None) -> Claim:
    """What became of the label.

    Args:
        diagnosis: the server's own.
        server: its results, None where it could not even begin.
        truth: the client's side, to hold a certain answer against.
    """
    if diagnosis.cause is Cause.NONE:
        if server is not None and truth is not None:
            judged = verdict(server, truth)
            if judged.kind is not Kind.UNIQUE:
                return judged
            if judged.note:
                return replace(judged, kind=Kind.LABEL_LEAKS, text=f"**The label leaks.** {judged.text}")
        return Claim(Kind.LABEL_LEAKS, f"**The label leaks.** {in_words(diagnosis.message)}")
    title, message = named(diagnosis)
    return Claim(Kind.CAUSE, f"**{title}.** {message}", note=str(diagnosis.cause))


def of_picture(diagnosis: Diagnosis) -> Claim:
    """What became of the picture, once the label is known."""
    if diagnosis.cause is Cause.NONE:
        return Claim(Kind.NOTHING_WRONG, "**The picture leaks.** Every layer gives its input away.")
    title, message = named(diagnosis)
    return Claim(Kind.CAUSE, f"**{title}.** {message}", note=str(diagnosis.cause))


def of_search(racers: Sequence[Racer], found: LabelRecovery) -> Claim | None:
    """The first of the paper's searches that failed although one λ fits; None where none did."""
    if found.status is not Status.UNIQUE:
        return None
    for racer in racers:
        judged = race_verdict(racer, found)
        if racer.name in (Solver.PAPER_LBFGS, Solver.PAPER_SWARM) and judged in SEARCH_TITLES:
            last = plain(float(racer.path[-1][0]) if racer.end is None else racer.end, 3)
            text = (
                f"**{SEARCH_TITLES[judged]}.** {in_words(racer.sentence)} It ended at {last}; the exact answer is "
                f"{plain(found.scale, 4)}."
            )
            return Claim(Kind.SEARCH_FAILED, text, note=str(racer.name))
    return None


def reasons(found: dict[Level, Claim | None], own: Level | None, announced: Claim | None = None) -> list[Claim]:
    """All there is to say, the most important first.

    Args:
        found: what was found out at each level; None where nothing is known (yet).
        own: the level at which the scenario is known to fail, because it is one of the gallery's.
        announced: what the gallery says of it, for as long as nothing was found out at that level.
    """
    if own is not None and announced is not None and found.get(own) is None:
        found = {**found, own: announced}
    order = sorted(Level, key=lambda level: level is not own)
    known = {level: claim for level in order if (claim := found.get(level)) is not None}
    failures = [claim for level, claim in known.items() if claim.kind not in _FINE]
    if own is None:
        search = known.get(Level.SEARCH)
        failures = [claim for claim in failures if claim is not search] + ([search] if search is not None else [])
    fine = [claim for claim in known.values() if claim.kind in _FINE]
    if not failures and len(fine) == 2:
        label = known[Level.LABEL].text.removeprefix("**The label leaks.** ")
        return [Claim(Kind.NOTHING_WRONG, f"**Nothing went wrong.** Label, feature and picture leak. {label}")]
    return [*failures, *fine]
