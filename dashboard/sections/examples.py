"""Scenarios in which something breaks, to start from."""

from dataclasses import dataclass, replace

import streamlit as st

from dashboard.address import set_scenario
from dashboard.state import Scenario

__all__ = ["EXAMPLES", "Example", "show"]


@dataclass(frozen=True)
class Example:
    """One scenario that fails.

    Attributes:
        title: of the failure.
        sentence: what happens.
        scenario: where it happens.
    """

    title: str
    sentence: str
    scenario: Scenario


_TRAINED = Scenario(dataset="digits", network="lenet_sigmoid", stage="mixup-epoch-80")

EXAMPLES = (
    Example(
        "Out of bound",
        "Training made λ larger than the paper's bounds.",
        replace(_TRAINED, epsilon=0.01),
    ),
    Example(
        "False minimum",
        "Without bounds, the paper's L-BFGS stops where nothing is.",
        replace(_TRAINED, image=3, partner=6, augmentation="mixup+smoothing"),
    ),
    Example(
        "One-hot probability",
        "The network is so sure that λ no longer shows.",
        Scenario(dataset="digits", network="lenet_sigmoid", stage="hard-epoch-160"),
    ),
    Example(
        "No structure",
        "A label that follows no pattern leaves a range of λ.",
        Scenario(network="lenet_sigmoid", augmentation="custom", shares="0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.04, 0.03"),
    ),
)


def show() -> None:
    """Draw a button for every example: it fills the controls beside the page."""
    with st.container(horizontal=True, gap="small"):
        for example in EXAMPLES:
            st.button(
                example.title,
                key=f"example {example.title}",
                help=example.sentence,
                on_click=set_scenario,
                args=(example.scenario,),
            )
