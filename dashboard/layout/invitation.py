"""What a teacher needs to bring a class to a page: a link, its QR code, larger letters, and a class to count in."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import streamlit as st

from dashboard.address import ClassroomSettings, change_classroom, classroom
from dashboard.background.classes import new_seat, the_classes
from dashboard.drawing.qr import LONGEST, qr_svg
from dashboard.start.reach import is_this_machine
from gradinv_core.experiments.settings import settings_of, write_settings

__all__ = ["link_for_a_class", "offer_invitation", "wear_classroom"]

_TITLE = "For a class"
_DECLARED = settings_of(ClassroomSettings)
_CONTROLS = {"shown": "Shown", "locked": "Locked", "hidden": "Hidden"}
_ANSWERS = {"predicted": "At once", "revealed": "When revealed"}
# On a phone the pages' names are in the sidebar, too: they stay.
_HIDDEN = (
    "[data-testid=stSidebarUserContent] { display: none; } "
    "@media (min-width: 768px) { [data-testid=stSidebar], [data-testid=stExpandSidebarButton] { display: none; } }"
)
_LARGE = (
    "html { font-size: 21px !important; } "
    # What the letters gain is taken from the edges: the demo fits a projector's 720 pixels all the same.
    "[data-testid=stMainBlockContainer] { padding-block: 3.6rem 1rem !important; }"
)
_QR = "The link below, as a QR code"
_JOIN, _REFUSED = "invitation join", "invitation refused"


def wear_classroom() -> None:
    """Give the page the look that its address asks for."""
    settings = classroom()
    rules = [_HIDDEN] * (settings.controls == "hidden") + [_LARGE] * settings.large
    if rules:
        st.html(f"<style>{' '.join(rules)}</style>")


def offer_invitation() -> None:
    """A button that opens it, unless somebody else's link brought the visitor here."""
    if not classroom().invited and st.button(_TITLE, key="for a class", icon=":material/groups:"):
        _invitation()


def link_for_a_class(url: str, query: Mapping[str, str], settings: ClassroomSettings) -> str:
    """An address for students.

    Args:
        url: of this page, without a query.
        query: of this page; what it says of the classroom is left out.
        settings: what holds for the students; the teacher's key, their seat and large letters are not among it.
    """
    given = {declared.address for declared in _DECLARED.values()}
    kept = {name: text for name, text in query.items() if name not in given}
    wanted = write_settings(replace(settings, teacher="", seat="", large=False))
    return f"{url}?{urlencode(kept | wanted)}" if kept or wanted else url


@st.dialog(_TITLE, width="large", on_dismiss="rerun")
def _invitation() -> None:
    for field in ("controls", "answers"):
        st.session_state.setdefault(_key(field), _DECLARED[field].default)
    left, right = st.columns([3, 2], gap="large")
    with left:
        for field, titles in (("controls", _CONTROLS), ("answers", _ANSWERS)):
            st.segmented_control(options=tuple(titles), format_func=titles.__getitem__, required=True, **_named(field))
        _count_predictions()
        st.toggle(value=classroom().large, on_change=_resize, **_named("large"))
    settings = replace(
        classroom(), controls=st.session_state[_key("controls")], answers=st.session_state[_key("answers")]
    )
    link = link_for_a_class(st.context.url or "", st.query_params.to_dict(), settings)
    with right:
        if len(link.encode()) > LONGEST:
            st.caption("This scenario is too long for a QR code: send the link.")
        else:
            source = b64encode(qr_svg(link, _QR).encode()).decode()
            st.html(f'<img src="data:image/svg+xml;base64,{source}" alt="{_QR}" style="width: 100%; max-width: 24rem">')
    st.code(link, language=None, wrap_lines=True)
    if is_this_machine(urlsplit(link).hostname or ""):
        st.caption(
            "This address works on this computer alone. For others, start the page with "
            "`gradinv dashboard --host 0.0.0.0`, and open it at the address that it prints."
        )


def _count_predictions() -> None:
    """Open a class, or close it, or join one."""
    code = classroom().code
    if code:
        st.markdown(f"The class is **{code}**. Predictions in the lesson are counted on your page.")
        st.button("Close the class", key="invitation close", icon=":material/close:", on_click=_close)
        return
    st.button(
        "Count the predictions of a class",
        key="invitation open",
        icon=":material/ballot:",
        on_click=_open,
        help="Opens a class: whoever comes by the link is counted in the lesson, without account or name. It stays in "
        "this server's memory, and is forgotten when you close it, or after eight hours of rest.",
    )
    st.text_input("Or join a class by its code", key=_JOIN, max_chars=12, on_change=_join)
    if refused := st.session_state.pop(_REFUSED, ""):
        st.warning(refused, icon=":material/edit:")


def _open() -> None:
    code, key = the_classes().open()
    change_classroom(code=code, teacher=key)
    st.session_state[_key("answers")] = "revealed"


def _close() -> None:
    the_classes().close(classroom().code, classroom().teacher)
    change_classroom(code="", teacher="")


def _join() -> None:
    code = st.session_state[_JOIN].strip().upper()
    if the_classes().is_open(code):
        change_classroom(code=code, seat=new_seat(), answers="revealed")
    else:
        st.session_state[_REFUSED] = "This server has no such class. Look at the code again, or ask for the link."


def _resize() -> None:
    change_classroom(large=st.session_state[_key("large")])


def _key(field: str) -> str:
    return f"invitation {field}"


def _named(field: str) -> dict[str, Any]:
    declared = _DECLARED[field]
    return {"label": declared.title, "key": _key(field), "help": declared.help}
