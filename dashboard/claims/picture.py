"""What the page says of a rebuilt picture: how alike it is, by which way it came, and whether its error bars hold."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from dashboard.claims.cause import named
from dashboard.claims.claim import Claim, Kind
from dashboard.claims.label import verdict
from dashboard.claims.plain_words import CONTRADICTION, in_words, of_error
from dashboard.claims.server import Server
from dashboard.claims.truth import EXACT_PATTERN, RIGHT_FEATURE, Truth
from dashboard.drawing.number_text import percent, plain
from gradinv_core.errors import GradientInversionError
from gradinv_core.image_recovery import ImageRecovery, Leak
from gradinv_core.label_recovery import Status
from gradinv_core.likeness import Likeness, likeness, visible
from gradinv_core.metrics import cosine_similarity, relative_error

__all__ = [
    "LIKENESS",
    "Rebuilt",
    "barred",
    "bars",
    "bars_shown",
    "below",
    "finding",
    "layers",
    "outside",
    "route",
    "words",
]

LIKENESS = {
    Likeness.SAME: (Kind.SAME, "recovered, the eye sees no difference"),
    Likeness.CLOSE: (Kind.CLOSE, "recovered but for small differences"),
    Likeness.RECOGNISABLE: (Kind.RECOGNISABLE, "recognisable"),
    Likeness.FAINT: (Kind.FAINT, "traces of the picture, no more"),
    Likeness.NOT: (Kind.NOT, "not recovered: nothing to recognise"),
}
"""The one set of words for how alike a picture is, wherever the page judges one."""

_SIGMAS = 2.0
_WIDEST = 0.5  # standard deviation of a pixel that may be anything from 0 to 1
_BAR_WORDS = re.compile(r"[;,] (and )?(the|its) error bars[^.;]*|\s*The error bars[^.]*\.")  # where none are shown
_OUTSIDE_WORDS = re.compile(r"\s*[\d.]+% of the pixels lie outside (?:[^.]|\.\d)*\.")
_CHANGED = "they would take a gradient that was changed for a plain one."
_MENDED = "the server knows what was done to the gradient and mended it. What that leaves open, no bar counts."
_DUST = 1e-3  # how far outside of 0 to 1 a pixel may lie without a word


@dataclass(frozen=True)
class Rebuilt:
    """A picture by the exact route, beside all that its sentences rest on.

    Attributes:
        server: its results on the last layer.
        recovery: the picture.
    """

    server: Server
    recovery: ImageRecovery

    @property
    def settled(self) -> bool:
        """Whether one picture fits, as far as the server knows: one lambda does, or the picture rests on none."""
        return not self.recovery.rests_on_label or self.label_settled

    @property
    def label_settled(self) -> bool:
        """Whether one lambda fits, as far as the server knows: layers below may settle what the head leaves open."""
        label = self.recovery.label
        if label is None:
            return self.server.feature_settled
        return label.status is Status.UNIQUE or label.feature_known

    @property
    def factor(self) -> float:
        """What the values were multiplied with to be shown: below 1 where nothing is known of their common size."""
        known = self.settled or self.recovery.std is not None
        return 1.0 if known else 1.0 / max(float(self.recovery.image.max()), 1.0)

    @property
    def shown(self) -> torch.Tensor:
        """The picture (3, h, w) as a screen shows it."""
        return visible(self.recovery.image * self.factor)

    @property
    def std(self) -> torch.Tensor | None:
        """Its error bars in the same unit; no pixel is further off than black and white are from each other."""
        std = self.recovery.std
        return None if std is None else (std * self.factor).clamp(max=_WIDEST)

    def same_pattern(self, truth: Truth) -> bool:
        """Whether it is the true picture times a number."""
        if not bool(self.recovery.image.any()):
            return False
        return cosine_similarity(self.recovery.image.flatten(), truth.image.double().flatten()) > EXACT_PATTERN


def words(image: torch.Tensor, truth: Truth) -> Claim:
    """How alike a picture is, in a few words to go on with."""
    kind, text = LIKENESS[likeness(image, truth.image)]
    return Claim(kind, text)


def finding(rebuilt: Rebuilt, truth: Truth) -> Claim:
    """The line above the pictures."""
    if not rebuilt.settled and rebuilt.same_pattern(truth):
        return Claim(Kind.BRIGHTNESS_OPEN, "The picture leaks; only its brightness is open")
    judged = words(rebuilt.shown, truth)
    text = f"{judged.text[:1].upper()}{judged.text[1:]}"
    if truth.pictures > 1 and judged.kind in (Kind.SAME, Kind.CLOSE):
        of_mean = f"What comes back is the average of {truth.pictures} pictures"
        return Claim(Kind.AVERAGE_PICTURE, of_mean, note=judged.kind)
    if judged.kind is Kind.SAME:
        return Claim(judged.kind, text.replace(", ", ": ", 1))
    told = bars_shown(rebuilt)
    return Claim(judged.kind, f"{text}, and the server's error bars say so" if told else text)


def barred(error: GradientInversionError) -> Claim:
    """Why there is no way back through the layers, by what the attack said."""
    text = of_error(error)
    return Claim(Kind.BARRED, text, note="contradiction" if text == CONTRADICTION else "")


def route(rebuilt: Rebuilt, truth: Truth) -> Claim:
    """How the picture was found; a reason that promises exactness stands only where it is kept."""
    recovery = rebuilt.recovery
    kept = rebuilt.same_pattern(truth) or relative_error(recovery.image, truth.image.double()) <= RIGHT_FEATURE
    if kept or any(layer.completed for layer in recovery.layers):
        but = kept and not rebuilt.settled
        open_factor = " All of it but for one common factor, which hangs on λ." if but else ""
        reason = _OUTSIDE_WORDS.sub("", recovery.reason)  # `outside` says what holds of them
        if recovery.why_no_std:  # said beside the pictures
            reason = reason.replace(f" {recovery.why_no_std}", "")
        reason = reason if bars_shown(rebuilt) else _BAR_WORDS.sub("", reason)
        return Claim(Kind.ROUTE, in_words(reason) + open_factor)
    if rebuilt.server.tampered or rebuilt.server.noisy or rebuilt.server.informed:
        why = "This gradient was changed, and the equations carry the change along, down to the pixels."
    elif not rebuilt.settled:
        why = "Here λ is open, and every λ means another picture."
    else:
        why = "Here some unknowns are left open, or the gradient is not what it seems."
    text = f"Layer by layer, by equations that hold for the untouched gradient of one picture. {why}"
    return Claim(Kind.ASTRAY, text)


def below(rebuilt: Rebuilt, truth: Truth) -> Claim | None:
    """What the layers below the head settled; None where the head had settled it, or they did not."""
    found = rebuilt.recovery.label
    if found is None or found.status is not Status.UNIQUE or rebuilt.server.label_settled:
        return None
    server = rebuilt.server
    if server.tampered:
        text = (
            f"**Not to be trusted.** {named(server.diagnosis)[0]}. The layers below agree on one λ all the same; the "
            f"label it means need not be the client's."
        )
        return Claim(Kind.CHANGED, text, note=str(server.diagnosis.cause))
    judged = verdict(server, truth, found)
    if judged.kind is not Kind.UNIQUE:
        return judged
    rest = judged.text if found.condition else in_words(found.message)
    text = f"**Settled after all.** What the last layer left open, those below it decide. {rest}"
    return Claim(Kind.SETTLED_BELOW, text, note=found.condition)


def bars_shown(rebuilt: Rebuilt) -> bool:
    """Whether error bars are shown: the server alone decides, by what it holds."""
    return rebuilt.std is not None and not rebuilt.server.tampered and not rebuilt.server.mended


def bars(rebuilt: Rebuilt, truth: Truth) -> list[Claim]:
    """The caption of the error bars and, beside the truth, the share of pixels within them; or why there are none."""
    std = rebuilt.std
    if std is None:
        return [Claim(Kind.NO_BARS, in_words(rebuilt.recovery.why_no_std))]
    if not bars_shown(rebuilt):
        why = _MENDED if rebuilt.server.mended else _CHANGED
        return [Claim(Kind.NO_BARS, f"No error bars: {why}")]
    off = (rebuilt.shown - truth.image.double()).abs()
    within = float((off <= _SIGMAS * std).double().mean())
    largest = float(std.max())
    most = "it cannot tell at all" if largest >= _WIDEST else f"up to {plain(largest, 2)}"
    caption = Claim(
        Kind.BARS, f"How unsure the server is, pixel by pixel: {most}. Pixels run from 0 to 1.", {"largest": largest}
    )
    return [caption, Claim(Kind.BARS_WITHIN, percent(within), {"within": within})]


def outside(rebuilt: Rebuilt) -> Claim | None:
    """What to say of values that no pixel has; None where there are none."""
    values = rebuilt.recovery.image * rebuilt.factor
    share = float(((values < -_DUST) | (values > 1 + _DUST)).double().mean())
    if share == 0:
        return None
    text = f"{percent(share)} of the values came out below 0 or above 1, where no pixel is: drawn black or white."
    return Claim(Kind.OUTSIDE, text, {"share": share})


def layers(rebuilt: Rebuilt, truth: Truth, seen: Mapping[str, torch.Tensor]) -> Claim:
    """Whether the strip may say that layers leak, or only that they have enough equations.

    Args:
        rebuilt: the picture.
        truth: the client's side.
        seen: layer name -> what really went into it.
    """
    exact = {layer.name for layer in rebuilt.recovery.layers if layer.leak is Leak.EXACT}
    kept = [_same(step.value, seen[step.layer]) for step in rebuilt.recovery.steps if step.layer in exact & set(seen)]
    head = truth.pattern(rebuilt.server.answer.feature) > EXACT_PATTERN
    if head and all(kept) and (kept or likeness(rebuilt.shown, truth.image).recognised):
        return Claim(Kind.LAYERS_LEAK, "leaks exactly", note=",".join(sorted(exact)))
    return Claim(Kind.LAYERS_COUNTED, "determined by their equations, but not what was there")


def _same(found: torch.Tensor, true: torch.Tensor) -> bool:
    """Whether a layer's input is the true one, but perhaps for a factor."""
    first, second = found.double().flatten(), true.double().flatten()
    if first.numel() != second.numel() or not bool(first.any()) or not bool(second.any()):
        return False
    return cosine_similarity(first, second) > EXACT_PATTERN
