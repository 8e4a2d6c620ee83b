"""The page of failures from the script's side: the reason, the race, the examples, one scenario for both pages."""

import pytest

from dashboard.sections.examples import EXAMPLES

PAGE = "app_pages/failures.py"
ONE_HOT = {"dataset": "digits", "network": "lenet_sigmoid", "stage": "hard-epoch-160"}


@pytest.fixture
def failures(lab):
    """Function that opens the Lab at an address and goes on to the failures."""

    def open_failures(**query):
        page = lab(**query)
        page.switch_page(PAGE).run()
        assert not page.exception
        return page

    return open_failures


def button(page, words):
    return next(part for part in page.main.button if part.label == words)


def verdict(page):
    box = (*page.main.info, *page.main.warning)[0]
    return box.value


def test_a_plain_scenario_says_that_nothing_went_wrong(failures):
    page = failures()
    assert page.title[0].value == "Where the attack breaks"
    assert [header.value for header in page.header] == ["1  What goes wrong", "2  The race"]
    assert verdict(page).startswith("**Nothing went wrong.**")
    assert not page.warning
    assert not page.error


def test_the_scenario_of_the_lab_comes_along_and_goes_back(failures):
    page = failures(**ONE_HOT)
    assert verdict(page).startswith("**One-hot probability.**")
    assert any("What would help the attacker: the layer below" in part.value for part in page.main.markdown)
    assert dict(page.query_params)["stage"] in ("hard-epoch-160", ["hard-epoch-160"])
    page.switch_page("app_pages/lab.py").run()
    assert not page.exception
    assert page.session_state["scenario_stage"] == "hard-epoch-160"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_every_example_fills_the_controls(failures, example):
    page = failures()
    button(page, example.title).click().run()
    assert not page.exception
    assert not page.error
    assert page.session_state["scenario_network"] == example.scenario.network
    expected = {"One-hot probability": "One-hot probability", "No structure": "A label without structure"}
    assert verdict(page).startswith(f"**{expected.get(example.title, 'Nothing went wrong')}.**")


def test_bounds_can_be_lifted(failures):
    page = failures()
    sentence = "The paper's two searches have no bounds here."
    assert not any(sentence in part.value for part in page.main.markdown)
    next(toggle for toggle in page.main.toggle if toggle.key == "race bounds").set_value(False).run()
    assert any(sentence in part.value for part in page.main.markdown)
