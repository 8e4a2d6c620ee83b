"""What every page of the app has around its content: a width, a title, and one box for an error of the core."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from dashboard.address import classroom_sentences
from dashboard.claims.plain_words import of_error
from dashboard.layout.figure_files import offer_figures
from dashboard.layout.glossary import mark_words, offer_words
from dashboard.layout.invitation import offer_invitation, wear_classroom
from gradinv_core.errors import GradientInversionError

__all__ = ["complain", "page_frame"]

_WIDTH = 1080  # pixels: longer lines and wider pictures are harder to read, even on a projector
_MOST_BOXES = 4


@contextmanager
def page_frame(
    title: str, sentence: str, explanation: str, words: Sequence[str] = (), *, figures: bool = True, width: int = _WIDTH
) -> Iterator[None]:
    """Draw the page's head; an error of the core inside becomes a sentence on the page.

    Args:
        title: of the page.
        sentence: what it is about; none where that was said before.
        explanation: what the sentence's words mean.
        words: that the page uses, of `dashboard.layout.glossary.GLOSSARY`.
        figures: whether they are offered as files at the end of the page.
        width: pixels at most; more for a page that shows text and figures side by side.
    """
    with st.container(horizontal_alignment="center"), st.container(width=width):
        with st.container(gap=None):  # these draw nothing, and must not leave a gap
            wear_classroom()
            mark_words(words)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.title(title)
            offer_words(words)
            offer_invitation()
        if sentence:
            st.markdown(sentence, help=explanation)
        complain(classroom_sentences())
        try:
            yield
            if figures:
                offer_figures()
        except GradientInversionError as error:
            st.error(of_error(error), icon=":material/info:")


def complain(sentences: list[str]) -> None:
    """Say what made no sense, in a box each; a whole list of it shares one."""
    boxes = sentences if len(sentences) <= _MOST_BOXES else ["\n".join(f"- {sentence}" for sentence in sentences)]
    for box in boxes:
        st.warning(box, icon=":material/edit:")
