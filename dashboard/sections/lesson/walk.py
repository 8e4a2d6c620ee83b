"""One step of the lesson on the page: text, prediction, and what is revealed by it."""

from __future__ import annotations

import streamlit as st

from dashboard.address import query_of
from dashboard.layout.figure_files import offer_figures
from dashboard.layout.story import say_plainly
from dashboard.pages import LAB
from dashboard.sections.lesson import poll
from dashboard.sections.lesson.steps import STEPS, LessonStep
from dashboard.sections.shared.material import Material

__all__ = ["asked_step", "show"]

_STEP = "step"
_PREDICTED = "lesson predictions"


def asked_step() -> int:
    """Number of the step in the address, from 0; the first where the address names none."""
    text = st.query_params.get(_STEP, "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 1
    return min(max(number, 1), len(STEPS)) - 1


def show(place: int, *, dark: bool) -> None:
    """Draw one step.

    Args:
        place: which, from 0.
        dark: whether the page is dark.
    """
    step, material = STEPS[place], Material(STEPS[place].scenario, dark)
    poll.greet()
    st.session_state.setdefault(_PREDICTED, {})
    progress = st.empty()
    # Where there is room, text and question stand beside the figures; see page.css. On a phone it is this order.
    with st.container(key="lesson step"):
        with st.container(key="lesson text"):
            st.header(step.title)
            st.markdown(step.text)
        if step.before is not None:
            with st.container(key="lesson scene"):
                step.before(material)
        choices = step.choices or tuple(material.client.class_names)
        with st.container(key="lesson question"):
            shown = _lead(place, material, choices) if poll.leads() else _take_part(place, material, choices)
        if shown:
            with st.container(key="lesson part"):
                step.part(material)
                with st.container(horizontal=True):
                    LAB.link("Play on with this in the Lab", query_of(step.scenario))
                    if step.on is not None:
                        page, words = step.on
                        page.link(words)
                if step.figures:
                    offer_figures()
        elif step.before is None:
            with st.container(key="lesson waiting"):
                st.caption("The figure comes with the answer.")
        answered = place in st.session_state[_PREDICTED]
        last = place + 1 == len(STEPS)
        with st.container(key="lesson move"):
            _move(place, last=last, answered=answered)
    ended = f". **The end.** {_score()}" if last and answered else ""  # up here it is seen without scrolling
    progress.progress((place + 1) / len(STEPS), text=f"Step {place + 1} of {len(STEPS)}{ended}")


def _lead(place: int, material: Material, choices: tuple[str, ...]) -> bool:
    """The question on the page of a class's teacher: what the class predicts, then the answer, if it is shown."""
    step, answered = STEPS[place], poll.is_answered(place)
    answer = step.answer(material) if answered else None
    st.markdown(f"**{step.question}**")
    poll.show_tally(place, choices, None if answer is None else answer.choice, dark=material.dark)
    if answer is not None:
        say_plainly(f"**{choices[answer.choice]}.** {answer.because}", good=True)
    return answered


def _take_part(place: int, material: Material, choices: tuple[str, ...]) -> bool:
    """The question on everybody else's page: a prediction, then whether it is right, if that is shown."""
    predicted = _ask(place, STEPS[place], choices)
    if predicted is None:
        return False
    poll.count(place, predicted)
    answered = poll.is_answered(place)
    if answered:
        _reveal(place, material, choices, predicted)
    else:
        st.session_state[_PREDICTED][place] = predicted, False
        poll.wait(place)
    return answered


def _ask(place: int, step: LessonStep, choices: tuple[str, ...]) -> int | None:
    """The prediction, None while there is none."""
    before, _ = st.session_state[_PREDICTED].get(place, (None, False))
    return st.radio(
        step.question,
        range(len(choices)),
        index=before,
        format_func=lambda choice: choices[choice],
        key=f"prediction {place}",
        horizontal=len(choices) > len(STEPS) // 2 and step.choices is None,
    )


def _reveal(place: int, material: Material, choices: tuple[str, ...], predicted: int) -> None:
    """Whether the prediction is right, and why."""
    answer = STEPS[place].answer(material)
    right = predicted == answer.choice
    st.session_state[_PREDICTED][place] = predicted, right
    if right:
        say_plainly(f"**Right.** {answer.because}", good=True)
    else:
        say_plainly(f"**Not quite: {_lower(choices[answer.choice])}.** {answer.because}", good=False)


def _lower(choice: str) -> str:
    """A choice in the middle of a sentence."""
    return choice[:1].lower() + choice[1:]


def _move(place: int, *, last: bool, answered: bool) -> None:
    """The way back and on."""
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        if place > 0:
            st.button("Back", key="lesson back", icon=":material/arrow_back:", on_click=_go, args=(place - 1,))
        else:
            st.space("small")  # what leads on stands at the right in every step
        if not last:
            st.button(
                "Next",
                key="lesson next",
                icon=":material/arrow_forward:",
                icon_position="right",
                type="primary" if answered else "secondary",
                on_click=_go,
                args=(place + 1,),
            )
        elif answered:
            st.button("From the beginning", key="lesson again", icon=":material/replay:", on_click=_begin_anew)


def _begin_anew() -> None:
    """The first step, for the next student at this page: nothing is predicted yet."""
    st.session_state[_PREDICTED] = {}
    poll.cover()
    _go(0)


def _go(place: int) -> None:
    st.query_params[_STEP] = str(place + 1)


def _score() -> str:
    predictions = st.session_state[_PREDICTED].values()
    right = sum(was_right for _, was_right in predictions)
    return f"Of {len(STEPS)} questions you answered {len(predictions)}, and predicted {right} right."
