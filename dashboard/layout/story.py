"""How every step of the story is laid out; what it gets to see is in `dashboard.sections.story.view`."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboard.claims import Claim, Kind
from dashboard.figures.base import TITLE_HEIGHT
from dashboard.figures.sketch import Sketch
from dashboard.layout.plotly_chart import plotly_chart

__all__ = ["chart", "finding", "formulas", "mathematics", "number", "numbers", "say", "say_plainly", "step"]

_GOOD = (
    Kind.UNIQUE,
    Kind.AVERAGE,
    Kind.BATCH_APART,
    Kind.BATCH_PICTURES,
    Kind.SETTLED_BELOW,
    Kind.NOTHING_WRONG,
    Kind.LABEL_LEAKS,
    Kind.WINDOWS_ONE,
)


def step(number: int, title: str, sentence: str, explanation: str) -> None:
    """Heading of a step, its one sentence, and the words behind it for whoever asks."""
    st.space("small")
    st.header(f"{number}  {title}", divider="gray")
    st.markdown(sentence, help=explanation)


def say(claim: Claim) -> None:
    """A claim in a box: blue where something is settled, yellow where it is not."""
    say_plainly(claim.text, good=claim.kind in _GOOD)


def say_plainly(text: str, *, good: bool) -> None:
    """A sentence in such a box."""
    if good:
        st.info(text, icon=":material/check:")
    else:
        st.warning(text, icon=":material/help:")


def finding(sentence: str, explanation: str | None = None) -> None:
    """What a figure shows, in one line above it."""
    st.subheader(sentence, anchor=False, help=explanation)


def chart(figure: Sketch, key: str, explanation: str | None = None, *, clickable: bool = False) -> int | None:
    """Draw a figure without Plotly's tool bar.

    Its title moves out of the picture and above it: there it wraps on a phone, and a screen reader finds it.

    Args:
        figure: what to draw; its title states the finding.
        key: identity of the figure on the page.
        explanation: what the finding's words mean.
        clickable: whether a click on a mark draws the page, or the fragment, again.

    Returns:
        ``customdata`` of the mark that was clicked, its number; None without a click.
    """
    finding(figure.title, explanation)
    return plotly_chart(figure, key, figure.alt or figure.title, hidden=TITLE_HEIGHT, clickable=clickable)


@contextmanager
def numbers() -> Iterator[None]:
    """A row of numbers that wraps on a narrow screen instead of becoming a column."""
    with st.container(horizontal=True, gap="medium"):
        yield


def number(name: str, value: str, explanation: str | None = None) -> None:
    """One number of such a row, with a tooltip that explains the term."""
    st.metric(name, value, help=explanation, width="content")


@contextmanager
def mathematics() -> Iterator[None]:
    """A folded place for formulas."""
    with st.expander("Show the mathematics"):
        yield


def formulas(*parts: str) -> None:
    """LaTeX formulas side by side; on a narrow screen one under the other, because a formula does not wrap."""
    with st.container(horizontal=True, horizontal_alignment="center", gap="medium"):
        for part in parts:
            st.latex(part, width="content")
