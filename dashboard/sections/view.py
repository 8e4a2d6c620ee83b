"""What every step of the story gets to see, and how it is laid out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import plotly.graph_objects as go
import streamlit as st

from dashboard.client_side import ClientStep
from dashboard.figures.base import TITLE_HEIGHT, name_classes
from dashboard.server_side import LabelAttack, announced_defences
from dashboard.state import Scenario
from gradinv_core.diagnosis import Cause, Diagnosis
from gradinv_core.label_recovery import Status

__all__ = ["ClientView", "LabView", "chart", "finding", "formulas", "mathematics", "number", "numbers", "step"]

_TAMPERED = (Cause.BATCH, Cause.CLIPPED, Cause.QUANTISED, Cause.PRUNED)


@dataclass(frozen=True)
class ClientView:
    """One scenario, before the server looks at what it got.

    Attributes:
        scenario: what was asked for.
        client: the client's side, with the truth.
        dark: whether the page is dark.
    """

    scenario: Scenario
    client: ClientStep
    dark: bool

    @property
    def class_names(self) -> list[str]:
        """(C,) names; numbers for classes beyond those of the dataset."""
        return name_classes(self.client.class_names, self.client.sample.label.numel())


@dataclass(frozen=True)
class LabView(ClientView):
    """One solved scenario.

    Attributes:
        attack: the server's side, found without the truth.
        diagnosis: what the server itself says stands in its way, if anything does.
    """

    attack: LabelAttack
    diagnosis: Diagnosis

    @property
    def settled(self) -> bool:
        """Whether the gradient leaves one answer only."""
        return self.attack.recovery.status is Status.UNIQUE

    @property
    def tampered(self) -> bool:
        """Whether the gradient is not what a plain training step on one sample gives, and the server does not know."""
        return self.diagnosis.cause in _TAMPERED and not announced_defences(self.scenario)


def step(number: int, title: str, sentence: str, explanation: str) -> None:
    """Heading of a step, its one sentence, and the words behind it for whoever asks."""
    st.space("small")
    st.header(f"{number}  {title}", divider="gray")
    st.markdown(sentence, help=explanation)


def finding(sentence: str, explanation: str | None = None) -> None:
    """What a figure shows, in one line above it."""
    st.subheader(sentence, anchor=False, help=explanation)


def chart(figure: go.Figure, key: str, explanation: str | None = None, *, clickable: bool = False) -> int | None:
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
    sentence, layout = str(figure.layout.title.text), figure.layout
    finding(sentence, explanation)
    figure.update_layout(title_text="", height=layout.height - TITLE_HEIGHT, margin_t=layout.margin.t - TITLE_HEIGHT)
    config = {"displayModeBar": False}
    if not clickable:
        st.plotly_chart(figure, theme=None, key=key, config=config, alt=sentence)
        return None
    event = st.plotly_chart(
        figure, theme=None, key=key, config=config, alt=sentence, on_select="rerun", selection_mode="points"
    )
    clicked = [point["customdata"] for point in event["selection"]["points"] if "customdata" in point]
    return int(clicked[0]) if clicked else None


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
