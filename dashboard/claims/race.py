"""What the page says of the race: who found λ, who knew, and whether it was the true one at all."""

from collections.abc import Sequence

from dashboard.claims.claim import Claim, Kind
from dashboard.claims.truth import RIGHT_FEATURE
from dashboard.drawing.number_text import plain
from gradinv_core.label_recovery import LabelRecovery, Status
from gradinv_core.label_recovery.paper_search import Ending
from gradinv_core.label_recovery.race import Outcome, Racer, RaceVerdict, verdict

__all__ = ["finding", "race_finding"]

_COUNTS = ("None", "One", "Two", "Three", "All four")


def race_finding(racers: Sequence[Racer], found: LabelRecovery, true_scale: float | None) -> Claim:
    """The line above the race.

    Args:
        racers: the four.
        found: the server's answer, which judges them.
        true_scale: the client's λ, to hold that answer against; None to trust it.
    """
    settled = found.status is Status.UNIQUE
    if settled and true_scale is not None and abs(found.scale / true_scale - 1) > RIGHT_FEATURE:
        text = f"This gradient was changed: all solvers look for a wrong λ, and the true one is {plain(true_scale, 4)}"
        return Claim(Kind.RACE_MISLED, text, {"scale": found.scale})
    text = finding(racers, [verdict(racer, found) for racer in racers], settled=settled)
    return Claim(Kind.RACE, text, {"scale": found.scale} if settled else {})


def finding(racers: Sequence[Racer], verdicts: Sequence[RaceVerdict], settled: bool) -> str:
    """What the race shows, in one line.

    Args:
        racers: the four.
        verdicts: where each ended.
        settled: whether the gradient leaves one answer only.
    """
    if not settled:
        open_ones = sum(racer.status is Outcome.AMBIGUOUS and bool(racer.intervals) for racer in racers)
        return f"Many λ fit. {_COUNTS[open_ones]} of four solvers {'says' if open_ones == 1 else 'say'} so"
    right = verdicts.count(RaceVerdict.RIGHT)
    if not right:
        return "No solver found λ by this curve alone"
    knew = sum(racer.knows for racer in racers)
    stopped = [
        judged for racer, judged in zip(racers, verdicts, strict=True) if racer.ending is not Ending.OUT_OF_STEPS
    ]
    wrong = stopped.count(RaceVerdict.LOCAL_MINIMUM)
    who = "All four solvers" if right == len(racers) else f"{_COUNTS[right]} of four solvers"
    title = f"{who} found λ, {_COUNTS[knew].lower()} knew"
    return f"{title}; {_COUNTS[wrong].lower()} stopped at a wrong one" if wrong else title
