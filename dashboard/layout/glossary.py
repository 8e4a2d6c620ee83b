"""The words that a page uses and everyday language does not: one sentence each, said the same on every page."""

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.components import word_marks

__all__ = ["GLOSSARY", "mark_words", "offer_words"]

_TITLE, _HELP = "Words", "What the words on this page mean."

GLOSSARY: Mapping[str, str] = {
    "Gradient": "for every weight of the network, which way to change it so that the network answers a little better. "
    "The client sends it in place of its picture.",
    "Soft label": "a label that spreads a weight of 1 over several classes instead of naming one.",
    "Share": "the part of that weight which one class gets, from 0 to 1.",
    "Feature": "what the last layer gets to see: the picture, boiled down to a list of numbers.",
    "Head": "the last layer of the network. It makes one number for each class out of the feature.",
    "Tensor": "a table of numbers with any number of sides, such as all the weights of one layer.",
    "Outer product": "the table of every entry of one list times every entry of another. The head's gradient of one "
    "picture is one: a number for each class times the feature.",
    "λ (lambda)": "the one number that such a product leaves open, because twice the one list and half the other make "
    "the same table.",
    "Pseudo-label": "what a candidate for λ would mean as a label. For a wrong λ it need not be one: shares may lie "
    "below 0.",
    "The paper": "“Towards Eliminating Hard Label Constraints in Gradient Inversion Attacks” (Wang, Liang and He, ICLR "
    "2024, arXiv 2402.03124), whose attack is rebuilt here.",
    "The paper's loss": "how unequal the smaller shares of a pseudo-label are: their variance. That paper searches for "
    "the λ at which it is smallest.",
    "Skip": "a way around a few layers of a network: what went into them is added to what they make of it.",
    "Max pool": "a layer that keeps the largest of a few neighbouring numbers and drops the others.",
    "PSNR": "peak signal-to-noise ratio, in decibels: how alike two pictures are. From 40 on the eye sees no "
    "difference.",
}
"""In the order in which they build on each other."""


def offer_words(names: Sequence[str]) -> None:
    """A button beside the title that lists them: the keyboard's and the screen reader's way, and one stop of it.

    Args:
        names: keys of `GLOSSARY`; none draws nothing.
    """
    if names:
        with st.popover(_TITLE, icon=":material/dictionary:", help=_HELP, key="words"):
            st.markdown("\n".join(f"- **{name}**: {GLOSSARY[name]}" for name in names))


def mark_words(names: Sequence[str]) -> None:
    """Mark each where the page first uses it, for a pointer and for a finger.

    Args:
        names: keys of `GLOSSARY`; none draws nothing.
    """
    if names:
        word_marks({name: GLOSSARY[name] for name in names})
