"""The lesson in a real browser, from the first step to the last, with a wrong prediction in each."""

import contextlib

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
STEPS, CLICKS, LOOK_MILLISECONDS = 12, 8, 10_000


def test_every_step_is_asked_answered_and_shown(shared_page, settle):
    page = shared_page(place="Lesson")
    for place in range(STEPS):
        expect(page.get_by_text(f"Step {place + 1} of {STEPS}")).to_be_visible()
        settle(page)
        choices = page.get_by_test_id("stRadio").locator("label:has(input)")
        verdict = page.get_by_text("Not quite: ").or_(page.get_by_text("Right.", exact=True)).first
        for _ in range(CLICKS):  # a figure above that grows moves the choice away from under the click
            choices.last.click()
            with contextlib.suppress(sync_api.TimeoutError):
                verdict.wait_for(timeout=LOOK_MILLISECONDS)
                break
        expect(verdict).to_be_visible()
        if place + 1 < STEPS:
            page.locator(".st-key-lesson-next button").click()
            page.wait_for_function("step => location.search === `?step=${step}`", arg=place + 2)
    expect(page.get_by_text("The end. Of 12 questions you answered 12")).to_be_visible()
    page.go_back()
    expect(page.get_by_text(f"Step {STEPS - 1} of {STEPS}")).to_be_visible()
