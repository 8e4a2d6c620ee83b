"""A sweep in a real browser: started, watched, stopped, and a click on a point opens exactly that attack in the Lab."""

from urllib.parse import parse_qs, urlsplit

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

SLOW = "?repeats=100"
QUICK = "?sweep=ratio&repeats=1&run_sweep=yes"


def points(page):
    return page.get_by_test_id("stPlotlyChart").first.locator(".scatterlayer .trace .point")


def click_point(page, number) -> None:
    """Click the middle of a mark; the drawing lies under a sheet that takes all clicks."""
    points(page).nth(number).scroll_into_view_if_needed()
    place = points(page).nth(number).bounding_box()
    page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)


def question(page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_a_sweep_is_started_watched_and_stopped(open_page, settle):
    page = open_page(SLOW, place="What protects")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**run_sweep=yes**")
    progress = page.get_by_test_id("stProgress")
    expect(progress).to_contain_text("of 1,100 attacks")  # after its turn in the line
    points(page).first.wait_for(state="attached")
    first = progress.inner_text()
    expect(progress).not_to_have_text(first)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Start again")).to_be_visible()
    expect(page.get_by_text("Stopped after", exact=False)).to_be_visible()
    assert points(page).count() > 0
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()

    settle(page)
    click_point(page, 0)  # what there is can be opened
    page.get_by_role("heading", name="1 The client").wait_for()
    assert "defences" in question(page)


def test_a_click_on_a_point_opens_that_attack_in_the_lab_and_back_leads_back(open_page, settle):
    page = open_page(QUICK, place="What protects")
    page.get_by_role("button", name="Start again").wait_for()
    settle(page)
    click_point(page, 4)
    page.get_by_role("heading", name="6 The picture").wait_for()
    settle(page)
    asked = question(page)
    assert "run_sweep" not in asked
    assert urlsplit(page.url).path == "/"
    assert asked == {"label": "mixup", "ratio": "0.7", "sweep": "ratio", "repeats": "1", "v": "1"}

    page.go_back()
    page.get_by_role("heading", name="1 The sweep").wait_for()
    page.wait_for_function("() => location.search.includes('run_sweep=yes')")
    page.get_by_role("button", name="Start again").wait_for()
    settle(page)
    assert points(page).count() > 0
    assert "label" not in question(page)

    page.set_viewport_size({"width": 390, "height": 844})
    settle(page)
    overflow = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
