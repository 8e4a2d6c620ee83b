"""The gallery in a real browser: pictures come one by one, and a card opens its scenario in the Lab."""

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect


def test_pictures_come_and_a_card_opens_in_the_lab(open_page, settle):
    page = open_page(place="Gallery")
    expect(page.get_by_role("heading", level=3)).to_have_count(14)
    card = page.locator(".st-key-card-clipped")
    expect(card.get_by_text("Named: The gradient was rescaled")).to_be_visible()
    assert card.locator(".js-plotly-plot .bars path").count() >= 16  # eight classes, believed and true
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Play on")).to_be_visible()
    card.get_by_role("link", name="Open in the Lab").click()
    page.get_by_role("heading", name="4 The label").wait_for()
    settle(page)
    page.wait_for_function("() => location.search.includes('defences=clip')")
    expect(page.get_by_text("Defended:")).to_be_visible()


def test_a_phone_shows_the_cards_one_under_the_other(open_page, settle):
    page = open_page(place="Gallery", scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    first, second = (page.locator(f".st-key-card-{name}") for name in ("local-minimum", "out-of-bound"))
    first.get_by_text("Named:").wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()  # while cards are played, the page is drawn again
    expect(page.get_by_role("button", name="Play on")).to_be_visible()
    settle(page)
    overflow = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    assert second.bounding_box()["y"] >= first.bounding_box()["y"] + first.bounding_box()["height"]


def test_back_from_a_card_returns_to_where_one_was(open_page, settle):
    page = open_page(place="Gallery")
    card = page.locator(".st-key-card-clipped")
    card.get_by_text("Named:").wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Play on")).to_be_visible()
    settle(page)
    card.get_by_role("link", name="Open in the Lab").scroll_into_view_if_needed()
    top = page.get_by_test_id("stMain").evaluate("main => main.scrollTop")
    assert top > 300
    card.get_by_role("link", name="Open in the Lab").click()
    page.get_by_role("heading", name="4 The label").wait_for()
    settle(page)
    page.go_back()
    page.get_by_role("heading", name="A gallery of failures").wait_for()
    page.wait_for_function(
        "top => Math.abs(document.querySelector('[data-testid=stMain]').scrollTop - top) < 40", arg=top
    )
