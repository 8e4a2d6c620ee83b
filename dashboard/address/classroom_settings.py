"""What a teacher's link says of the page it opens: what is shown, what is locked, and which class it belongs to.

It holds for the tab, on every page, from the first address to the end. It is a courtesy between a teacher and a class,
not a lock against anybody: whoever deletes the words from the address has the whole page.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from gradinv_core.experiments.settings import one_of, read_settings, setting, write_settings, yes_or_no

__all__ = [
    "CODE_LENGTH",
    "CODE_LETTERS",
    "ClassroomSettings",
    "change_classroom",
    "classroom",
    "classroom_sentences",
    "write_classroom",
]

CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""No two of them look alike: a code is read off a wall."""
CODE_LENGTH = 5
_SETTINGS, _SENTENCES = "classroom", "classroom sentences"


def _matching(pattern: str, expected: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"it must be {expected}")
        return text

    return read


@dataclass(frozen=True)
class ClassroomSettings:
    """What a link says beside the scenario.

    Attributes:
        controls: whether the sidebar is "shown", "locked" (shown, and nothing in it can be changed) or "hidden".
        answers: whether the lesson answers as soon as somebody "predicted", or when the answer is "revealed".
        large: whether letters are larger, for a projector.
        code: of the class whose predictions are counted; empty without.
        teacher: the class's key, for whoever leads it; empty for a student.
        seat: which student this is, a number that says nothing of the person; empty without a class.
    """

    controls: str = setting(
        "shown",
        "controls",
        one_of(("shown", "locked", "hidden")),
        "Settings in the sidebar",
        "Locked: everybody sees them, nobody can change them, and nothing leads to another scenario. Hidden: the "
        "sidebar is gone besides.",
    )
    answers: str = setting(
        "predicted",
        "answers",
        one_of(("predicted", "revealed")),
        "The lesson answers",
        "As soon as a student has predicted, or not before you reveal it: with a class on everybody's page, without "
        "one by a button.",
    )
    large: bool = setting(
        False,
        "large",
        yes_or_no,
        "Larger type",
        "For a projector: letters grow by a quarter, in figures, too.",
    )
    code: str = setting(
        "",
        "code",
        _matching(f"[{CODE_LETTERS}]{{{CODE_LENGTH}}}", f"a class's code of {CODE_LENGTH} capital letters and digits"),
        "Code of the class",
        "Predictions are counted under this code. No account, no name.",
        shown="no class",
    )
    teacher: str = setting("", "teacher", _matching("[0-9a-f]{16}", "the key of a class"), shown="a student's page")
    seat: str = setting("", "seat", _matching("[0-9a-f]{12}", "a number that this page gave out"), shown="a new one")

    @property
    def locked(self) -> bool:
        """Whether the scenario cannot be changed."""
        return self.controls != "shown"

    @property
    def invited(self) -> bool:
        """Whether somebody else's link brought the visitor here: no teacher's tools are shown then."""
        return not self.teacher and (self.locked or bool(self.code))


def classroom() -> ClassroomSettings:
    """What holds in this tab: what its first address said, and what was changed since."""
    if _SETTINGS not in st.session_state:
        settings, sentences = read_settings(st.query_params.to_dict(), ClassroomSettings)
        st.session_state[_SETTINGS], st.session_state[_SENTENCES] = settings, sentences
    kept: ClassroomSettings = st.session_state[_SETTINGS]
    return kept


def classroom_sentences() -> list[str]:
    """What to say of words in that address that made no sense."""
    classroom()
    sentences: list[str] = st.session_state[_SENTENCES]
    return sentences


def change_classroom(**changes: Any) -> None:
    """Change fields of it, here and in the address.

    Args:
        changes: field of `ClassroomSettings` -> value.
    """
    before = write_settings(classroom())
    st.session_state[_SETTINGS] = replace(classroom(), **changes)
    after = write_settings(classroom())
    for name in before.keys() - after.keys():
        st.query_params.pop(name, None)
    write_classroom()


def write_classroom() -> None:
    """Put it into the address of a page that writes its own."""
    for name, text in write_settings(classroom()).items():
        if st.query_params.get(name) != text:
            st.query_params[name] = text
