"""The demonstration in a real browser: three clicks, and nothing to scroll for on a projector."""

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
PROJECTOR = {"width": 1280, "height": 720}
BELOW = "() => { const { scrollHeight, clientHeight } = document.querySelector('[data-testid=stMain]'); \
return scrollHeight - clientHeight; }"


def test_three_clicks_fit_a_projector(shared_page, settle):
    page = shared_page(place="Demo")
    page.set_viewport_size(PROJECTOR)
    page.get_by_test_id("strip-choice").nth(2).check()
    page.wait_for_function("() => location.search === '?picture=2'")
    page.get_by_role("button", name="Send one gradient").click()
    expect(page.get_by_text("The picture leaks.")).to_be_visible()
    page.get_by_role("radio", name="Send one number in ten").click()
    expect(page.get_by_text("The defence holds here.")).to_be_visible()
    settle(page)
    assert page.evaluate(BELOW) <= 0
    page.get_by_role("button", name="For a class").click()
    page.get_by_text("Larger type").click()
    page.wait_for_function("() => location.search.includes('large=yes')")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    settle(page)
    page.wait_for_function("() => getComputedStyle(document.documentElement).fontSize === '21px'")
    assert page.evaluate(BELOW) <= 0


def test_the_keyboard_opens_the_list_of_words_and_closes_it(shared_page):
    page = shared_page(place="Demo")
    words = page.get_by_role("button", name="Words")
    words.focus()
    page.keyboard.press("Enter")
    said = page.get_by_text("for every weight of the network, which way to change it so that")
    expect(said).to_be_visible()
    page.keyboard.press("Escape")
    expect(said).to_have_count(0)
    expect(words).to_be_focused()
