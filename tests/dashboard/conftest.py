"""The Lab from the script's side, without a browser."""

import os
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from streamlit import config
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest

from dashboard.background import tasks, work
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.head import ObservedHead
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.label_recovery import paper_search
from gradinv_core.label_recovery.race import Racer, race

os.environ["GRADINV_WORKERS"] = "0"  # what a test replaces must be replaced where the work is done

ONE_AT_A_TIME = Lock()
APP = str(Path(__file__).resolve().parents[2] / "dashboard" / "app.py")


def run(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


@pytest.fixture(autouse=True, scope="session")
def as_a_server_does() -> Iterator[None]:
    """Let Streamlit read the settings beside the page; look through packages, and compile the page, once for all."""
    compiled = cache(ScriptCache().get_bytecode)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "_main_script_path", APP)
        config.get_config_options(force_reparse=True)
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        patch.setattr(ScriptCache, "get_bytecode", lambda _, path: compiled(path))
        yield


@pytest.fixture(autouse=True)
def patient_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the page wait for a small network's picture even on a machine that is cold or busy."""
    monkeypatch.setattr(work, "_PATIENCE", 30.0)


@pytest.fixture(autouse=True)
def no_slow_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a convolutional network's picture unfinished: seconds of work beside tests that look at something else.

    The core's tests rebuild such pictures, the theatre's make them up, and the browser's watch a real one.
    """
    rebuild = tasks.attack_image

    def attack(network: PublicNetwork, *rest: Any) -> ImageRecovery:
        stop = rest[-1]
        while not work.patience(network) and not stop():
            time.sleep(0.02)
        return rebuild(network, *rest)

    monkeypatch.setattr(tasks, "attack_image", attack)


@pytest.fixture(autouse=True)
def short_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the paper's L-BFGS few steps where a page lets solvers race: the tests of the race give it all of them."""
    monkeypatch.setattr(tasks, "race", short_race)


def short_race(*head: ObservedHead, **how: bool) -> tuple[Racer, ...]:
    """The race on a page, with a tenth of the steps for each start of the paper's L-BFGS."""
    with ONE_AT_A_TIME, pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper_search, "lbfgs", partial(paper_search.lbfgs, steps=10))
        return race(*head, **how)


@pytest.fixture
def lab() -> Iterator[Callable[..., AppTest]]:
    """Open the Lab, or another page, at an address; its background jobs end with the test."""
    pages: list[AppTest] = []

    def open_lab(place: str = "", **query: str) -> AppTest:
        page = AppTest.from_file(APP, default_timeout=60)
        pages.append(page)
        if place:
            page.switch_page(place)
        for name, value in query.items():
            page.query_params[name] = value
        return run(page)

    yield open_lab
    for page in pages:
        if "background jobs" in page.session_state:
            page.session_state["background jobs"].stop_all()


@pytest.fixture
def rebuilt() -> Callable[[AppTest], AppTest]:
    """Function that waits until a page's pictures are rebuilt, or cannot be, and draws what follows."""

    def wait(page: AppTest) -> AppTest:
        for jobs in page.session_state["background jobs"]._slots.values():
            assert all(job.wait(60) for job in jobs.values())
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
