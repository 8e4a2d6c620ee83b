"""The demonstration in a real browser: three clicks, and nothing to scroll for on a projector."""

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
PROJECTOR = {"width": 1280, "height": 720}


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
    assert (
        page.evaluate(
            "() => { const main = document.querySelector('[data-testid=stMain]');"
            " return main.scrollHeight - main.clientHeight; }"
        )
        <= 0
    )
