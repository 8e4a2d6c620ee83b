"""A page taken along opens in a Chromium that has no network, draws its figures, and asks nobody for anything."""

import pytest

from gradinv_core.experiments import Scenario

sync_api = pytest.importorskip("playwright.sync_api")


def test_a_page_taken_along_opens_offline(browser, shared_page, settle, tmp_path):
    page = shared_page(f"?dataset=digits&image={Scenario.image + 4}")
    page.get_by_text("Take this run along").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Page to open offline").click()
    file = tmp_path / "run.html"
    waiting.value.save_as(file)
    settle(page)
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
