"""Which stored study is shown, and which one stands beside it."""

import os
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.study.record import Record, read_record
from gradinv_core.experiments.study.shelf import find_studies
from gradinv_core.experiments.study.store import DATABASE

__all__ = ["EXPLANATION", "SENTENCE", "Chosen", "choose"]

SENTENCE = "The attacks were played and judged before, on the command line; the page counts what became of them."
EXPLANATION = (
    "A study is a small file that says which attacks to play. It runs on the command line, on one machine or on many, "
    "and keeps a row for every attack."
)

_FOLDER = "GRADINV_STUDIES"
_NOBODY = "nothing"
_KEPT = 4


@dataclass(frozen=True)
class Chosen:
    """The study that is shown, and one to compare it with.

    Attributes:
        record: the study.
        other: the other study, None without one.
    """

    record: Record
    other: Record | None = None


def choose() -> Chosen | None:
    """Draw two menus, and read what they say.

    Returns:
        The choice; None where there is no study, or one cannot be read, and a sentence says so.
    """
    folder = os.environ.get(_FOLDER)
    found = find_studies(Path(folder) if folder else None)
    if not found:
        st.info(
            f"No study is here. The owner of this server names a folder of studies in {_FOLDER}; "
            "`gradinv experiment run ours --quick` plays one.",
            icon=":material/info:",
        )
        return None
    with st.container(horizontal=True, gap="medium"):
        name = st.selectbox("Study", list(found), key="study", width=460)
        beside = st.selectbox(
            "Compare with",
            [_NOBODY, *(other for other in found if other != name)],
            key="study beside",
            help=f"The owner of this server adds studies with a folder that {_FOLDER} names.",
            width=460,
        )
    try:
        return Chosen(_read(found[name]), None if beside == _NOBODY else _read(found[beside]))
    except GradientInversionError:
        st.error("That study cannot be read: its file is damaged, or not a study.", icon=":material/info:")
        return None


def _read(path: Path) -> Record:
    """A study that is still being played has new rows every time."""
    file = path if path.is_file() else path / f"{DATABASE}-wal"
    changed = file.stat().st_mtime_ns if file.exists() else 0
    return _remembered(path, changed)


@st.cache_resource(max_entries=_KEPT, show_spinner="Reading the study")
def _remembered(path: Path, changed: int) -> Record:  # noqa: ARG001 - part of what it is remembered by
    return read_record(path)
