"""What the page says of the four windows: what they leave together, and whether the true λ is among it."""

import math

from dashboard.claims.claim import Claim, Kind
from dashboard.claims.plain_words import in_words
from dashboard.drawing.number_text import plain
from gradinv_core.windows import FourWindows, WindowsStatus

__all__ = ["windows_verdict"]

_KINDS = {
    WindowsStatus.UNIQUE: Kind.WINDOWS_ONE,
    WindowsStatus.AMBIGUOUS: Kind.WINDOWS_OPEN,
    WindowsStatus.NOTHING: Kind.WINDOWS_OPEN,
    WindowsStatus.CONTRADICTION: Kind.WINDOWS_NONE,
}
_SLACK = 1e-3  # relative distance from an end at which the truth still counts as inside


def windows_verdict(found: FourWindows, true_scale: float | None, condition: str = "") -> Claim:
    """The box above the windows.

    Args:
        found: by `gradinv_core.windows.four_windows`.
        true_scale: the client's λ of the same row, None where there is none to compare with.
        condition: what the label's own answer rests on, as the end of a sentence that begins with "if".
    """
    title, _, reason = found.sentence.partition(": ")
    reason = in_words(f"{reason[:1].upper()}{reason[1:]}")
    kind = _KINDS[found.status]
    if true_scale is not None and found.intersection and not _holds(found, true_scale):
        text = f"**{title}, and not the truth.** {reason} But the true λ, {plain(true_scale, 4)}, is not among them"
        return Claim(Kind.WINDOWS_MISSED, f"{text}: this gradient is not what the server takes it for.")
    if kind is Kind.WINDOWS_ONE and condition:
        title = f"{title}, if {in_words(condition)}"
    return Claim(kind, f"**{title}.** {reason}", note=condition)


def _holds(found: FourWindows, true_scale: float) -> bool:
    return any(
        low <= true_scale <= high
        or any(math.isclose(end, true_scale, rel_tol=_SLACK) for end in (low, high) if math.isfinite(end))
        for low, high in found.intersection
    )
