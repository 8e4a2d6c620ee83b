"""What the page says of the soft label: the server's verdict, its reason, and how it compares."""

import numpy as np

from dashboard.claims.cause import NO_FORMAT, named
from dashboard.claims.claim import Claim, Kind
from dashboard.claims.plain_words import in_words
from dashboard.claims.server import Server
from dashboard.claims.truth import RIGHT_FEATURE, RIGHT_LABEL, Truth
from dashboard.drawing.number_text import percent, plain
from gradinv_core.diagnosis import Cause
from gradinv_core.label_recovery import Doubt, LabelRecovery, Window

__all__ = ["format_of", "headline", "leaked_through", "share_of_one", "verdict"]

_FORMATS = {"any": "no known structure"}
_WINDOWS = {"simplex": "no share below 0", "none": "nothing"}
_RECOVERED = 0.01  # an entry further off is not called recovered
_ROUGHLY = 2e-3  # relative: a factor this close to one over a whole number is called that


def verdict(server: Server, truth: Truth, answer: LabelRecovery | None = None) -> Claim:
    """How far the answer can be trusted: the first box under a label.

    Args:
        server: its results.
        truth: the client's side.
        answer: another one of the server's than that of the last layer, such as that of the layers below.
    """
    found = server.answer if answer is None else answer
    settled = server.label_settled if answer is None else True
    right = truth.answers(found.label, found.feature)
    if settled and truth.pictures > 1:
        return _of_several(truth, found)
    if settled and not right and not found.condition:
        return _misled(server, truth, found)
    if settled and found.condition:
        condition = in_words(found.condition)
        text = f"**Unique, if {condition}.** {_without(_message(found), condition)}"
        if not right:
            text += f" Here that does not hold: the label is off by {plain(truth.label_error(found.label), 2)}."
        return Claim(Kind.UNIQUE, text, note=found.condition)
    if settled:
        return Claim(Kind.UNIQUE, f"**Unique.** {_message(found)}")
    reason = _why_open(server)
    if server.feature_settled and truth.feature_error(found.feature) <= _RECOVERED:
        lead = "**The feature is known, the label is not.**"
        return Claim(Kind.FEATURE_ONLY, f"{lead} {reason.text}", reason.details, reason.note)
    return Claim(reason.kind, f"**Ambiguous.** {reason.text}", reason.details, reason.note)


def _of_several(truth: Truth, found: LabelRecovery) -> Claim:
    """One direction of several samples: their average, where it is that."""
    error = truth.label_error(found.label)
    if error <= _RECOVERED:
        text = (
            f"**One direction.** The {truth.pictures} pictures are alike to this network, so their gradients point the "
            f"same way: what comes back is the average of {truth.pictures} labels. The server cannot tell it from one."
        )
        return Claim(Kind.AVERAGE, text, {"error": error})
    text = (
        f"**One direction, but not one picture.** The server takes the gradient of {truth.pictures} pictures for "
        f"one's; the label it reads is off by {plain(error, 2)} from their average."
    )
    return Claim(Kind.MISLED, text, {"error": error})


def _misled(server: Server, truth: Truth, found: LabelRecovery) -> Claim:
    label, feature = truth.label_error(found.label), truth.feature_error(found.feature)
    told = "although it was told of the defences" if server.informed else "and cannot know it"
    text = (
        f"**Certain, and wrong.** The server finds one answer that fits, {told}: its label is off by "
        f"{plain(label, 2)}, its feature by {plain(feature, 2)} of its length."
    )
    return Claim(Kind.MISLED, text, {"error": label, "feature error": feature})


