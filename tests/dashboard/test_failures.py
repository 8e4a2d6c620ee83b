"""The page of failures from the script's side: the reason, the race, one scenario for both pages."""

from functools import partial

import pytest

from dashboard import cache

PAGE = "app_pages/failures.py"
ONE_HOT = {"dataset": "digits", "network": "lenet_sigmoid", "stage": "hard-epoch-160"}


@pytest.fixture
def failures(lab):
    """Function that opens the page at an address."""
    return partial(lab, PAGE)


def verdict(page):
    box = (*page.main.warning, *page.main.info)[0]
    return box.value


def test_a_plain_scenario_says_that_nothing_went_wrong(failures):
    page = failures()
    assert page.title[0].value == "Where the attack breaks"
    assert [header.value for header in page.header] == ["1  What goes wrong", "2  Four windows on λ", "3  The race"]
    assert verdict(page).startswith("**Nothing went wrong.**")
    assert not page.warning
    assert not page.error


def test_the_scenario_of_the_lab_comes_along_and_goes_back(lab):
    page = lab(**ONE_HOT)
    page.switch_page(PAGE).run()
    assert not page.exception
    assert verdict(page).startswith("**One-hot probability.**")
    assert any("What would help the attacker: the layer below" in part.value for part in page.main.markdown)
    assert dict(page.query_params)["stage"] in ("hard-epoch-160", ["hard-epoch-160"])
    page.switch_page("app_pages/lab.py").run()
    assert not page.exception
    assert page.session_state["scenario_stage"] == "hard-epoch-160"


@pytest.mark.parametrize(
    ("query", "verdict", "open_windows"),
    [
        ({}, "**Unique.**", {"Label structure"}),
        ({"network": "lenet_sigmoid", "bias": "yes"}, "**Unique.**", {"Label structure", "Bias", "Layer below"}),
        (
            {"network": "lenet_sigmoid", "label": "custom", "shares": "0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.04, 0.03"},
            "**Unique.**",
            {"Simplex", "Layer below"},
        ),
        ({"label": "custom", "shares": "0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.04, 0.03"}, "**Ambiguous.**", {"Simplex"}),
        ({"defences": "clip:0.1"}, "**Ambiguous.**", {"Simplex"}),
        ({"defences": "clip:0.1", "aware": "yes"}, "**Unique.**", {"Label structure"}),
    ],
)
def test_the_windows_say_what_is_left(failures, query, verdict, open_windows, monkeypatch):
    monkeypatch.setattr(cache, "solver_race", lambda *_: ())  # the race has tests of its own
    page = failures(**query)
    assert any(box.value.startswith(verdict) for box in (*page.main.info, *page.main.warning))
    lines = next(part.value for part in page.main.markdown if "- **Label structure**" in part.value).splitlines()
    seen = {line.split("**")[1] for line in lines if ", open: " in line}
    assert open_windows <= seen


def test_where_no_window_opens_the_page_says_so(failures):
    page = failures(network="lenet_sigmoid", defences="withhold head")
    words = [box.value for box in page.main.info]
    assert any(box.startswith("No window opens on this gradient.") for box in words)
    assert any(box.startswith("Nobody starts.") for box in words)
    assert not page.error


def test_bounds_can_be_lifted(failures):
    page = failures()
    sentence = "The paper's two searches have no bounds here."
    assert not any(sentence in part.value for part in page.main.markdown)
    next(toggle for toggle in page.main.toggle if toggle.key == "scenario_bounded").set_value(False).run()
    assert any(sentence in part.value for part in page.main.markdown)
    assert page.query_params["bounds"] in ("no", ["no"])
