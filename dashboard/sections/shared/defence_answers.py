"""Which defence holds against which server, and what it costs: one table, whether played now or measured before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard.drawing.number_text import percent

__all__ = ["DefenceAnswer", "show_answers"]

_HEADER = "| defence | a server not told of it | a server told of it | direction kept |\n| --- | --- | --- | ---: |"
_PRICE = (
    "The price of a defence is what it does to the gradient: one that points elsewhere trains the network worse. 100 % "
    "is the honest direction, all layers together: where one layer alone is spoiled, little of it is lost, and yet "
    "that layer learns nothing."
)


@dataclass(frozen=True)
class DefenceAnswer:
    """What became of one defence.

    Attributes:
        title: of the defence.
        untold: what a server gets that takes the gradient for a plain one, in words.
        told: what a server gets that knows the defence, in words.
        kept: cosine between what is sent and the honest gradient, see `Material.kept_of`.
    """

    title: str
    untold: str
    told: str
    kept: float


def show_answers(answers: Sequence[DefenceAnswer], source: str) -> None:
    """Draw the table.

    Args:
        answers: one row each.
        source: where the numbers come from, in a sentence or two.
    """
    lines = [_HEADER, *(_line(answer) for answer in answers)]
    st.markdown("\n".join(lines))  # unlike Streamlit's tables it is there at once, and moves nothing below it
    st.caption(f"{_PRICE} {source}")


def _line(answer: DefenceAnswer) -> str:
    line = f"| {answer.title} | {answer.untold} | {answer.told} | {percent(answer.kept)} |"
    return line.replace(" %", "\N{NO-BREAK SPACE}%").replace(" dB", "\N{NO-BREAK SPACE}dB")
