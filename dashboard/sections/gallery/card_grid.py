"""The gallery: a card for every failure, played in the background and drawn as it comes."""

from typing import Any

import streamlit as st

from dashboard.address import query_of
from dashboard.background.jobs import Job, JobState
from dashboard.background.tab import session_jobs
from dashboard.layout.picture_row import Picture, picture_row
from dashboard.layout.plotly_chart import plotly_chart
from dashboard.layout.waiting import in_line, pace
from dashboard.pages import FAILURES, LAB
from dashboard.sections.gallery.card_play import PlayedCard, gallery_work
from dashboard.sections.shared.cards import CARDS, Card
from dashboard.sections.shared.refusal import what_went_wrong

__all__ = ["show"]

_SLOT, _KEY = "gallery", "all cards"
_COLUMNS = 3
# For screen readers, which go from heading to heading: a card's title stands one level below the page's parts.
_HEADING = '<h2 style="position: absolute; width: 1px; height: 1px; overflow: hidden">All failures, card by card</h2>'
_NAMED = "What the computation itself says, without knowing what was done. Found in {seconds:.1f} s."


def show(*, dark: bool) -> None:
    """Draw all cards; those that are not played yet say so."""
    st.html(_HEADING)
    jobs = session_jobs()
    job = jobs.get(_SLOT, _KEY)
    if job is None:
        job = jobs.start(_SLOT, _KEY, gallery_work(CARDS))
    if job.state is JobState.RUNNING:
        st.button("Stop", key="gallery stop", icon=":material/stop:", on_click=job.stop)
        st.fragment(_watch, run_every=2 * pace())(job, dark)
        return
    if job.state in (JobState.STOPPED, JobState.FAILED):
        st.button("Play on", key="gallery again", on_click=_play_on, args=(job,))
    _draw(job, dark)


def _play_on(job: Job[tuple[str, PlayedCard], None]) -> None:
    session_jobs().start(_SLOT, _KEY, gallery_work(CARDS, job.reports))


def _watch(job: Job[tuple[str, PlayedCard], None], dark: bool) -> None:
    """The cards so far; draws the whole page again when all are played."""
    if job.state is not JobState.RUNNING:
        st.rerun()
    done = len(job.reports)
    st.progress(done / len(CARDS), text=in_line(job) or f"Playing the failures: {done} of {len(CARDS)}")
    _draw(job, dark)


def _draw(job: Job[Any, Any], dark: bool) -> None:
    if job.state is JobState.FAILED:
        st.error(what_went_wrong(job), icon=":material/info:")
    played = dict(job.reports)
    for first in range(0, len(CARDS), _COLUMNS):
        row = CARDS[first : first + _COLUMNS]
        for column, card in zip(st.columns(_COLUMNS), row, strict=False):
            with column:
                _draw_card(card, played.get(card.name), dark)


def _draw_card(card: Card, played: PlayedCard | None, dark: bool) -> None:
    with st.container(border=True, height="stretch", key=f"card {card.name}"):
        st.subheader(card.title, anchor=False)
        st.markdown(card.sentence)
        if played is None:
            st.caption("Not played yet.")
        else:
            plotly_chart(played.picture(dark=dark), f"picture {card.name}", f"{card.title}: {card.caption}")
            st.caption(card.caption)
            if played.got:
                pair = [Picture(played.had, "the client's", truth=True), Picture(played.got, "the server's")]
                st.html(picture_row(pair, "what the client had and what the server got", largest="7rem"))
            st.markdown(f"Named: **{played.cause}.** {played.message}", help=_NAMED.format(seconds=played.seconds))
        with st.container(horizontal=True, gap="small"):
            query = query_of(card.scenario)
            LAB.link("Open in the Lab", query)
            FAILURES.link("Why", query)
