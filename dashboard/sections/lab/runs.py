"""The runs of this tab: each one listed with its numbers and a way back, and one to compare with, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from dashboard.address import query_of
from dashboard.claims.picture import Rebuilt
from dashboard.drawing.number_text import plain
from dashboard.drawing.pictures import picture_source
from dashboard.export import ComparedRun, comparison_page
from dashboard.layout.picture_row import Picture, picture_row
from dashboard.pages import LAB
from dashboard.sections.lab.run_figures import RunFigures
from dashboard.sections.story.view import LabView
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.settings import settings_of, write_value
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.metrics import psnr

__all__ = ["PastRun", "differences", "name_of", "show", "show_earlier"]

_RUNS, _COMPARED = "runs of this tab", "run to compare with"
_MOST = 12


@dataclass(frozen=True)
class PastRun:
    """What is kept of a run.

    Attributes:
        scenario: what was played.
        status: of the answer.
        scale: the recovered lambda.
        label_error: largest error of the recovered label.
        decibels: PSNR of the rebuilt picture; None where there is none.
        picture: that picture as a `data:` address; empty where there is none.
        figures: of its label and feature, for a page to take along.
    """

    scenario: Scenario
    status: str
    scale: float
    label_error: float
    figures: RunFigures
    decibels: float | None = None
    picture: str = ""


def show(view: LabView, recovery: ImageRecovery | None) -> None:
    """Keep this run, and draw the list.

    Args:
        view: the solved scenario.
        recovery: its picture, None where there is none yet.
    """
    now = _kept(view, recovery)
    earlier: list[PastRun] = [run for run in st.session_state.get(_RUNS, []) if run.scenario != now.scenario]
    st.session_state[_RUNS] = [now, *earlier][:_MOST]
    with st.expander(f"Runs of this tab ({len(earlier) + 1})", icon=":material/history:"):
        if not earlier:
            st.caption("Change one thing: this run stays here, to go back to and to compare with.")
            return
        compared = st.selectbox(
            "Compare with",
            [run.scenario for run in earlier],
            index=None,
            format_func=name_of,
            placeholder="an earlier run",
            key=_COMPARED,
        )
        before = next((run for run in earlier if run.scenario == compared), None)
        if before is not None:
            _compare(before, now, dark=view.dark)
        _list(earlier)


def show_earlier() -> None:
    """Draw the list alone, where the attack found nothing that could be kept: the way back stays open."""
    if earlier := st.session_state.get(_RUNS):
        with st.expander(f"Runs of this tab ({len(earlier)})", icon=":material/history:"):
            _list(earlier)


def _list(earlier: Sequence[PastRun]) -> None:
    for run in earlier:
        with st.container(horizontal=True, vertical_alignment="center"):
            LAB.link(name_of(run.scenario), query_of(run.scenario))
            st.caption(_numbers(run))


def name_of(scenario: Scenario) -> str:
    """What is special about a scenario: its settings that are not the default."""
    parts = [
        f"{declared.title or declared.address}: {write_value(getattr(scenario, field))}"
        for field, declared in settings_of(Scenario).items()
        if getattr(scenario, field) != declared.default
    ]
    return ", ".join(parts) or "as the page opens"


def differences(before: PastRun, now: PastRun) -> list[dict[str, str]]:
    """Rows of the comparison: settings that differ, then the numbers, with what lies between them."""
    rows = [
        _row(declared.title or declared.address, write_value(first), write_value(second))
        for field, declared in settings_of(Scenario).items()
        if (first := getattr(before.scenario, field)) != (second := getattr(now.scenario, field))
    ]
    rows.append(_row("Answer", before.status, now.status))
    rows.append(_row("λ", plain(before.scale, 5), plain(now.scale, 5), plain(now.scale - before.scale, 2)))
    apart = now.label_error - before.label_error
    rows.append(
        _row("Largest error of the label", plain(before.label_error, 2), plain(now.label_error, 2), plain(apart, 2))
    )
    gained = "" if before.decibels is None or now.decibels is None else f"{now.decibels - before.decibels:+.1f} dB"
    rows.append(_row("PSNR of the picture", _decibels(before), _decibels(now), gained))
    return rows


def _compare(before: PastRun, now: PastRun, *, dark: bool) -> None:
    pictures = [
        Picture(before.picture, "Then: what was rebuilt." if before.picture else "Then: no picture."),
        Picture(now.picture, "Now: what was rebuilt." if now.picture else "Now: no picture yet."),
    ]
    st.html(picture_row(pictures, "then and now", largest="10rem"))
    rows = differences(before, now)
    st.dataframe(rows, hide_index=True, width="stretch")
    st.download_button(
        "Comparison to open offline",
        lambda: comparison_page(_to_compare(before, dark), _to_compare(now, dark), rows, dark=dark),
        "comparison.html",
        "text/html",
        key="take comparison.html",
        icon=":material/web:",
        on_click="ignore",
        help="Figures stay interactive in it, and can be saved from it as SVG or PNG.",
    )


def _to_compare(run: PastRun, dark: bool) -> ComparedRun:
    return ComparedRun(name_of(run.scenario), run.picture, run.figures.drawn(dark=dark))


def _row(name: str, then: str, now: str, difference: str = "") -> dict[str, str]:
    return {"": name, "then": then, "now": now, "difference": difference}


def _kept(view: LabView, recovery: ImageRecovery | None) -> PastRun:
    found = view.attack.recovery
    error, figures = view.truth.label_error(found.label), RunFigures.of(view)
    run = PastRun(view.scenario, str(found.status), found.scale, error, figures)
    if recovery is None:
        return run
    shown = Rebuilt(view.server, recovery).shown
    return replace(run, decibels=psnr(shown, view.truth.image), picture=picture_source(shown))


def _numbers(run: PastRun) -> str:
    return f"{run.status}; label off by {plain(run.label_error, 2)}; picture {_decibels(run)}"


def _decibels(run: PastRun) -> str:
    return "none" if run.decibels is None else f"{plain(run.decibels, 3)} dB"
