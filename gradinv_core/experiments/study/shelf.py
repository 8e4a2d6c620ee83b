"""Where finished studies lie: those that ship with the project, and a folder of one's own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from gradinv_core.errors import OptionError
from gradinv_core.experiments.study.record import read_heading
from gradinv_core.experiments.study.store import DATABASE

__all__ = ["find_studies"]

_PACKAGE = Path(__file__).resolve().parents[2]
# Beside the code in an installed package, among the assets in the repository.
_SHIPPED = (_PACKAGE / "studies", _PACKAGE.parent / "assets" / "studies")


def find_studies(own: Path | None = None) -> dict[str, Path]:
    """Studies that can be read, by their titles.

    Args:
        own: a study's folder, or a folder that holds studies, each as a folder or a Parquet file.

    Returns:
        Title -> what `read_record` takes; those of ``own`` after those that ship, and marked. Where two have one title,
        or none can be read, the name of folder or file stands there, too.
    """
    shelf: dict[str, Path] = {}
    for folder in _SHIPPED:
        for path in sorted(folder.glob("*.parquet")):
            _put(shelf, path)
    if own is None or not own.is_dir():
        return shelf
    folders = [path.parent for path in (own / DATABASE, *sorted(own.glob(f"*/{DATABASE}"))) if path.is_file()]
    for path in (*folders, *(path for path in sorted(own.glob("*.parquet")) if path not in folders)):
        _put(shelf, path, mark=" (own)")
    return shelf


def _put(shelf: dict[str, Path], path: Path, mark: str = "") -> None:
    title = _title(path, path.stat().st_mtime_ns)
    taken = f"{title}{mark}" in shelf
    shelf[f"{title}, {path.stem}{mark}" if taken else f"{title}{mark}"] = path


@lru_cache(maxsize=64)
def _title(path: Path, changed: int) -> str:  # noqa: ARG001 - part of what it is remembered by
    try:
        heading = read_heading(path)
        title = heading.specification.title
    except OptionError:
        return path.stem
    return f"{title} (quick form)" if heading.quick else title
