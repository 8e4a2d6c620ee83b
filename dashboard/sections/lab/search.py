"""Gradient matching: the slow way that works for any network, run in the background and watched."""

from dataclasses import dataclass, replace
from functools import partial

import streamlit as st

from dashboard.address import SEARCH, republish
from dashboard.address.search_settings import SearchSettings
from dashboard.background.jobs import Job, JobState
from dashboard.background.tab import session_jobs
from dashboard.background.work import Search, comparison_work, search_work
from dashboard.cache import PictureTask
from dashboard.layout.story import formulas
from dashboard.layout.waiting import pace
from dashboard.sections.lab import comparison, search_film
from dashboard.sections.lab.search_controls import choose_search
from dashboard.sections.shared.refusal import what_went_wrong
from dashboard.sections.story.view import LabView
from gradinv_core.image_recovery import ImageRecovery, Step

__all__ = ["show", "show_formulas"]

_SLOT = "search"
_TITLE = "Gradient matching, the usual attack"
_FOLD, _OPEN, _NEEDED = "matching", "matching is open", "matching was needed"
_PATIENCE = 0.35  # seconds that a stopped search gets to hand over its best picture
_SENTENCE = (
    "The usual attack guesses: it starts from noise and changes the pixels until the picture's own gradient looks like "
    "the one that was sent. It works for any network, but it takes long and rarely gets the picture exactly."
)


@dataclass(frozen=True)
class _About:
    """What a job searches for.

    Attributes:
        kind: "one" or "comparison".
        search: all it needs.
    """

    kind: str
    search: Search


def show(view: LabView, task: PictureTask, recovery: ImageRecovery | None, *, impossible: bool) -> None:
    """Draw the panel.

    Args:
        view: the solved scenario.
        task: it plays on.
        recovery: what the exact route found, None where there is nothing yet.
        impossible: whether the exact route has come to nothing: the panel is then open.
    """
    st.space("small")
    _folder(view, task, recovery, waiting=recovery is None and not impossible)


@st.fragment
def _folder(view: LabView, task: PictureTask, recovery: ImageRecovery | None, *, waiting: bool) -> None:
    """The panel, open or folded; a click here leaves the rest of the page alone."""
    known = session_jobs().get(_SLOT, task.key) is not None or SEARCH.current().run != "no"
    _unfold(known or (None if waiting else recovery is None))
    # With a callback the fold belongs to the page: without, the browser would keep it shut whatever is asked for later.
    with st.expander(_TITLE, key=_FOLD, on_change=_keep_fold):
        _panel(view, task, recovery, waiting=waiting)


def _unfold(needed: bool | None) -> None:
    """Open the panel once where a scenario needs it; afterwards it stays as the visitor leaves it.

    Args:
        needed: whether there is no other way to the picture, or a search is known already. None where that is not
            known yet.
    """
    if needed and not st.session_state.get(_NEEDED):
        st.session_state[_OPEN] = True
    if needed is not None:
        st.session_state[_NEEDED] = needed
    st.session_state[_FOLD] = st.session_state.get(_OPEN, False)


def _keep_fold() -> None:
    st.session_state[_OPEN] = st.session_state[_FOLD]


def _panel(view: LabView, task: PictureTask, recovery: ImageRecovery | None, *, waiting: bool) -> None:
    """Controls, buttons and what came of them."""
    republish()
    settings = SEARCH.current()
    st.markdown(_SENTENCE)
    place = st.container()
    job = _wanted_job(task, settings, recovery, waiting)
    running = job is not None and job.state is JobState.RUNNING
    with place:
        choose_search(disabled=running, rebuilt=waiting or recovery is not None)
        _buttons(task, job)
    if job is None:
        if settings.run != "no":
            st.caption("The search starts as soon as the picture it starts from is rebuilt.")
        return
    if running:
        st.fragment(_watch, run_every=pace())(view, job)
        return
    if job.state is JobState.STOPPED:
        job.wait(_PATIENCE)
    if job.error:
        st.warning(what_went_wrong(job), icon=":material/block:")
    elif job.about.kind == "one":
        search_film.show(view, job, job.about.search)
    else:
        comparison.show(view, job)


def _watch(view: LabView, job: Job) -> None:
    """The newest picture, twice a second; draws the page again when the search is over."""
    if job.state is not JobState.RUNNING:
        st.rerun()
    if job.about.kind == "one":
        search_film.watch(view, job, job.about.search)
    else:
        comparison.watch(view, job, job.about.search)


def _wanted_job(
    task: PictureTask, settings: SearchSettings, recovery: ImageRecovery | None, waiting: bool
) -> Job | None:
    """The search of this scenario; the address may ask for one that has not begun."""
    jobs = session_jobs()
    job = jobs.get(_SLOT, task.key)
    wanted = settings.run, settings.resting
    if settings.run == "no" or (job is not None and (job.about.kind, job.about.search.settings) == wanted):
        return job
    if settings.start == "exact" and waiting:
        return None
    search = Search(
        question=task.question,
        settings=settings.resting,
        found_label=None if recovery is None else recovery.soft_label,
        start=recovery.image if recovery is not None and settings.start == "exact" else None,
    )
    return _start(task, _About(settings.run, search))


def _start(task: PictureTask, about: _About) -> Job:
    work = search_work(about.search) if about.kind == "one" else comparison_work(about.search)
    return session_jobs().start(_SLOT, task.key, work, about)


def _buttons(task: PictureTask, job: Job | None) -> None:
    running = job is not None and job.state is JobState.RUNNING
    with st.container(horizontal=True, gap="small"):
        if job is not None and running:
            st.button("Stop", key="stop", type="primary", icon=":material/stop:", on_click=job.stop)
            return
        begin = partial(_begin, task)
        st.button("Start", key="start", type="primary", icon=":material/play_arrow:", on_click=begin, args=("one",))
        if job is not None and job.about.kind == "one" and not job.error:
            st.button(
                "Go on",
                key="go on",
                icon=":material/resume:",
                on_click=_go_on,
                args=(task, job),
                help="From the best picture so far, in smaller steps.",
            )
        st.button(
            "Compare four labels",
            key="compare",
            icon=":material/view_column:",
            on_click=begin,
            args=("comparison",),
            help="The same search from the same noise, four times: with the recovered label, the true one, iDLG's "
            "single class, and a label that is learned along with the picture.",
        )


def _begin(task: PictureTask, kind: str) -> None:
    """Ask for a run; the address asks for it, too."""
    session_jobs().forget(_SLOT, task.key)
    SEARCH.set("run", kind)


def _go_on(task: PictureTask, job: Job) -> None:
    """Search on from the best picture."""
    steps = search_film.steps_of(job)
    if not steps:
        return
    best = search_film.best_of(steps)
    earlier = _in_order(steps)
    before = job.about.search
    spent = before.spent if job.result is None else job.result.seconds
    _start(task, _About("one", replace(before, start=best.value, earlier=earlier, spent=spent)))


def _in_order(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Without the best picture at the end, where that repeats an earlier iteration."""
    iterations = [step.iteration or 0 for step in steps]
    return steps[:-1] if len(steps) > 1 and iterations[-1] < iterations[-2] else steps


def show_formulas() -> None:
    """What the search minimises."""
    formulas(
        r"\hat x = \arg\min_x\ 1 - \frac{\langle \nabla L(x, y),\, g \rangle}"
        r"{\lVert \nabla L(x, y) \rVert\, \lVert g \rVert} + \alpha\, \mathrm{TV}(x)"
    )