def _why_open(server: Server) -> Claim:
    """The reason in everyday words, by what the server knows."""
    found, reason = server.answer, server.diagnosis
    if server.tampered:
        if found.doubt is Doubt.RESCALED and found.factor not in (0.0, 1.0):
            text = (
                f"The gradient is {share_of_one(found.factor)} of an honest one: as it came it fits no label, and the "
                f"label shown is that of the honest one."
            )
            return Claim(Kind.CHANGED, text, {"factor": found.factor}, note=Cause.CLIPPED)
        if reason.cause is Cause.NONE:
            return Claim(Kind.CHANGED, _message(found), note=str(found.doubt))
        return Claim(Kind.CHANGED, ". ".join(named(reason)), note=str(reason.cause))
    if found.doubt is Doubt.FORMAT:
        return Claim(Kind.NO_PATTERN, NO_FORMAT)
    if server.sure_network:
        text = "The network is so sure of its answer that its gradient no longer tells λ apart."
        return Claim(Kind.SURE_NETWORK, text)
    if found.window is Window.SIMPLEX and server.noisy and reason.cause is Cause.NOISY:
        text = "Noise hides where the classes agree. What is left is that no share is below 0."
        return Claim(Kind.CHANGED, text, note="noise")
    if found.window is Window.SIMPLEX:
        text = (
            "Either this label follows no pattern that the server knows, or what was done to the gradient on the way "
            "hides it. What is left is that no share is below 0."
        )
        return Claim(Kind.NO_PATTERN, text)
    return Claim(Kind.SERVER_SAYS, _message(found))


def headline(server: Server, truth: Truth, names: list[str]) -> Claim:
    """The line above the bars."""
    found = server.answer
    error = truth.label_error(found.label)
    if server.label_settled:
        whose = "Soft label" if truth.pictures == 1 else f"Average label of {truth.pictures} pictures"
        words = f"{whose} recovered to" if error <= _RECOVERED else "This label is off by"
        return Claim(Kind.LABEL_ERROR, f"{words} {plain(error, 2)}", {"error": error})
    if server.tampered:
        return Claim(Kind.LABEL_GUESS, f"A guess, off by {plain(error, 2)}: the gradient was changed", {"error": error})
    low, high = server.attack.allowed.low, server.attack.allowed.high
    true = truth.label.numpy()
    outside = np.maximum(low - true, true - high)
    if outside.max() > 0:
        worst = int(outside.argmax())
        text = f"The ranges miss the truth: “{names[worst]}” has {percent(float(true[worst]))}"
        return Claim(Kind.RANGE_MISSED, text, {"class": worst})
    widest = int((high - low).argmax())
    smallest, largest = _outwards(float(low[widest])), _outwards(float(high[widest]), up=True)
    text = f"Many labels fit: “{names[widest]}” may get anything from {smallest} to {largest}"
    return Claim(
        Kind.RANGE, text, {"class": widest, "low": float(low[widest]), "high": float(high[widest]), "error": error}
    )


def format_of(server: Server, truth: Truth) -> Claim:
    """The format read off the label."""
    found = server.answer
    words = _FORMATS.get(found.label_format, found.label_format)
    if server.label_settled and truth.label_error(found.label) > RIGHT_LABEL:
        return Claim(Kind.FORMAT_BELIEVED, f"{words}, as the server believes", note=found.label_format)
    if not server.label_settled:
        return Claim(Kind.FORMAT_OPEN, "not settled")
    return Claim(Kind.FORMAT, words, note=found.label_format)


def leaked_through(server: Server, truth: Truth) -> Claim:
    """The window that gave λ away, where it is given away."""
    if not server.feature_settled:
        return Claim(Kind.NOT_LEAKED, "not settled")
    if truth.feature_error(server.answer.feature) > RIGHT_FEATURE:
        return Claim(Kind.NOT_LEAKED, "a wrong λ")
    window = str(server.answer.window)
    return Claim(Kind.LEAKED, _WINDOWS.get(window, window), note=window)


def share_of_one(factor: float) -> str:
    """A factor in words: 1/20, or 37 %, or 4 times."""
    inverse = 1 / factor
    if factor < 1 and abs(inverse / round(inverse) - 1) <= _ROUGHLY and round(inverse) <= 1000:
        return f"1/{round(inverse)}"
    return percent(factor) if factor < 1 else f"{plain(factor, 3)} times the length"


def _message(found: LabelRecovery) -> str:
    return in_words(found.message)


def _outwards(value: float, *, up: bool = False) -> str:
    """A limit in whole per cent that the range it belongs to does not go beyond."""
    steps = 100 * value
    whole = np.ceil(steps - 1e-9) if up else np.floor(steps + 1e-9)
    return f"{whole:.0f} %"


def _without(message: str, condition: str) -> str:
    """The message without the condition that was said already."""
    return message.replace(f"That holds if {condition}, which nothing here can test.", "Nothing here can test that.")
