"""What the page says of the input of the last layer, and of the one number that its size hangs on."""

import math

from dashboard.claims.claim import Claim, Kind
from dashboard.claims.server import Server
from dashboard.claims.truth import EXACT_PATTERN, RIGHT_FEATURE, Truth
from dashboard.drawing.number_text import plain
from gradinv_core.label_recovery import Status

__all__ = ["curve_finding", "feature_finding", "feature_lead"]

_MOST_RANGES = 2


def feature_lead(server: Server, truth: Truth) -> Claim:
    """The step's sentence."""
    if server.tampered or server.noisy or truth.pattern(server.answer.feature) <= EXACT_PATTERN:
        text = (
            "In an untouched gradient of one picture, every row is the input of the last layer times a number. This is "
            "what the server reads off what it got."
        )
        return Claim(Kind.FEATURE_LIKELY, text)
    if server.feature_settled and truth.feature_error(server.answer.feature) <= RIGHT_FEATURE:
        return Claim(Kind.FEATURE_KNOWN, "The same λ scales one row of the gradient to the input of the last layer.")
    return Claim(Kind.FEATURE_OPEN, "One row of the gradient is the input of the last layer, but for the factor λ.")


def feature_finding(server: Server, truth: Truth) -> Claim:
    """The line above the feature."""
    found = server.answer.feature
    error, pattern = truth.feature_error(found), truth.pattern(found)
    whose = "Feature" if truth.pictures == 1 else f"Average feature of {truth.pictures} pictures"
    if server.feature_settled and error <= RIGHT_FEATURE:
        text = f"{whose} recovered to a relative error of {plain(error, 2)}"
        return Claim(Kind.FEATURE_ERROR, text, {"error": error})
    if pattern > EXACT_PATTERN:
        if server.feature_settled:
            text = f"The pattern is exact, its size is off: relative error {plain(error, 2)}"
        else:
            text = "The pattern is exact, its size is open"
        return Claim(Kind.PATTERN_EXACT, text)
    text = f"The pattern is off: cosine {plain(pattern, 3)} with the true one"
    return Claim(Kind.PATTERN_OFF, text, {"cosine": pattern})


def curve_finding(server: Server, truth: Truth) -> Claim:
    """What the curve over λ shows, in one line."""
    found = server.answer
    true = truth.scale(server.attack.head.row_gradient[0])
    if found.status is Status.UNIQUE:
        if math.isfinite(true) and abs(found.scale / true - 1) > RIGHT_FEATURE:
            text = f"One λ fits, {plain(found.scale, 4)}, and it is not the true one"
            return Claim(Kind.LAMBDA_MISSED, text, {"scale": found.scale})
        return Claim(Kind.ONE_LAMBDA, f"One λ fits: {plain(found.scale, 4)}", {"scale": found.scale})
    inside = any(low <= true <= high for low, high in found.intervals)
    if not inside and not any(math.isclose(end, true, rel_tol=1e-3) for ends in found.intervals for end in ends):
        text = f"{_lambdas(found.intervals)}; the true one, {plain(true, 4)}, is not among them"
        return Claim(Kind.LAMBDA_MISSED, text)
    return Claim(Kind.LAMBDAS, _lambdas(found.intervals))


def _lambdas(intervals: list[tuple[float, float]]) -> str:
    ranges = [_range(low, high) for low, high in intervals]
    if "from −∞ to ∞" in ranges:
        return "Every λ fits: nothing singles one out"
    if len(ranges) > _MOST_RANGES:
        return f"Many λ fit, in {len(ranges)} ranges"
    return f"Many λ fit: {', and '.join(ranges)}"


def _range(low: float, high: float) -> str:
    """The ends of an interval, with as many digits as it takes to tell them apart."""
    texts = [(plain(low, digits), plain(high, digits)) for digits in (3, 5, 8)]
    first, last = next((pair for pair in texts if pair[0] != pair[1]), texts[-1])
    return f"from {first} to {last}"
