"""The gallery in a real browser: pictures come one by one, and a card opens its scenario in the Lab."""

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect


def open_in_the_lab(page, card, settle) -> None:
    card.get_by_role("link", name="Open in the Lab").click()
    page.get_by_role("heading", name="4 The label").wait_for()
    settle(page)


def test_pictures_come_and_a_card_opens_in_the_lab(gallery, settle):
    expect(gallery.get_by_role("heading", level=3)).to_have_count(14)
    card = gallery.locator(".st-key-card-structureless-label")
    expect(card.get_by_text("Named: No label format fits")).to_be_visible()
    assert card.locator(".js-plotly-plot .bars path").count() >= 16  # eight classes, believed and true
    open_in_the_lab(gallery, card, settle)
    gallery.wait_for_function("() => location.search.includes('label=custom')")
    expect(gallery.get_by_test_id("stAlert").filter(has_text="Ambiguous.")).to_be_visible()


def test_back_from_a_card_returns_to_where_one_was(gallery, settle):
    card = gallery.locator(".st-key-card-structureless-label")
    card.get_by_role("link", name="Open in the Lab").scroll_into_view_if_needed()
    top = gallery.get_by_test_id("stMain").evaluate("main => main.scrollTop")
    assert top > 300
    open_in_the_lab(gallery, card, settle)
    gallery.go_back()
    gallery.get_by_role("heading", name="A gallery of failures").wait_for()
    gallery.wait_for_function(
        "top => Math.abs(document.querySelector('[data-testid=stMain]').scrollTop - top) < 40", arg=top
    )


def test_a_phone_shows_the_cards_one_under_the_other(gallery, wear, settle):
    wear(gallery, "dark")
    gallery.set_viewport_size({"width": 390, "height": 844})
    first, second = (gallery.locator(f".st-key-card-{name}") for name in ("local-minimum", "out-of-bound"))
    first.get_by_text("Named:").wait_for()
    settle(gallery)
    overflow = gallery.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    assert second.bounding_box()["y"] >= first.bounding_box()["y"] + first.bounding_box()["height"]
