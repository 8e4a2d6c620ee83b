"""Where finished studies lie: those that ship with the project, and a folder of one's own."""

from __future__ import annotations

from pathlib import Path

from gradinv_core.experiments.study.store import DATABASE

__all__ = ["find_studies"]

_PACKAGE = Path(__file__).resolve().parents[2]
# Beside the code in an installed package, among the assets in the repository.
_SHIPPED = (_PACKAGE / "studies", _PACKAGE.parent / "assets" / "studies")


def find_studies(own: Path | None = None) -> dict[str, Path]:
    """Studies that can be read, by a name for people.

    Args:
        own: a study's folder, or a folder that holds studies, each as a folder or a Parquet file.

    Returns:
        Name -> what `read_record` takes; those of ``own`` after those that ship.
    """
    shipped = {path.stem: path for folder in _SHIPPED for path in sorted(folder.glob("*.parquet"))}
    if own is None or not own.is_dir():
        return shipped
    folders = [path.parent for path in (own / DATABASE, *sorted(own.glob(f"*/{DATABASE}"))) if path.is_file()]
    files = [path for path in sorted(own.glob("*.parquet")) if own not in folders]
    return shipped | {f"{path.stem} (own)": path for path in (*folders, *files)}
