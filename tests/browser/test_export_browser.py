"""A page taken along opens in a Chromium that has no network, draws its figures, and asks nobody for anything."""

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
LOOKS_LIKE = {"SVG": b"<svg", "PNG": b"\x89PNG"}


def save_every_kind_of_figure(page) -> None:
    """Plotly's and our own, in both formats, without a word to the server."""
    page.get_by_text("Figures of this page as SVG or PNG").click()
    lines = page.get_by_test_id("figure-list").get_by_role("listitem")
    sync_api.expect(lines).to_have_count(7)
    sent = len(page.sent)
    for name in ("Loss over lambda", "All 3 layers leak exactly"):
        for kind, beginning in LOOKS_LIKE.items():
            with page.expect_download() as waiting:
                lines.filter(has_text=name).get_by_role("button", name=kind).click()
            content = waiting.value.path().read_bytes()
            assert content.startswith(beginning)
            assert len(content) > 10_000
    assert len(page.sent) == sent


def test_a_page_taken_along_opens_offline(browser, shared_page, settle, tmp_path):
    page = shared_page()
    page.get_by_text("Take this run along").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Page to open offline").click()
    file = tmp_path / "run.html"
    waiting.value.save_as(file)
    settle(page)
    save_every_kind_of_figure(page)
    context = browser.new_context(offline=True)
    alone, asked, troubles = context.new_page(), [], []
    alone.on("request", lambda request: asked.append(request.url))
    alone.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
    alone.goto(file.as_uri())
    sync_api.expect(alone.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    assert alone.locator(".js-plotly-plot").count() == 3
    with alone.expect_download() as saved:
        alone.get_by_role("button", name="Save as SVG").first.click()
    assert saved.value.suggested_filename == "figure-1.svg"
    assert b"<svg" in saved.value.path().read_bytes()[:200]
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert troubles == []
    context.close()
