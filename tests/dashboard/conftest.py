"""The Lab from the script's side, without a browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

APP = str(Path(__file__).resolve().parents[2] / "dashboard" / "app.py")


def run(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


@pytest.fixture
def lab() -> Callable[..., AppTest]:
    """Open the Lab at an address."""

    def open_lab(**query: str) -> AppTest:
        page = AppTest.from_file(APP, default_timeout=60)
        for name, value in query.items():
            page.query_params[name] = value
        return run(page)

    return open_lab


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
