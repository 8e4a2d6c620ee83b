"""A study as it is read: from its folder, or from the one Parquet file that it was exported to."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gradinv_core.errors import OptionError
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.study.reading import PRESETS, parse_specification
from gradinv_core.experiments.study.specification import Specification
from gradinv_core.experiments.study.store import Row, Store

__all__ = ["Record", "flat", "read_record", "write_csv", "write_parquet"]

_SCENARIO = "scenario."
_PLAIN = ("key", "number", "code", "versions", "machine", "seconds", "error")
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
    rows: tuple[Row, ...]
    older: int = 0

    @property
    def specification(self) -> Specification:
        """What was to be played."""
        return parse_specification(self.text, self.name, quick=self.quick)

    @property
    def command(self) -> str:
        """What plays it again."""
        source = self.name if self.name in PRESETS else f"{self.name}.toml"
        return f"gradinv experiment run {source}{' --quick' if self.quick else ''}"


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
        rows = tuple(store.rows())
        newest = store.newest_code
        begun = store.begun
    kept = tuple(row for row in rows if row.code == newest)
    return Record(begun["name"], begun["quick"] == "1", begun["specification"], kept, len(rows) - len(kept))


def flat(row: Row) -> dict[str, Any]:
    """A row with one level of names: "scenario.network", "ours.label_error"."""
    found: dict[str, Any] = {name: getattr(row, name) for name in _PLAIN}
    found |= {f"{_SCENARIO}{name}": value for name, value in asdict(row.scenario).items()}
    for name, value in row.outcome.items():
        found |= (
            {f"{name}.{part}": inner for part, inner in value.items()} if isinstance(value, dict) else {name: value}
        )
    return found


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Every row as text; what a row has not is empty."""
    columns = _columns(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(flat(row) for row in rows)


def write_parquet(record: Record, path: Path) -> None:
    """Every row with its type, and the specification: all that a report needs, in one small file.

    Raises:
        OptionError: PyArrow is not installed.
    """
    pyarrow, parquet = _pyarrow()
    flattened = [flat(row) for row in record.rows]
    columns = {name: [row.get(name) for row in flattened] for name in _columns(record.rows)}
    table = pyarrow.table(columns)
    begun = {"name": record.name, "quick": record.quick, "specification": record.text}
    table = table.replace_schema_metadata({_META: json.dumps(begun).encode()})
    parquet.write_table(table, path, compression="zstd")


def _read_parquet(path: Path) -> Record:
    pyarrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(path)
        begun = json.loads(table.schema.metadata[_META])
        rows = tuple(_row(entry) for entry in table.to_pylist())
        record = Record(begun["name"], begun["quick"], begun["specification"], rows)
    except (pyarrow.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise OptionError(f"study: expected a Parquet file of a study, got {path.name} ({error!r}).") from error
    return record


def _row(entry: Mapping[str, Any]) -> Row:
    """The twin of `flat`. A column that a row had nothing in holds None; that is the same as no entry."""
    known = {field.name for field in fields(Scenario)}
    scenario: dict[str, Any] = {}
    outcome: dict[str, Any] = {}
    for name, value in entry.items():
        group, _, part = name.rpartition(".")
        if f"{group}." == _SCENARIO:
            scenario[part] = value
        elif group:
            outcome.setdefault(group, {})[part] = value
        elif name not in _PLAIN:
            outcome[name] = value
    given = {name: value for name, value in scenario.items() if name in known}
    kept = {
        name: value
        for name, value in outcome.items()
        if any(part is not None for part in (value.values() if isinstance(value, dict) else (value,)))
    }
    return Row(scenario=Scenario(**given), outcome=kept, **{name: entry[name] for name in _PLAIN})


def _columns(rows: Sequence[Row]) -> list[str]:
    """Names of all columns, in the order in which they first come."""
    return list(dict.fromkeys(name for row in rows for name in flat(row)))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise OptionError("parquet: expected the package pyarrow, which comes with streamlit, got none.") from error
    return pyarrow, parquet
