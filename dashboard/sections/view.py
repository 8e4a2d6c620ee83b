"""What every step of the story gets to see, and how it is laid out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import plotly.graph_objects as go
import streamlit as st

from dashboard.pipeline import ClientStep, LabelAttack
from dashboard.state import Scenario

__all__ = ["LabView", "chart", "mathematics", "number", "numbers", "step"]


@dataclass(frozen=True)
class LabView:
    """One solved scenario.

    Attributes:
        scenario: what was asked for.
        client: the client's side, with the truth.
        attack: the server's side, found without it.
        dark: whether the page is dark.
    """

    scenario: Scenario
    client: ClientStep
    attack: LabelAttack
    dark: bool


def step(number: int, title: str, sentence: str) -> None:
    """Heading of a step, and its one sentence."""
    st.space("small")
    st.header(f"{number}  {title}", divider="gray")
    st.markdown(sentence)


def chart(figure: go.Figure, key: str) -> None:
    """Draw a figure without Plotly's tool bar; its title serves as the description."""
    st.plotly_chart(figure, theme=None, key=key, config={"displayModeBar": False}, alt=str(figure.layout.title.text))


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
