"""The Lab from the script's side, without a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.sections.lab import image

APP = str(Path(__file__).resolve().parents[2] / "dashboard" / "app.py")


def run(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


@pytest.fixture(autouse=True)
def patient_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the page wait for a small network's picture even on a machine that is cold or busy."""
    monkeypatch.setattr(image, "_PATIENCE", 3.0)


@pytest.fixture
def lab() -> Iterator[Callable[..., AppTest]]:
    """Open the Lab at an address; its background jobs end with the test."""
    pages: list[AppTest] = []

    def open_lab(**query: str) -> AppTest:
        page = AppTest.from_file(APP, default_timeout=60)
        pages.append(page)
        for name, value in query.items():
            page.query_params[name] = value
        return run(page)

    yield open_lab
    for page in pages:
        if "background jobs" in page.session_state:
            page.session_state["background jobs"].stop_all()


@pytest.fixture
def rebuilt() -> Callable[[AppTest], AppTest]:
    """Function that waits until a page's picture is rebuilt, or cannot be, and draws what follows."""

    def wait(page: AppTest) -> AppTest:
        for job in page.session_state["background jobs"]._slots["exact"].values():
            assert job.wait(60)
        return run(page)

    return wait


@pytest.fixture
def with_upload(lab: Callable[..., AppTest]) -> Callable[[bytes], AppTest]:
    """Open the Lab and offer it a file."""

    def upload(data: bytes) -> AppTest:
        page = lab()
        page.session_state["image source"] = "upload"
        page.run()
        page.file_uploader[0].upload("own.png", data)
        return run(page)

    return upload


@pytest.fixture
def numbers() -> Callable[[AppTest], dict[str, str]]:
    """Every number of a page by its name."""
    return lambda page: {metric.label: metric.value for metric in page.metric}
