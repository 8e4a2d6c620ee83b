"""Step 3 for several pictures at once: the server takes them apart, and each is shown beside its own."""

import streamlit as st

from dashboard.cache import PictureTask
from dashboard.claims import batch as batch_claims
from dashboard.drawing.pictures import picture_source
from dashboard.figures.batch_labels import batch_labels
from dashboard.layout.picture_row import Picture, picture_row
from dashboard.layout.story import chart, formulas, mathematics, say, step
from dashboard.sections.story import batch_curves, batch_pictures
from dashboard.sections.story.view import ClientView
from gradinv_core.experiments.client.pairing import batch_samples, pair_up
from gradinv_core.experiments.server.batch import BatchAttack
from gradinv_core.label_recovery import Status
from gradinv_core.likeness import visible

__all__ = ["heading", "show"]

_SENTENCE = "Several pictures were trained on at once. The server takes their gradients apart again, if it can."
_EXPLANATION = (
    "The last layer's gradient is a sum of outer products. Its rows are mixtures of the pictures' features; where a "
    "ReLU made zeros in each of them, only the features themselves vanish in so many places at once."
)


def heading() -> None:
    """What the step is about."""
    step(3, "One by one", _SENTENCE, _EXPLANATION)


def show(view: ClientView, task: PictureTask, attack: BatchAttack) -> BatchAttack:
    """Draw the step.

    Args:
        view: the client's side, which pairs answers with pictures once the attack is over.
        task: the scenario, for the pictures.
        attack: what the server has read off the last layer.

    Returns:
        The attack, with its pictures once they are there.
    """
    if not attack.recovery.unique:  # a step before has said that the attack ends there
        say(batch_claims.outcome(attack.recovery))
        return attack
    heading()
    say(batch_claims.outcome(attack.recovery))
    attack = batch_pictures.rebuild(task, attack, view.class_names)
    pairs = pair_up(view.client, attack.recovery.labels, attack.images)
    _draw_pictures(view, attack, pairs)
    _draw_labels(view, attack, pairs)
    batch_curves.show(view, attack.recovery, pairs)
    with mathematics():
        formulas(
            r"\frac{\partial L}{\partial W} = \frac{1}{N} \sum_k a_k\, x_k^{\top}",
            r"x_k \in \operatorname{rows},\quad x_k \geq 0,\quad x_k = 0 \text{ in many places}",
            r"\frac{\partial L}{\partial W_\ell} = \sum_k h_k \star \delta_k",
        )
    return attack


def _draw_pictures(view: ClientView, attack: BatchAttack, pairs: list[int | None]) -> None:
    """The client's pictures, and under them what the server rebuilt of each."""
    how = batch_claims.pictures(attack)
    if how is None:  # the server is still at work
        return
    _, own = batch_samples(view.client)
    st.html(
        picture_row(
            [Picture(picture_source(picture), f"{number}", truth=True) for number, picture in enumerate(own, 1)],
            "the client's pictures",
            smallest="3.4rem",
            largest="8rem",
        )
    )
    if attack.images is None:
        st.caption(how.text)
        return
    found = [
        Picture("", f"{number}: shares another's feature")
        if answer is None
        else Picture(picture_source(visible(attack.images[answer])), f"{number}, rebuilt")
        for number, answer in enumerate(pairs, 1)
    ]
    st.html(picture_row(found, "the pictures the server rebuilt", smallest="3.4rem", largest="8rem"))
    st.caption(
        "Above: what the client keeps. Below: what the server rebuilt. It cannot know their order; each is shown under "
        "the picture it is nearest to."
    )
    say(how)


def _draw_labels(view: ClientView, attack: BatchAttack, pairs: list[int | None]) -> None:
    """All labels under one another."""
    answers = attack.recovery
    true, _ = batch_samples(view.client)
    chart(
        batch_labels(
            [None if answer is None else answers[answer].label for answer in pairs],
            list(true),
            [answer is not None and answers[answer].status is Status.UNIQUE for answer in pairs],
            view.class_names,
            title=batch_claims.labels(answers),
            dark=view.dark,
        ),
        "labels of the batch",
    )
