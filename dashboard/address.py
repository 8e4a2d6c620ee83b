"""Keep the page's address and its widgets in step.

Opening an address fills the widgets; changing a widget rewrites the address; going back in the browser fills them
again. The widgets' values live in the session under `widget_key` and `search_key`.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import streamlit as st

from dashboard.search_state import SearchSettings, search_from_query, search_to_query
from dashboard.state import VERSION, Scenario, from_query, to_query

__all__ = [
    "adopt",
    "current_scenario",
    "current_search",
    "publish",
    "republish",
    "search_key",
    "set_scenario",
    "set_search",
    "set_value",
    "value_of",
    "widget_key",
]

_WRITTEN = "address written"
_SHOWN = "scenario shown"
_SENTENCES = "address sentences"
_PAGE = "page shown"

Shown = tuple[Scenario, SearchSettings]


def widget_key(field: str) -> str:
    """Session key of the widget that holds a field of the scenario."""
    return f"scenario_{field}"


def search_key(field: str) -> str:
    """Session key of the widget that holds a field of the search's settings."""
    return f"search_{field}"


def value_of(field: str) -> Any:
    """Current value of a field, whether or not its widget is on the page."""
    return st.session_state[widget_key(field)]


def set_value(field: str, value: Any) -> None:
    """Change a field; call it before its widget is drawn, or from a callback."""
    st.session_state[widget_key(field)] = value


def set_search(field: str, value: Any) -> None:
    """Change a field of the search's settings; call it before its widget is drawn, or from a callback."""
    st.session_state[search_key(field)] = value


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


def adopt(stages: Callable[[str], tuple[str, ...]], page: str) -> list[str]:
    """Fill the widgets from the address, when the address is news.

    It is news when the session starts, and when it changed although no widget did (the browser's back button). A widget
    that changed wins: its run may start before the browser has seen the address of the run before.

    Args:
        stages: network name -> the training stages it has.
        page: that is drawn. The menu leads to another one without an address: the scenario comes along.

    Returns:
        Sentences about values that made no sense, until the visitor changes something.
    """
    query = st.query_params.to_dict()
    started = _SHOWN in st.session_state
    moved = started and st.session_state[_PAGE] != page
    st.session_state[_PAGE] = page
    if moved:  # the widgets of the page before are gone, and their values with them
        _fill(*st.session_state[_SHOWN])
    changed = started and _current() != st.session_state[_SHOWN]
    if changed:
        st.session_state[_SENTENCES] = []
        _forget_the_run_of_another()
    carried = moved and not query
    if changed or carried or (started and query == st.session_state[_WRITTEN]):
        scenario, search = _current()
    else:
        scenario, sentences = from_query(query, stages)
        search, more = search_from_query(query)
        st.session_state[_SENTENCES] = sentences + more
    # Also where nothing is new: a widget that is not drawn in this run would lose its value, unless it is set again.
    _fill(scenario, search)
    return list(st.session_state[_SENTENCES])


def publish() -> Scenario:
    """Write what the widgets describe into the address; call it after they are drawn."""
    scenario, search = _current()
    query = to_query(scenario) | search_to_query(search)
    if query:
        query["v"] = str(VERSION)
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)
    st.session_state[_WRITTEN], st.session_state[_SHOWN] = query, (scenario, search)
    return scenario


def republish() -> SearchSettings:
    """Write a change of the search's settings into the address, where only its part of the page is drawn again."""
    if _current() != st.session_state[_SHOWN]:
        _forget_the_run_of_another()
        publish()
    return current_search()


def _fill(scenario: Scenario, search: SearchSettings) -> None:
    """Give every widget its value."""
    set_scenario(scenario)
    for field in fields(SearchSettings):
        set_search(field.name, getattr(search, field.name))


def _current() -> Shown:
    return current_scenario(), current_search()


def _forget_the_run_of_another() -> None:
    """A run belongs to its scenario and its settings: where those change, the address no longer asks for one."""
    scenario, search = _current()
    before, settings = st.session_state[_SHOWN]
    if search.run == settings.run and (scenario, search.resting) != (before, settings.resting):
        set_search("run", "no")
