"""The benchmark datasets of torchvision: downloaded on first use, with progress, and one sentence when that fails."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gradinv_core.errors import DatasetUnavailableError
from gradinv_core.torchvision_access import import_torchvision

__all__ = ["data_folder", "fetch_dataset"]

_POLL_SECONDS = 0.2
_STALL_SECONDS = 60.0


@dataclass(frozen=True)
class _Source:
    """Where torchvision keeps a dataset: its class, its two parts, and its size on disk when complete."""

    attribute: str
    title: str
    test: Mapping[str, Any]
    training: Mapping[str, Any]
    megabytes: float


_TEST, _TRAINING = MappingProxyType({"train": False}), MappingProxyType({"train": True})
_SOURCES: Mapping[str, _Source] = {
    "mnist": _Source("MNIST", "MNIST", _TEST, _TRAINING, 66),
    "fashion_mnist": _Source("FashionMNIST", "Fashion-MNIST", _TEST, _TRAINING, 86),
    "cifar10": _Source("CIFAR10", "CIFAR-10", _TEST, _TRAINING, 356),
    "cifar100": _Source("CIFAR100", "CIFAR-100", _TEST, _TRAINING, 355),
    "flowers102": _Source(
        "Flowers102",
        "Flowers-102",
        MappingProxyType({"split": "test"}),
        MappingProxyType({"split": "train"}),
        676,
    ),
}


def data_folder() -> Path:
    """Where downloads go: the environment's GRADINV_DATA, or a cache folder in the user's home."""
    asked = os.environ.get("GRADINV_DATA")
    return Path(asked) if asked else Path.home() / ".cache" / "gradinv"


def fetch_dataset(
    name: str, root: Path, progress: Callable[[float], None] | None = None, *, training: bool = False
) -> tuple[Any, tuple[str, ...]]:
    """Open a torchvision dataset, downloading it first when it is not there yet.

    Args:
        name: "mnist", "fashion_mnist", "cifar10", "cifar100" or "flowers102".
        root: folder that holds the downloads; each dataset gets its own subfolder.
        progress: called with a share from 0 to 1, from this thread.
        training: whether the training pictures are wanted instead of the test pictures.

    Returns:
        A sequence of (PIL image, class index), and the class names.

    Raises:
        OptionError: torchvision is missing or broken.
        DatasetUnavailableError: no network, no space, a damaged download, or no byte for a minute.
    """
    source = _SOURCES[name]
    datasets = import_torchvision("datasets", wanted_by=f"dataset {name}")
    build = getattr(datasets, source.attribute)
    folder = root / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = source.training if training else source.test
        pairs = _run_and_watch(lambda: build(folder, download=True, **part), folder, source, progress)
    except (OSError, RuntimeError, EOFError) as error:  # URLError is an OSError
        raise DatasetUnavailableError(
            f"{source.title} has to be downloaded once, and that failed "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}); connect this machine to the "
            f"internet and try again, or choose a dataset that needs no download: digits, photographs."
        ) from error
    return pairs, tuple(str(class_name) for class_name in pairs.classes)


def _run_and_watch(
    build: Callable[[], Any], folder: Path, source: _Source, progress: Callable[[float], None] | None
) -> Any:
    """Build in a helper thread; meanwhile report how full the folder is, and give up when nothing arrives any more.

    The thread is a daemon: a download that hangs must keep neither the caller nor the interpreter waiting.
    """
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(build())
        except BaseException as error:  # handed over to the calling thread
            failure.append(error)

    worker = threading.Thread(target=work, name=f"download {source.title}", daemon=True)
    worker.start()
    arrived, last_change = -1, time.monotonic()
    while worker.is_alive():
        worker.join(_POLL_SECONDS)
        now = _bytes_in(folder)
        if now != arrived:
            arrived, last_change = now, time.monotonic()
        elif time.monotonic() - last_change > _STALL_SECONDS:
            raise TimeoutError(f"nothing arrived for {_STALL_SECONDS:.0f} seconds")
        if progress is not None:
            progress(min(arrived / (source.megabytes * 1e6), 1.0))
    if failure:
        raise failure[0]
    if progress is not None:
        progress(1.0)
    return outcome[0]


def _bytes_in(folder: Path) -> int:
    """Size of everything below a folder; files may vanish while it is counted."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total
