"""The true answers, worked out live: each function belongs to the question of one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from dashboard.drawing.number_text import percent, plain
from dashboard.sections.lesson.defence_table import all_played, best_of
from dashboard.sections.shared.material import Material
from gradinv_core.errors import GradientInversionError
from gradinv_core.label_recovery import Status, Window
from gradinv_core.likeness import Likeness, visible
from gradinv_core.metrics import max_abs_error, relative_error

__all__ = [
    "Answer",
    "Answering",
    "best_defence",
    "both_shares",
    "curve_dips",
    "equations_enough",
    "feature_comes_along",
    "label_error",
    "noise_holds",
    "picture_quality",
    "rows_pulled_up",
    "through_the_bias",
    "what_leaves",
    "which_class",
]

_SMALL, _FAIR = 1e-3, 3e-2  # errors of a share


@dataclass(frozen=True)
class Answer:
    """What is true of a question.

    Attributes:
        choice: which of the choices.
        because: one or two sentences, with the numbers of this very gradient.
    """

    choice: int
    because: str


Answering: TypeAlias = Callable[[Material], Answer]


def what_leaves(material: Material) -> Answer:
    """Pictures, the gradient, or nothing."""
    sent = material.client.client.gradients
    count = sum(gradient.numel() for gradient in sent.values())
    return Answer(1, f"{count:,} numbers travel, and not one pixel. Is that the same as keeping a secret?")


def rows_pulled_up(material: Material) -> Answer:
    """In how many classes the label is larger than the prediction: one, some or all."""
    client = material.client
    raised = (client.truth.label > client.client.truth.probabilities).nonzero().flatten().tolist()
    names = ", ".join(f"“{client.class_names[place]}”" for place in raised)
    choice = 0 if len(raised) == 1 else 2 if len(raised) == len(client.class_names) else 1
    return Answer(choice, f"Only at {names} the label is larger, so prediction minus label is below 0 there.")


def which_class(material: Material) -> Answer:
    """The class that the classic attack reads off the signs, among the choices 0 to C - 1."""
    named = material.lab.attack.idlg
    return Answer(
        named,
        f"One row of the gradient points against all others: that of “{material.lab.class_names[named]}”. "
        f"The attack iDLG does nothing but look for it.",
    )


def curve_dips(material: Material) -> Answer:
    """At one λ, at several, or nowhere."""
    found = material.lab.attack.recovery
    if found.status is Status.UNIQUE:
        return Answer(
            0,
            f"At λ = {plain(found.scale, 5)} alone, nine classes agree. Far outside, the paper's loss falls only "
            "because all shares shrink; the scale-free loss allows for that.",
        )
    if found.status is Status.AMBIGUOUS:
        return Answer(1, f"{max(len(found.candidates), 2)} candidates fit, and the server cannot tell them apart.")
    return Answer(2, "Nothing arrives at the server that it could look for λ in.")


def label_error(material: Material) -> Answer:
    """Of the recovered label: tiny, fair or large."""
    error = max_abs_error(material.lab.attack.recovery.label, material.lab.truth.label)
    choice = 0 if error < _SMALL else 1 if error < _FAIR else 2
    return Answer(choice, f"The largest error of any class is {plain(error, 2)}: λ is known, and λ is all there was.")


def both_shares(material: Material) -> Answer:
    """Whether both shares of a mixture are read: both, the larger one, or none."""
    found, truth = material.lab.attack.recovery.label, material.lab.truth.label
    right = (found - truth).abs() < _FAIR
    standing_out = truth.argsort(descending=True)[:2].tolist()
    read = [place for place in standing_out if bool(right[place])]
    shares = " and ".join(
        f"{percent(float(found[place]))} “{material.lab.class_names[place]}”" for place in standing_out
    )
    return Answer(
        2 - len(read), f"The server reads {shares}. All other classes still share one value, and that is enough."
    )


def through_the_bias(material: Material) -> Answer:
    """Nothing, a search, or the picture."""
    window = material.lab.attack.recovery.window
    return Answer(
        0 if window is Window.BIAS else 1,
        "The gradient of the bias is prediction minus label itself. There is nothing left to look for: this is why the "
        "lesson's other networks have none in their last layer.",
    )


def feature_comes_along(material: Material) -> Answer:
    """Exactly, roughly, or not at all."""
    error = relative_error(material.lab.attack.recovery.feature, material.lab.truth.feature)
    choice = 0 if error < _SMALL else 1 if error < _FAIR else 2
    return Answer(choice, f"Feature and label share λ: whoever knows it has both. Relative error {plain(error, 2)}.")


def picture_quality(material: Material) -> Answer:
    """The same to the eye, recognisable, or noise."""
    seen = material.likeness()
    choice = 0 if seen in (Likeness.SAME, Likeness.CLOSE) else 1 if seen.recognised else 2
    try:
        off = (visible(material.recovery().image) - material.client.truth.image.double()).abs().mean()
    except GradientInversionError:
        return Answer(choice, "The server could not rebuild any picture.")
    return Answer(choice, f"On average a pixel's value is off by {plain(float(off), 1)}, on a scale from 0 to 1.")


def equations_enough(material: Material) -> Answer:
    """Whether every layer has as many equations as unknowns."""
    layers = material.task.budget()
    short = [layer for layer in layers if layer.output_equations + layer.gradient_equations < layer.unknowns]
    tight = min(layers, key=lambda layer: (layer.output_equations + layer.gradient_equations) / layer.unknowns)
    equations = tight.output_equations + tight.gradient_equations
    which = f"The tightest layer has {equations:,} equations for {tight.unknowns:,} unknowns."
    return Answer(0 if not short else 1, which)


def noise_holds(material: Material) -> Answer:
    """What noise leaves of the picture: as good, recognisable, or nothing."""
    return picture_quality(material)


def best_defence(material: Material) -> Answer:
    """Which of the compared defences hides the picture and keeps most of the gradient."""
    rows = material.once(all_played)
    best = best_of(rows)
    row = rows[best]
    hides = "It hides the picture" if not row.seen.recognised else "None hides the picture; this one spoils it most"
    return Answer(best, f"{hides}, and the gradient keeps {percent(row.kept)} of its direction.")
