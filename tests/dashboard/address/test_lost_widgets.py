"""A run of the script that was cut short leaves widgets without a value: the next one goes on with the scenario."""

import pytest
from streamlit.testing.v1 import AppTest

from gradinv_core.experiments.scenario import Scenario


def script():
    import streamlit as st

    from dashboard.address import SCENARIO, adopt, publish

    if "lost" in st.session_state:
        del st.session_state[st.session_state["lost"]]
    adopt(lambda _network: ("untrained",), "Lab", photo_here=False)
    st.session_state["seen"] = SCENARIO.current()
    publish()


def page_at(**query):
    page = AppTest.from_function(script)
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


@pytest.mark.parametrize("lost", ["scenario_dataset", "search_label", "sweep_repeats"])
@pytest.mark.parametrize("query", [{}, {"dataset": "digits", "image": "4"}])
def test_values_that_were_lost_come_back(lost, query):
    page = page_at(**query)
    shown, written = page.session_state["seen"], dict(page.query_params)
    page.session_state["lost"] = lost
    page.run()
    assert not page.exception
    assert page.session_state["seen"] == shown
    assert dict(page.query_params) == written


def test_a_new_address_after_a_run_that_was_cut_short_is_news():
    page = page_at(dataset="digits", image="4")
    page.session_state["lost"] = "scenario_dataset"
    page.query_params.clear()
    page.query_params["image"] = "5"
    page.run()
    assert not page.exception
    assert page.session_state["seen"] == Scenario(image=5)
