"""Which tests there are and which keep to one process, and the heads with a known answer.

Where processes share the tests, the one that hands them out reads this file before the others begin. So it imports
nothing that takes long, and lies above all others.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.known_head import KnownHead

# Tests share the cores: threads of one that wait for threads of another make both many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("steady", deadline=None)  # timings are never asserted
settings.load_profile("steady")

# Tests start dozens of processes, each of which would compile the packages anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

collect_ignore = ["benchmarks"]  # unless they are asked for


@pytest.hookimpl(tryfirst=True)  # before the scheduler reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where processes share the tests, a file stays in one; so do all browser tests, which share a page's server."""
    for item in items:
        group = "browser" if "browser" in item.path.parts else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave what is imported now out of garbage collection, then and later: a million things that stay."""
    gc.disable()
    yield
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture
def known_head() -> Callable[..., KnownHead]:
    """Factory: a head whose gradient autograd computes, in float32 unless told otherwise."""
    from tests.known_head import known_head

    return known_head
