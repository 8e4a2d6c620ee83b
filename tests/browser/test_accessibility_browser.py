"""All pages, light and dark, held against the rules of axe: nothing serious or critical may be left."""

from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python")
expect = sync_api.expect

RULES = Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
WRONG = ("serious", "critical")
ALSO = ("heading-order",)  # of moderate impact, and what a screen reader's user walks a page by
PAGES = ("Lab", "Gallery", "Failures", "What protects")


def findings(page) -> list[str]:
    """What axe finds, one line for each place, without fades: half a colour has half a contrast."""
    page.add_style_tag(content="*, *::before, *::after { transition: none !important; animation: none !important; }")
    page.wait_for_function("() => !document.querySelector('[data-stale=true]')")
    page.evaluate(RULES)
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in WRONG or rule["id"] in ALSO
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious_and_helps_are_named(open_page, settle, name, scheme):
    page = open_page(place=name, scheme=scheme)
    if name == "Gallery":
        page.locator(".st-key-card-clipped").get_by_text("Named:").wait_for()
        page.get_by_role("button", name="Stop", exact=True).click()
        page.get_by_role("button", name="Play on").wait_for()
    settle(page)
    assert not findings(page)
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_much_is_open(open_page, scheme):
    page = open_page("?defences=clip:1~gaussian:0.001&label=mixup&v=1", scheme=scheme)
    page.get_by_text("Show the mathematics").first.click()
    page.get_by_text("Gradient matching, the usual attack").click()
    page.get_by_role("button", name="Compare four labels", exact=True).wait_for()
    assert not findings(page)
