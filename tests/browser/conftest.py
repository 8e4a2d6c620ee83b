"""A running page and a real Chromium. Without one the tests skip, or fail where GRADINV_REQUIRE_BROWSER is set."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
OURS = tuple(f'File "{ROOT / package}' for package in ("dashboard", "gradinv_core"))
HERE = ("http://127.0.0.1:", "data:", "blob:")
START_SECONDS = 60
# One limit for every expectation: tests wait for states, and a busy machine is slow to reach them.
WAIT_MILLISECONDS = 120_000


PLACES = {
    "Lab": ("/", "6 The picture"),
    "Gallery": ("/gallery", "A gallery of failures"),
    "Failures": ("/failures", "3 The race"),
    "What protects": ("/protection", "3 What this proves, and what not"),
}
"""Title in the menu -> path, and the heading that is there when the page is."""


def is_trouble(line: Any, path: str) -> bool:
    """Whether a line of the console is an error, and not Streamlit's own search for where its server lies."""
    beside = line.location["url"].endswith((f"{path}/_stcore/health", f"{path}/_stcore/host-config"))
    return line.type == "error" and not (path != "/" and beside)


def missing(reason: str) -> None:
    """Skip; or fail, where somebody promised that there is a browser."""
    if os.environ.get("GRADINV_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Chromium of this machine, or the one Playwright downloaded."""
    sync_api = pytest.importorskip("playwright.sync_api")
    sync_api.expect.set_options(timeout=WAIT_MILLISECONDS)
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    with sync_api.sync_playwright() as playwright:
        if path is None and not Path(playwright.chromium.executable_path).exists():
            missing("no Chromium on this machine; install one, or run: playwright install chromium")
        chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the page, served from a folder of its own by a process that ends with the tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py"), f"--server.port={port}"]
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, cwd=log.parent)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)
    # A tab that closes while it connects makes the web server itself complain; of our own code nothing may stand there.
    assert not [line for line in log.read_text(errors="replace").splitlines() if any(name in line for name in OURS)]


def wait_until_healthy(address: str, process: subprocess.Popen, log: Path) -> None:
    """Poll the health page until the server answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):  # noqa: S310 - our own server
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"the page did not start: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="session")
def window(browser) -> Iterator:
    """Windows by size and theme, shared by the tests: a warm browser cache saves seconds on every page."""
    windows: dict[tuple, Any] = {}

    def open_window(width: int, height: int, scheme: str, touch: bool):
        kind = (width, height, scheme, touch)
        if kind not in windows:
            windows[kind] = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=touch, locale="en-US"
            )
        return windows[kind]

    yield open_window
    for context in windows.values():
        context.close()


@pytest.fixture
def open_page(window, server) -> Iterator:
    """Open the page at an address; afterwards nothing may have gone wrong or gone out.

    `page.sent` lists what the browser told the server. A place is opened at its own address, as from a link that was
    sent around; Streamlit then asks for two files beside it that it finds at the root a moment later.
    """
    troubles: list[str] = []
    pages = []

    def open_(
        query: str = "",
        *,
        place: str = "Lab",
        width: int = 1280,
        height: int = 900,
        scheme: str = "light",
        touch: bool = False,
    ):
        path, heading = PLACES[place]
        page = window(width, height, scheme, touch).new_page()
        pages.append(page)
        page.set_default_timeout(WAIT_MILLISECONDS)
        page.on("console", lambda line: is_trouble(line, path) and troubles.append(f"console: {line.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("request", lambda request: request.url.startswith(HERE) or troubles.append(f"went to {request.url}"))
        page.sent = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: page.sent.append(frame)))
        page.goto(server + path + query)
        page.get_by_role("heading", name=heading).wait_for()
        if place == "Lab":
            page.get_by_test_id("pseudo-label").locator("rect[data-class]").first.wait_for(state="attached")
        wait_until_settled(page)
        return page

    yield open_
    for page in pages:
        page.close()
    assert not troubles


@pytest.fixture
def settle():
    """Function that waits for a page to come to rest."""
    return wait_until_settled


def wait_until_settled(page) -> None:
    """Wait until the script has run and nothing is left over from the run before."""
    page.wait_for_function(
        "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
        " && !document.querySelector('[data-stale=true]')"
    )
