"""The page of failures in a real browser: the race is drawn and played, and one scenario serves both pages."""

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

OUT_OF_BOUND = "?dataset=digits&network=lenet_sigmoid&stage=mixup-epoch-80&epsilon=0.01"


@pytest.fixture
def race_page(shared_page, wear, settle):
    """The failures of a scenario, opened from its address: one tab for all tests."""
    page = shared_page(OUT_OF_BOUND, place="Failures")
    page.set_viewport_size({"width": 1280, "height": 900})
    if not page.get_by_role("heading", name="3 The race").is_visible():
        go_to(page, "Failures", settle)
    wear(page, "light")
    page.get_by_test_id("solver-race").wait_for()
    return page


def go_to(page, name, settle) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()
    heading = {"Failures": "3 The race", "Lab": "6 The picture"}[name]
    page.get_by_role("heading", name=heading).wait_for()
    settle(page)


def test_a_phone_shows_the_race_without_scrolling_sideways(race_page, wear, settle):
    wear(race_page, "dark")
    race_page.set_viewport_size({"width": 390, "height": 844})
    settle(race_page)
    assert race_page.get_by_test_id("solver-race").is_visible()
    overflow = race_page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0


def test_the_race_is_played_by_keyboard_and_the_scenario_goes_with_the_page(race_page, settle):
    page = race_page
    race = page.get_by_test_id("solver-race")
    rows = race.get_by_test_id("race-row")
    expect(rows).to_have_count(4)
    expect(rows.filter(has_text="gave up: out of bound")).to_have_count(2)
    expect(race.get_by_test_id("race-clock")).to_contain_text("160,000")

    # The page asks again and again until the picture behind it is looked at, too.
    expect(page.get_by_text("The picture is not looked at yet", exact=False)).to_have_count(0)
    settle(page)
    sent = len(page.sent)
    race.get_by_test_id("race-slider").focus()
    page.keyboard.press("Home")
    expect(race.get_by_test_id("race-clock")).not_to_contain_text("160,000")
    start = race.get_by_test_id("race-clock").inner_text()
    for _ in range(3):  # the clock counts whole evaluations, an arrow less than one at the start
        page.keyboard.press("PageUp")
    expect(race.get_by_test_id("race-clock")).not_to_have_text(start)
    page.keyboard.press("End")
    expect(race.get_by_test_id("race-clock")).to_contain_text("160,000")
    assert len(page.sent) == sent  # the film plays in the browser

    go_to(page, "Lab", settle)
    page.wait_for_function("() => location.search.includes('mixup-epoch-80')")
