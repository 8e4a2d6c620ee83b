"""A class that predicts together: the teacher sees how many took which choice, and says when the answer comes."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.address import change_classroom, classroom
from dashboard.background.classes import Tally, new_seat, the_classes
from dashboard.layout.vote_bars import vote_bars
from dashboard.layout.waiting import pace

__all__ = ["count", "cover", "greet", "is_answered", "leads", "show_tally", "wait"]

_REVEALED = "lesson answers revealed"


def greet() -> None:
    """Say which class this page belongs to, if to any."""
    settings = classroom()
    if not settings.code:
        return
    if not leads() and not settings.seat:
        change_classroom(seat=new_seat())
    if leads():
        st.caption(f"Class **{settings.code}**: its predictions are counted on this page.")
    elif the_classes().enter(settings.code, classroom().seat):
        st.caption(f"Class **{settings.code}**: your predictions are counted, without a name.")
    else:
        st.warning(
            f"Class {settings.code} is full, was closed, or the server began anew. Ask for a new link; until then the "
            "lesson goes on without it.",
            icon=":material/groups:",
        )


def leads() -> bool:
    """Whether this is the page of a class's teacher."""
    settings = classroom()
    return bool(settings.teacher) and the_classes().is_led(settings.code, settings.teacher)


def count(question: int, choice: int) -> None:
    """Count a student's prediction, where there is a class."""
    settings = classroom()
    if settings.seat:
        the_classes().vote(settings.code, settings.seat, question, choice)


def is_answered(question: int) -> bool:
    """Whether the answer may be shown here."""
    settings = classroom()
    if leads():
        return the_classes().is_revealed(settings.code, question)
    if settings.answers == "predicted":
        return True
    if settings.code:
        return the_classes().is_revealed(settings.code, question)
    return question in st.session_state.get(_REVEALED, ())


def cover() -> None:
    """Take back what was revealed by the button of a page without a class."""
    st.session_state.pop(_REVEALED, None)


def wait(question: int) -> None:
    """Until the answer comes: from the teacher, or by a button where there is no class."""
    if classroom().code:
        st.fragment(_watch, run_every=pace())(question)
    else:
        _offer(question)


def show_tally(question: int, choices: Sequence[str], right: int | None, *, dark: bool) -> None:
    """How the class predicted, as it comes in, and the button that shows the answer.

    Args:
        question: which.
        choices: of it.
        right: the right one, None before it is shown.
        dark: whether the page is dark.
    """
    if right is None:
        _offer(question)  # above the bars: in sight on a projector, however many there are
    st.fragment(_count_up, run_every=pace())(question, choices, right, dark)


def _count_up(question: int, choices: Sequence[str], right: int | None, dark: bool) -> None:
    tally: Tally = the_classes().tally(classroom().code, question)
    st.markdown(f"**{tally.votes.total()}** of {tally.students} have predicted.")
    st.html(vote_bars(choices, tally.votes, right, dark=dark))


def _watch(question: int) -> None:
    if is_answered(question):
        st.rerun()
    st.info("Your prediction is counted. The answer comes when your teacher reveals it.", icon=":material/hourglass:")


def _offer(question: int) -> None:
    st.button(
        "Reveal the answer",
        key=f"reveal {question}",
        icon=":material/visibility:",
        type="primary",
        on_click=_reveal,
        args=(question,),
    )


def _reveal(question: int) -> None:
    settings = classroom()
    if leads():
        the_classes().reveal(settings.code, settings.teacher, question)
    else:
        st.session_state[_REVEALED] = {*st.session_state.get(_REVEALED, ()), question}
