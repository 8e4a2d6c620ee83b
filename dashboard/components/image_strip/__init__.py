"""A row of small pictures to choose from: a radio group for the keyboard and for screen readers.

Reading the page from a test: each choice is an `input` with `data-testid=strip-choice`; its value is the number.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from dashboard.components.assets import read_parts

__all__ = ["image_strip"]

_FOLDER = Path(__file__).parent
_mount = st.components.v2.component(
    "image_strip",
    html='<fieldset class="strip" data-testid="image-strip"><legend></legend><div class="row"></div></fieldset>',
    css=read_parts(_FOLDER, "image_strip.css"),
    js=read_parts(_FOLDER, "image_strip.js"),
)


def image_strip(
    sources: Sequence[str],
    names: Sequence[str],
    *,
    first: int,
    chosen: int,
    on_choose: Callable[[int], None],
    key: str,
    label: str,
) -> None:
    """Draw the strip.

    Args:
        sources: pictures as data addresses.
        names: what each picture shows, for the tooltip and for screen readers.
        first: number of the first picture; the others follow on.
        chosen: number of the picture in use; it may lie outside the strip.
        on_choose: called with the number of the picture that was chosen, before the page is drawn again.
        key: identity of the strip on the page.
        label: what is being chosen.
    """

    def report() -> None:
        number = st.session_state[key].chosen
        # The browser sends whatever it likes: only a picture of this strip counts.
        if isinstance(number, int) and first <= number < first + len(sources):
            on_choose(number)

    data = {"sources": list(sources), "names": list(names), "first": first, "chosen": chosen, "label": label}
    _mount(key=key, data=data, on_chosen_change=report)
