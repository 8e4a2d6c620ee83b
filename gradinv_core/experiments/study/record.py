"""A study as it is read: from its folder, or from the one Parquet file that it was exported to."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gradinv_core.errors import OptionError
from gradinv_core.experiments.study.reading import PRESETS, parse_specification
from gradinv_core.experiments.study.rows import Rows, as_column
from gradinv_core.experiments.study.specification import Specification
from gradinv_core.experiments.study.store import Store

__all__ = ["Record", "read_heading", "read_record", "write_csv", "write_parquet"]

_META = b"gradinv study"


@dataclass(frozen=True)
class Record:
    """A study with its rows.

    Attributes:
        name: of the preset or the file.
        quick: whether its quick form was played.
        text: of its specification.
        rows: in the order of the plan, all of one version of the code.
        older: rows of other versions, which are left out.
    """

    name: str
    quick: bool
    text: str
    rows: Rows
    older: int = 0

    @cached_property
    def specification(self) -> Specification:
        """What was to be played."""
        return parse_specification(self.text, self.name, quick=self.quick)

    @property
    def command(self) -> str:
        """What plays it again."""
        source = self.name if self.name in PRESETS else f"{self.name}.toml"
        return f"gradinv experiment run {source}{' --quick' if self.quick else ''}"


def read_heading(path: Path) -> Record:
    """The same without any row: enough for its title, and quick however long the study is.

    Raises:
        OptionError: as `read_record` does.
    """
    if path.is_file():
        return _read_parquet(path, rows=False)
    with Store.open(path) as store:
        return _record(store.begun, Rows({}))


def read_record(path: Path) -> Record:
    """Read a study.

    Args:
        path: its folder, or a Parquet file of `write_parquet`.

    Raises:
        OptionError: neither is there, or it is something else.
    """
    if path.is_file():
        return _read_parquet(path)
    with Store.open(path) as store:
        rows = Rows.of(store.rows())
        newest = store.newest_code
        begun = store.begun
    kept = rows.where(rows.column("code") == newest)
    return _record(begun, kept, len(rows) - len(kept))


def write_csv(rows: Rows, path: Path) -> None:
    """Every row as text; what a row has not is empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(rows.names)
        writer.writerows(zip(*(rows.column(name) for name in rows.names), strict=True))


def write_parquet(record: Record, path: Path) -> None:
    """Every row with its type, and the specification: all that a report needs, in one small file.

    Raises:
        OptionError: PyArrow is not installed.
    """
    pyarrow, parquet = _pyarrow()
    table = pyarrow.table({name: record.rows.column(name).tolist() for name in record.rows.names})
    begun = {"name": record.name, "quick": record.quick, "specification": record.text}
    table = table.replace_schema_metadata({_META: json.dumps(begun).encode()})
    parquet.write_table(table, path, compression="zstd")


def _record(begun: Mapping[str, str], rows: Rows, older: int = 0) -> Record:
    """What a study's folder says."""
    return Record(begun["name"], begun["quick"] == "1", begun["specification"], rows, older)


def _read_parquet(path: Path, *, rows: bool = True) -> Record:
    pyarrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(path, columns=None if rows else [])
        begun = json.loads(table.schema.metadata[_META])
        found = Rows({name: as_column(table.column(name).to_pylist()) for name in table.column_names})
        for row in found[:1]:
            _ = row.key  # another table has not what makes a row
        record = Record(begun["name"], begun["quick"], begun["specification"], found)
    except (pyarrow.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise OptionError(f"study: expected a Parquet file of a study, got {path.name} ({error!r}).") from error
    return record


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise OptionError("parquet: expected the package pyarrow, which comes with streamlit, got none.") from error
    return pyarrow, parquet
