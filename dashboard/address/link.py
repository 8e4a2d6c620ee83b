"""Keep the page's address and its widgets in step.

Opening an address fills the widgets; changing a widget rewrites the address; going back in the browser fills them
again.
"""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.address.classroom_settings import classroom, write_classroom
from dashboard.address.search_settings import SearchSettings
from dashboard.address.sweep_settings import SweepSettings
from dashboard.address.widgets import SCENARIO, SEARCH, SWEEP
from gradinv_core.experiments.client.own_photo import PHOTO_LOST
from gradinv_core.experiments.scenario import OWN_CLASS, VERSION, Scenario, from_query, to_query
from gradinv_core.experiments.settings import read_settings, write_settings

__all__ = ["adopt", "publish", "query_of", "republish", "rest"]

_WRITTEN = "address written"
_SHOWN = "scenario shown"
_SENTENCES = "address sentences"
_PAGE = "page shown"

Shown = tuple[Scenario, SearchSettings, SweepSettings]


def query_of(scenario: Scenario) -> dict[str, str]:
    """Query parameters of another scenario with the settings as they are, and nothing running.

    Never empty: a page that is opened without an address keeps the scenario of the page before.
    """
    settings = write_settings(SEARCH.current().resting) | write_settings(SWEEP.current().resting)
    return to_query(scenario) | settings | {"v": str(VERSION)} | write_settings(classroom())


def adopt(stages: Callable[[str], tuple[str, ...]], page: str, *, photo_here: bool) -> list[str]:
    """Fill the widgets from the address, when the address is news.

    It is news when the session starts, when the browser went back or forward, and when it changed although no widget
    did. A widget that changed wins: its run may start before the browser has seen the address of the run before.

    Args:
        stages: network name -> the training stages it has.
        page: that is drawn. The menu leads to another one without an address: the scenario comes along. Where the
            browser went back to such an address, it means the default scenario.
        photo_here: whether this tab holds a photo of the visitor's own.

    Returns:
        Sentences about values that made no sense, until the visitor changes something.
    """
    query = st.query_params.to_dict()
    started = _SHOWN in st.session_state
    moved = started and st.session_state[_PAGE] != page
    st.session_state[_PAGE] = page
    lost = started and not (SCENARIO.here and SEARCH.here and SWEEP.here)
    if moved or lost:  # the widgets of the page before are gone, or were never drawn, and their values with them
        _fill(*st.session_state[_SHOWN])
    returned = _came_through_history()
    changed = started and not returned and _current() != st.session_state[_SHOWN]
    if changed:
        st.session_state[_SENTENCES] = []
        _forget_the_run_of_another()
    carried = moved and not query and not returned
    if changed or carried or (started and query == st.session_state[_WRITTEN]):
        shown = _current()
    else:
        scenario, sentences = from_query(query, stages)
        search, of_search = read_settings(query, SearchSettings)
        sweep, of_sweep = read_settings(query, SweepSettings)
        st.session_state[_SENTENCES] = sentences + of_search + of_sweep
        if scenario.own_photo and not photo_here:
            scenario = replace(scenario, own_photo=False, target=OWN_CLASS)  # the class was the photo's
            st.session_state[_SENTENCES].append(PHOTO_LOST)
        shown = scenario, search, sweep
    # Also where nothing is new: a widget that is not drawn in this run would lose its value, unless it is set again.
    _fill(*shown)
    if not started:  # a visitor who moves on before the page is drawn takes the scenario along
        st.session_state[_WRITTEN], st.session_state[_SHOWN] = query, shown
    return list(st.session_state[_SENTENCES])


def rest(page: str) -> None:
    """Leave the scenario of the other pages as it is, on a page with an address of its own.

    Args:
        page: that is drawn.
    """
    started = _SHOWN in st.session_state
    if started:
        st.session_state[_PAGE] = page
    _fill(*(st.session_state[_SHOWN] if started else (Scenario(), SearchSettings(), SweepSettings())))
    write_classroom()


def publish() -> Scenario:
    """Write what the widgets describe into the address; call it after they are drawn."""
    scenario, search, sweep = _current()
    query = to_query(scenario) | write_settings(search) | write_settings(sweep)
    if query:
        query["v"] = str(VERSION)
    query |= write_settings(classroom())
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)
    st.session_state[_WRITTEN], st.session_state[_SHOWN] = query, (scenario, search, sweep)
    return scenario


def republish() -> None:
    """Write a change of a search's or sweep's settings into the address, where only a part of the page is drawn."""
    if _current() != st.session_state[_SHOWN]:
        _forget_the_run_of_another()
        publish()


def _fill(scenario: Scenario, search: SearchSettings, sweep: SweepSettings) -> None:
    """Give every widget its value."""
    SCENARIO.fill(scenario)
    SEARCH.fill(search)
    SWEEP.fill(sweep)


def _current() -> Shown:
    return SCENARIO.current(), SEARCH.current(), SWEEP.current()


def _came_through_history() -> bool:
    """Whether the browser's back or forward button asked for this run."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def _forget_the_run_of_another() -> None:
    """A run belongs to its scenario and its settings: where those change, the address no longer asks for one."""
    scenario, search, sweep = _current()
    before, searched, swept = st.session_state[_SHOWN]
    if search.run == searched.run and (scenario, search.resting) != (before, searched.resting):
        SEARCH.set("run", "no")
    if sweep.run == swept.run and (scenario, sweep.resting) != (before, swept.resting):
        SWEEP.set("run", "no")
