"""A running page and a real Chromium. Without one the tests skip, or fail where GRADINV_REQUIRE_BROWSER is set."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--process-per-site",  # tabs share what was compiled: opening one costs a third less
)
OURS = tuple(f'File "{ROOT / package}' for package in ("dashboard", "gradinv_core"))
HERE = ("http://127.0.0.1:", "data:", "blob:")
START_SECONDS = 60
# One limit for every expectation: tests wait for states, and a busy machine is slow to reach them.
WAIT_MILLISECONDS = 120_000


PLACES = {
    "Lab": ("/", "6 The picture"),
    "Lesson": ("/lesson", "What one gradient gives away"),
    "Demo": ("/demo", "One message is enough"),
    "Gallery": ("/gallery", "A gallery of failures"),
    "Failures": ("/failures", "3 The race"),
    "What protects": ("/protection", "3 What this proves, and what not"),
    "Experiments": ("/experiments", "2 Sample by sample"),
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


STILL = """addEventListener('DOMContentLoaded', () => {
    const style = document.createElement('style');
    style.textContent = '*, ::before, ::after { animation: none !important; transition: none !important }';
    document.head.append(style);
})"""
"""What turns while a page waits is drawn sixty times a second, by the processor that everybody waits for; and half a
colour has half a contrast."""


class Tabs:
    """Tabs of a browser, and what went wrong in them.

    A place is opened at its own address, as from a link that was sent around; Streamlit then asks for two files beside
    it that it finds at the root a moment later.
    """

    def __init__(self, windows: dict[bool, Any], server: str) -> None:
        self.windows, self.server = windows, server
        self.pages: list[Any] = []
        self.troubles: list[str] = []

    def open(
        self,
        query: str = "",
        *,
        place: str = "Lab",
        width: int = 1280,
        height: int = 900,
        scheme: str = "light",
        touch: bool = False,
    ):
        """The page at an address, drawn and at rest; `sent` lists what the browser told the server by `line`."""
        path, heading = PLACES[place]
        page = self.windows[touch].new_page()
        self.pages.append(page)
        page.set_default_timeout(WAIT_MILLISECONDS)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        note = self.troubles.append
        page.on("console", lambda line: is_trouble(line, path) and note(f"console: {line.text}"))
        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.on("request", lambda request: request.url.startswith(HERE) or note(f"went to {request.url}"))
        page.sent = []
        page.on("websocket", lambda line: setattr(page, "line", line))
        page.on("websocket", lambda line: line.on("framesent", lambda frame: page.sent.append(frame)))
        page.goto(self.server + path + query)
        page.get_by_role("heading", name=heading).wait_for()
        if place == "Lab":
            page.get_by_test_id("pseudo-label").locator("rect[data-class]").first.wait_for(state="attached")
        wait_until_settled(page)
        # What draws a kind of element comes when there is the first one; that of the page's own styles, too.
        page.get_by_test_id("stHtml").locator("style").first.wait_for(state="attached")
        page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
        return page

    def check(self) -> None:
        """Until now nothing may have gone wrong or gone out."""
        for page in self.pages:
            page.evaluate("() => 0")  # news from the browser arrives before its answer
        troubles, self.troubles[:] = [*self.troubles], []
        assert not troubles

    def close(self) -> None:
        """Close all tabs; until now nothing may have gone wrong or gone out."""
        for page in self.pages:
            page.close()
        assert not self.troubles


@pytest.fixture(scope="session")
def windows(browser) -> Iterator[dict[bool, Any]]:
    """A window for mouse and keyboard, and one that is touched: a warm browser cache saves seconds on every page."""
    opened = {touch: browser.new_context(has_touch=touch, locale="en-US") for touch in (False, True)}
    for window in opened.values():
        window.add_init_script(STILL)
    yield opened
    for window in opened.values():
        window.close()


@pytest.fixture
def open_page(windows, server) -> Iterator:
    """Function that opens a page as `Tabs.open` does, for one test alone."""
    tabs = Tabs(windows, server)
    yield tabs.open
    tabs.close()


@pytest.fixture(scope="session")
def shared_tabs(windows, server) -> Iterator[dict[tuple, Tabs]]:
    """The tabs that tests share, by address and size."""
    opened: dict[tuple, Tabs] = defaultdict(lambda: Tabs(windows, server))
    yield opened
    for tabs in opened.values():
        tabs.close()


@pytest.fixture
def shared_page(request: pytest.FixtureRequest, shared_tabs: dict[tuple, Tabs]) -> Iterator:
    """Function that opens a page as `Tabs.open` does, once for all tests that ask for the same: opening takes seconds.

    A test that changes the page brings it back, or finds what it needs in whatever state the page is. One that fails
    takes its page with it, so that the next one does not stumble over what is left.
    """
    used, failed_before = set(), request.session.testsfailed

    def open_(query: str = "", **how: Any):
        key = (query, *sorted({"place": "Lab", **how}.items()))
        used.add(key)
        if not shared_tabs[key].pages:
            shared_tabs[key].open(query, **how)
        page = shared_tabs[key].pages[0]
        page.bring_to_front()  # a tab behind another is drawn once a second
        return page

    yield open_
    for key in used:
        if request.session.testsfailed > failed_before:
            shared_tabs.pop(key).close()
        else:
            shared_tabs[key].check()


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


def ends_a_run(frame: bytes) -> bool:
    """Whether the server says so of the page's script. Its state in the page rests for a moment before it begins."""
    return ForwardMsg.FromString(frame).WhichOneof("type") == "script_finished"


@pytest.fixture
def wear():
    """Function that changes a page's colours as the visitor's system does at dusk; the page draws itself again."""

    def change(page, scheme: str) -> None:
        worn = "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme"
        if page.evaluate(worn) == scheme:
            return
        with (  # the page asks for a redraw once it has turned, and is as it will be when that has ended
            page.line.expect_event("framereceived", ends_a_run, timeout=WAIT_MILLISECONDS),
            page.line.expect_event("framesent", lambda frame: b"turned" in frame, timeout=WAIT_MILLISECONDS),
        ):
            page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"scheme => ({worn})() === scheme", arg=scheme)
        page.wait_for_function(
            """() => {
                const { color } = getComputedStyle(document.querySelector('[data-testid=stApp]'));
                const headings = [...document.querySelectorAll('[data-heading-text]')];
                const figures = [...document.querySelectorAll('.js-plotly-plot')];
                return (
                    headings.every(heading => getComputedStyle(heading).color === color)
                    && figures.every(figure => figure.querySelector('text')?.style.fill === color)
                );
            }"""
        )
        wait_until_settled(page)

    return change


@pytest.fixture
def gallery(shared_page, wear):
    """The gallery, once the first card with pictures and those before it are played and the rest is stopped.

    One tab for all tests: playing the cards takes seconds. While cards are played, the page is drawn again and again.
    """
    page = shared_page(place="Gallery")
    page.set_viewport_size({"width": 1280, "height": 900})
    if not page.get_by_role("heading", name="A gallery of failures").is_visible():
        page.get_by_role("link", name="Gallery", exact=True).first.click()
    page.locator(".st-key-card-rank-deficient-layer").get_by_text("Named:").wait_for()
    stop, play_on = (page.get_by_role("button", name=name, exact=True) for name in ("Stop", "Play on"))
    if stop.is_visible():
        stop.click()
    play_on.wait_for()
    wait_until_settled(page)
    wear(page, "light")
    return page
