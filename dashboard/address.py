"""Keep the page's address and its widgets in step.

Opening an address fills the widgets; changing a widget rewrites the address; going back in the browser fills them
again. The widgets' values live in the session under `widget_key`, `search_key` and `sweep_key`.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.own_photo import PHOTO_LOST
from dashboard.search_state import SearchSettings, search_from_query, search_to_query
from dashboard.session import session_photo
from dashboard.state import OWN_CLASS, VERSION, Scenario, from_query, to_query
from dashboard.sweep_state import SweepSettings, sweep_from_query, sweep_to_query

__all__ = [
    "adopt",
    "current_scenario",
    "current_search",
    "current_sweep",
    "publish",
    "query_of",
    "republish",
    "republish_sweep",
    "search_key",
    "set_scenario",
    "set_search",
    "set_sweep",
    "set_value",
    "sweep_key",
    "value_of",
    "widget_key",
]

_WRITTEN = "address written"
_SHOWN = "scenario shown"
_SENTENCES = "address sentences"
_PAGE = "page shown"

Shown = tuple[Scenario, SearchSettings, SweepSettings]


def widget_key(field: str) -> str:
    """Session key of the widget that holds a field of the scenario."""
    return f"scenario_{field}"


def search_key(field: str) -> str:
    """Session key of the widget that holds a field of the search's settings."""
    return f"search_{field}"


def sweep_key(field: str) -> str:
    """Session key of the widget that holds a field of the sweep's settings."""
    return f"sweep_{field}"


def value_of(field: str) -> Any:
    """Current value of a field, whether or not its widget is on the page."""
    return st.session_state[widget_key(field)]


def set_value(field: str, value: Any) -> None:
    """Change a field; call it before its widget is drawn, or from a callback."""
    st.session_state[widget_key(field)] = value


def set_search(field: str, value: Any) -> None:
    """Change a field of the search's settings; call it before its widget is drawn, or from a callback."""
    st.session_state[search_key(field)] = value


def set_sweep(field: str, value: Any) -> None:
    """Change a field of the sweep's settings; call it before its widget is drawn, or from a callback."""
    st.session_state[sweep_key(field)] = value


def set_scenario(scenario: Scenario) -> None:
    """Change all fields at once; call it from a callback."""
    for field in fields(Scenario):
        set_value(field.name, getattr(scenario, field.name))


def current_scenario() -> Scenario:
    """The scenario the widgets describe."""
    return Scenario(**{field.name: value_of(field.name) for field in fields(Scenario)})


def current_search() -> SearchSettings:
    """The settings of the search the widgets describe."""
    return SearchSettings(**{field.name: st.session_state[search_key(field.name)] for field in fields(SearchSettings)})


def current_sweep() -> SweepSettings:
    """The settings of the sweep the widgets describe."""
    return SweepSettings(**{field.name: st.session_state[sweep_key(field.name)] for field in fields(SweepSettings)})


def query_of(scenario: Scenario) -> dict[str, str]:
    """Query parameters of another scenario with the settings as they are, and nothing running.

    Never empty: a page that is opened without an address keeps the scenario of the page before.
    """
    settings = search_to_query(current_search().resting) | sweep_to_query(current_sweep().resting)
    return to_query(scenario) | settings | {"v": str(VERSION)}


def adopt(stages: Callable[[str], tuple[str, ...]], page: str) -> list[str]:
    """Fill the widgets from the address, when the address is news.

    It is news when the session starts, when the browser went back or forward, and when it changed although no widget
    did. A widget that changed wins: its run may start before the browser has seen the address of the run before.

    Args:
        stages: network name -> the training stages it has.
        page: that is drawn. The menu leads to another one without an address: the scenario comes along. Where the
            browser went back to such an address, it means the default scenario.

    Returns:
        Sentences about values that made no sense, until the visitor changes something.
    """
    query = st.query_params.to_dict()
    started = _SHOWN in st.session_state
    moved = started and st.session_state[_PAGE] != page
    st.session_state[_PAGE] = page
    if moved:  # the widgets of the page before are gone, and their values with them
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
        search, of_search = search_from_query(query)
        sweep, of_sweep = sweep_from_query(query)
        st.session_state[_SENTENCES] = sentences + of_search + of_sweep
        if scenario.own_photo and session_photo() is None:
            scenario = replace(scenario, own_photo=False, target=OWN_CLASS)  # the class was the photo's
            st.session_state[_SENTENCES].append(PHOTO_LOST)
        shown = scenario, search, sweep
    # Also where nothing is new: a widget that is not drawn in this run would lose its value, unless it is set again.
    _fill(*shown)
    if not started:  # a visitor who moves on before the page is drawn takes the scenario along
        st.session_state[_WRITTEN], st.session_state[_SHOWN] = query, shown
    return list(st.session_state[_SENTENCES])


def publish() -> Scenario:
    """Write what the widgets describe into the address; call it after they are drawn."""
    scenario, search, sweep = _current()
    query = to_query(scenario) | search_to_query(search) | sweep_to_query(sweep)
    if query:
        query["v"] = str(VERSION)
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)
    st.session_state[_WRITTEN], st.session_state[_SHOWN] = query, (scenario, search, sweep)
    return scenario


def republish() -> SearchSettings:
    """Write a change of the search's settings into the address, where only its part of the page is drawn again."""
    _publish_changes()
    return current_search()


def republish_sweep() -> SweepSettings:
    """The same for the sweep's settings."""
    _publish_changes()
    return current_sweep()


def _publish_changes() -> None:
    if _current() != st.session_state[_SHOWN]:
        _forget_the_run_of_another()
        publish()


def _fill(scenario: Scenario, search: SearchSettings, sweep: SweepSettings) -> None:
    """Give every widget its value."""
    set_scenario(scenario)
    for field in fields(SearchSettings):
        set_search(field.name, getattr(search, field.name))
    for field in fields(SweepSettings):
        set_sweep(field.name, getattr(sweep, field.name))


def _came_through_history() -> bool:
    """Whether the browser's back or forward button asked for this run."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def _current() -> Shown:
    return current_scenario(), current_search(), current_sweep()


def _forget_the_run_of_another() -> None:
    """A run belongs to its scenario and its settings: where those change, the address no longer asks for one."""
    scenario, search, sweep = _current()
    before, searched, swept = st.session_state[_SHOWN]
    if search.run == searched.run and (scenario, search.resting) != (before, searched.resting):
        set_search("run", "no")
    if sweep.run == swept.run and (scenario, sweep.resting) != (before, swept.resting):
        set_sweep("run", "no")
