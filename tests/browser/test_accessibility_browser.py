"""All pages, light and dark, held against the rules of axe: nothing serious or critical may be left."""

from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python")
expect = sync_api.expect

RULES = Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
WRONG = ("serious", "critical")
SCOPES = {"light": "", "dark": ", runOnly: ['color-contrast', 'link-in-text-block']"}  # other rules know no colours
ALSO = ("heading-order",)  # of moderate impact, and what a screen reader's user walks a page by
PAGES = ("Lab", "Lesson", "Demo", "Gallery", "Failures", "What protects", "Experiments")


def findings(page, scheme: str) -> list[str]:
    """What axe finds, one line for each place; nothing fades in these windows, so a colour has all its contrast."""
    page.wait_for_function("() => !document.querySelector('[data-stale=true]')")
    page.evaluate(RULES)
    found = page.evaluate(f"() => axe.run(document, {{ resultTypes: ['violations']{SCOPES[scheme]} }})")["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in WRONG or rule["id"] in ALSO
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious_and_helps_are_named(request, shared_page, wear, name, scheme):
    page = request.getfixturevalue("gallery") if name == "Gallery" else shared_page(place=name)
    wear(page, scheme)
    assert not findings(page, scheme)
    assert_helps_are_named(page)


def assert_helps_are_named(page) -> None:
    """Every help says what it explains; it is named after it is drawn."""
    helps = page.get_by_test_id("stTooltipIcon").get_by_role("button")
    expect(helps.and_(page.get_by_role("button", name="Help", exact=True))).to_have_count(0)
    names = helps.evaluate_all(
        "buttons => buttons.map(button => button.getAttribute('aria-label') ?? button.innerText)"
    )
    assert names
    assert "" not in names


@pytest.fixture
def opened_up(shared_page, settle):
    """The Lab of a defended mixture with mathematics and search unfolded: one tab for all tests."""
    page = shared_page("?defences=clip:1~gaussian:0.001&label=mixup&v=1")
    compare = page.get_by_role("button", name="Compare four labels", exact=True)
    if not compare.is_visible():
        page.get_by_text("Show the mathematics").first.click()
        page.get_by_text("Gradient matching, the usual attack").click()
        compare.wait_for()
        settle(page)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_much_is_open(opened_up, wear, scheme):
    wear(opened_up, scheme)
    assert not findings(opened_up, scheme)


def test_the_keyboard_shows_where_it_is(opened_up, wear):
    page = opened_up
    wear(page, "dark")
    ring = (
        "part => { const { outlineStyle, outlineWidth } = getComputedStyle(part); return outlineStyle + outlineWidth; }"
    )
    page.keyboard.press("Tab")  # the ring is for those who use keys
    slider = page.get_by_test_id("lambda-slider")
    slider.focus()
    assert slider.evaluate(ring) == "solid3px"
    page.get_by_test_id("frame-slider").focus()
    page.keyboard.press("Shift+Tab")
    assert page.get_by_test_id("frame-play").evaluate(ring) == "solid3px"
    page.get_by_test_id("strip-choice").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_test_id("strip-choice").nth(1).evaluate(f"choice => ({ring})(choice.nextSibling)") == "dashed3px"
