"""The lesson as data: what each step says, which scenario it plays, which part of the Lab it shows, and what it asks.

A step is entered by its number in the address, which sets its scenario; it is complete once its question is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from dashboard.pages import PROTECTION, Page
from dashboard.sections.lesson import answers, devices, first_look
from dashboard.sections.lesson.answers import Answering
from dashboard.sections.lesson.defence_table import COMPARED, show_table
from dashboard.sections.shared.material import Material
from dashboard.sections.story import client, curve, feature, image, label
from gradinv_core.experiments.scenario import Scenario

__all__ = ["STEPS", "LessonStep"]

Part: TypeAlias = Callable[[Material], None]


@dataclass(frozen=True)
class LessonStep:
    """One step.

    Attributes:
        title: its heading.
        text: what is to be understood, in Markdown.
        scenario: that is played.
        part: draws what it speaks of, once the question is answered.
        question: to predict.
        choices: to choose from; None for the scenario's classes.
        answer: works out which choice is right, from the scenario itself.
        before: draws what the question needs to be seen beforehand.
        on: a page to go on with, and under which words; besides the Lab.
        figures: whether it shows any that can be saved.
    """

    title: str
    text: str
    scenario: Scenario
    part: Part
    question: str
    choices: tuple[str, ...] | None
    answer: Answering
    before: Part | None = None
    on: tuple[Page, str] | None = None
    figures: bool = True


def _picture(material: Material) -> None:
    image.body(material.lab, material.task)


_ERROR = "p\N{NO-BREAK SPACE}−\N{NO-BREAK SPACE}y"  # stays on one line

_PLAIN = Scenario(dataset="digits", image=7, augmentation="none")
_OTHER = Scenario(dataset="digits", image=3, augmentation="none")
_SMOOTHED = Scenario(dataset="digits", image=7, augmentation="smoothing", epsilon=0.2)
_MIXED = Scenario(dataset="digits", image=7, augmentation="mixup", ratio=0.65, partner=12)
_PHOTO = Scenario(dataset="photographs", augmentation="mixup+smoothing", ratio=0.65)

STEPS: tuple[LessonStep, ...] = (
    LessonStep(
        "Twelve devices, one network",
        "Twelve hospitals train one network together. None shows its pictures to anybody: each sends the server a "
        "*gradient*, and the server adds them up. This is called **federated learning**. Tonight somebody reads along "
        "on one of the twelve lines.",
        _PLAIN,
        first_look.show_numbers,
        "What travels along that line?",
        ("The picture, encrypted", "One number for every weight of the network", "Nothing that depends on the picture"),
        answers.what_leaves,
        before=lambda material: devices.show(dark=material.dark),
    ),
    LessonStep(
        "Wrong by how much?",
        "The network looks at the picture and gives every class a share: its **prediction** p. The **label** y says "
        f"what would have been right. The last layer's gradient is their difference {_ERROR}, times what the layer "
        "saw: one row for each class. This network is new: it gives all classes about the same.",
        _PLAIN,
        lambda material: client.body(material.client),
        "The label names one class. In how many classes is the label larger than the prediction?",
        ("In one", "In some", "In all"),
        answers.rows_pulled_up,
    ),
    LessonStep(
        "One row points the other way",
        f"Where the label is larger than the prediction, {_ERROR} is negative, and the row of that class turns round. "
        "Here is the gradient of another picture: every line is one class, every column one number that the last "
        "layer saw.",
        _OTHER,
        lambda material: client.body(material.client),
        "Which class does this picture's label name?",
        None,
        answers.which_class,
        before=first_look.show_rows,
    ),
    LessonStep(
        "A softer label",
        "Many networks learn from **soft labels**: smoothing gives a little of the true class to all others. Signs no "
        "longer tell the shares. But all rows are the same pattern, each times one number: a single number λ is "
        "missing. With a wrong λ, classes that should share alike do not; a curve shows how much they disagree.",
        _SMOOTHED,
        lambda material: curve.body(material.lab),
        "What does the curve do?",
        ("It dips at one λ", "It dips at several λ", "It is flat"),
        answers.curve_dips,
    ),
    LessonStep(
        "From λ to the label",
        "Every λ means one whole label. The server takes the one where the curve dips and computes the share of each "
        "class.",
        _SMOOTHED,
        lambda material: label.body(material.lab),
        "How far off is the worst share?",
        ("By less than a thousandth", "By about a hundredth", "By several hundredths or more"),
        answers.label_error,
    ),
    LessonStep(
        "Two pictures in one",
        "**Mixup** lays two pictures over each other, 65 to 35, and mixes their labels alike. It was invented to make "
        "networks better; surely it also confuses the server?",
        _MIXED,
        lambda material: label.body(material.lab),
        "How much of the mixed label does the server read?",
        ("Both classes and both shares", "The larger one", "Neither"),
        answers.both_shares,
        before=first_look.show_mixture,
    ),
    LessonStep(
        "When the last layer has a bias",
        "Most networks give every class a number of its own, the **bias**, and add it. It has a gradient, too, and "
        "that is sent like all the others.",
        Scenario(dataset="digits", image=7, augmentation="smoothing", epsilon=0.2, head_bias=True),
        lambda material: curve.body(material.lab),
        "What does the server need to find λ now?",
        ("Nothing more than that gradient", "The same search as before", "The picture"),
        answers.through_the_bias,
    ),
    LessonStep(
        "What the last layer saw",
        "The gradient's rows are multiples of one pattern, and that pattern is the **feature**: the picture boiled "
        "down to the numbers the last layer gets to see. Only its size was missing, and its size is λ.",
        _SMOOTHED,
        lambda material: feature.body(material.lab),
        "How well does the server know the feature?",
        ("Exactly", "Roughly", "Not at all"),
        answers.feature_comes_along,
    ),
    LessonStep(
        "Back to the pixels",
        "In a fully connected layer every gradient is a product, too: of what went in, and of what it did to the loss. "
        "So the server goes back layer by layer: from the feature to the layer below, down to the picture.",
        _PHOTO,
        _picture,
        "At the bottom, how does the rebuilt picture look?",
        ("The eye sees no difference", "Blurred, but one recognises it", "Like noise"),
        answers.picture_quality,
    ),
    LessonStep(
        "Convolutions share their weights",
        "A convolution uses the same few weights at every place, so its gradient is a short list. Each number in it is "
        "still one *equation* for what went in, and so is each number that came out. The server counts equations "
        "against unknowns.",
        Scenario(dataset="digits", image=7, network="lenet_sigmoid", augmentation="mixup+smoothing", ratio=0.65),
        _picture,
        "In LeNet, are there enough equations for every layer?",
        ("In every layer", "Not in every layer"),
        answers.equations_enough,
    ),
    LessonStep(
        "Noise",
        "The client may spoil its gradient before it sends it: here every number gets random noise, a thousandth of "
        "the gradient's length. Training still works, a little worse.",
        Scenario(dataset="photographs", augmentation="mixup+smoothing", ratio=0.65, defences="gaussian:0.001"),
        _picture,
        "What does the noise leave of the picture?",
        ("As good as without", "Speckled, but one recognises it", "Nothing one would recognise"),
        answers.noise_holds,
    ),
    LessonStep(
        "Choose a defence",
        "Clipping, dropping small numbers, noise, sending less: each hides something and costs something. A good one "
        "hides the picture and lets the gradient point where it pointed.",
        _PHOTO,
        show_table,
        "Which of these hides the picture at the smallest price?",
        tuple(compared.title for compared in COMPARED),
        answers.best_defence,
        on=(PROTECTION, "Try them on many pictures"),
        figures=False,
    ),
)
