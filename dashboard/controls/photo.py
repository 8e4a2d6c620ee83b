"""Sidebar: the ways to bring a picture of one's own, what becomes of it, and what it is trained as.

The photo rests in the tab (`dashboard.background.tab`), the wish for it in the scenario (`own_photo`): so it follows
the visitor through all pages, and Back and Forward switch between it and the dataset's pictures.
"""

from html import escape
from urllib.parse import urlsplit

import streamlit as st

from dashboard.address import SCENARIO, classroom
from dashboard.background.tab import keep_photo, session_photo
from dashboard.drawing.pictures import picture_source
from gradinv_core.errors import ImageFileError
from gradinv_core.experiments.client.own_photo import NEUTRAL_NAME, Origin, OwnPhoto, read_photo
from gradinv_core.experiments.scenario import OWN_CLASS

__all__ = ["camera_allowed", "choose_photo", "choose_source", "photo_refusal", "privacy"]

_SOURCE, _REMEMBERED = "image source", "image source remembered"
_KEYS: dict[Origin, str] = {"upload": "own upload", "camera": "own camera"}
_REFUSAL = "own photo refused"
_NO_CAMERA = (
    "Browsers give the camera to pages with an https address only, and this one has none. Take the photograph with the "
    "device's own camera, and choose it under “upload”; or ask whoever runs this page for an https address."
)
_THUMBNAIL = 64  # pixels
_HERE = ("localhost", "127.0.0.1", "::1")


def privacy(url: str | None) -> str:
    """Where a picture goes, in one or two sentences.

    Args:
        url: the address the page was opened at, None where it is not known.
    """
    general = (
        "A picture of your own goes to the computer that serves this page. There it is cut to a square and made small, "
        "stays in memory for this tab, and is neither stored nor sent on."
    )
    here = url is not None and urlsplit(url).hostname in _HERE
    return f"{general} By this page's address, that computer is your own." if here else general


def camera_allowed(url: str | None) -> bool:
    """Whether browsers give the camera to a page at this address: over https, or from the same computer."""
    parts = urlsplit(url or "")
    return url is None or parts.scheme == "https" or parts.hostname in _HERE


def choose_source() -> Origin | None:
    """Draw the choice between the dataset and a picture of one's own.

    Returns:
        Which way to a picture of one's own; None for the dataset's.
    """
    photo, own = session_photo(), SCENARIO.get("own_photo")
    source = st.session_state.get(_SOURCE, st.session_state.get(_REMEMBERED, "dataset"))
    # The address decides: Back and Forward change it alone.
    if own and photo is not None and source == "dataset":
        source = photo.origin
    elif not own and photo is not None:
        source = "dataset"
    st.session_state[_SOURCE] = source
    st.segmented_control(
        "Source",
        ("dataset", *_KEYS),
        required=True,
        key=_SOURCE,
        on_change=_change_source,
        help=privacy(st.context.url),
        disabled=classroom().locked,
    )
    st.session_state[_REMEMBERED] = source
    return next((origin for origin in _KEYS if origin == source), None)


def choose_photo(origin: Origin, class_names: tuple[str, ...]) -> None:
    """Draw the way to a photo, or the photo that is here; what was chosen is kept before the page is drawn.

    Args:
        origin: which way.
        class_names: of the dataset.
    """
    photo, key = session_photo(), _KEYS[origin]
    if photo is None or st.session_state.get(key) is not None:
        if origin == "upload":
            # What a file is shows in its content, not in its name: anything may be offered, and is refused with a
            # sentence.
            st.file_uploader(
                "Your picture",
                key=key,
                on_change=_take,
                args=(origin,),
                help="PNG, JPEG, WebP, BMP, GIF or TIFF, at most 20 MB.",
            )
        elif not camera_allowed(st.context.url):
            st.info(_NO_CAMERA, icon=":material/no_photography:")
        else:
            st.camera_input("Take a photograph", key=key, on_change=_take, args=(origin,))
        st.caption("It stays in this tab only: all pages use it, and a reload forgets it.")
    else:
        _show(photo)
    if photo is not None and SCENARIO.get("augmentation") != "custom":
        _ask_for_class(class_names)


def photo_refusal() -> list[str]:
    """A sentence where the last file was no picture, as long as nothing took its place."""
    refused = st.session_state.get(_REFUSAL)
    return [refused] if refused and st.session_state.get(_SOURCE, "dataset") != "dataset" else []


def _show(photo: OwnPhoto) -> None:
    """The photo that came along from another page."""
    source = picture_source(photo.images[min(photo.images)])
    st.html(
        f'<img src="{source}" alt="{escape(NEUTRAL_NAME)}" data-testid="own-photo" '
        f'style="width: {_THUMBNAIL}px; image-rendering: pixelated; border-radius: 0.3rem">'
    )
    st.caption("Your photo is in use on all pages of this tab; a reload forgets it.")
    st.button("Choose another", key="forget own photo", on_click=_use, args=(None,), disabled=classroom().locked)


def _ask_for_class(names: tuple[str, ...]) -> None:
    st.selectbox(
        "What does it show?",
        (OWN_CLASS, *range(len(names))),
        key=SCENARIO.key("target"),
        format_func=lambda target: f"left open: “{NEUTRAL_NAME}”" if target == OWN_CLASS else names[target],
        disabled=classroom().locked,
        help=f"The class it is trained as. Left open, the photo takes the place of one of the dataset's classes, which "
        f"is then called “{NEUTRAL_NAME}” everywhere on the page.",
    )


def _take(origin: Origin) -> None:
    """Keep the file that was chosen; one that is no picture, or was taken away, leaves nothing behind."""
    st.session_state[_REFUSAL] = None
    file, photo = st.session_state.get(_KEYS[origin]), None
    if file is not None:
        try:
            photo = read_photo(file.getvalue(), origin)
        except ImageFileError as error:
            sentence = error.sentence.removesuffix(".")
            st.session_state[_REFUSAL] = f"{sentence}; until then the page shows the dataset's picture."
    _use(photo)


def _change_source() -> None:
    """Another source: the photo is used, or rests until it is wanted again."""
    _use_kept(st.session_state[_SOURCE] != "dataset")


def _use(photo: OwnPhoto | None) -> None:
    keep_photo(photo)
    _use_kept(True)


def _use_kept(wanted: bool) -> None:
    own = wanted and session_photo() is not None
    if own or SCENARIO.get("own_photo"):
        SCENARIO.set("target", OWN_CLASS)  # the class of one picture says nothing about another
    SCENARIO.set("own_photo", own)
