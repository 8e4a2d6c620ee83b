"""One row for every sample, in a SQLite file that only the driver writes.

A row's key is the hash of what was played and of the code that played it, and unique: the same sample cannot be there
twice. Every row is committed by itself, so a process that is killed at any moment leaves whole rows and nothing else.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gradinv_core.errors import OptionError
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.study.attack import Played
from gradinv_core.experiments.study.reading import parse_specification
from gradinv_core.experiments.study.specification import Specification

__all__ = ["DATABASE", "Row", "Store"]

DATABASE = "samples.sqlite"
"""Name of the file in a study's folder."""

_FORMAT = "1"
_WAIT_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS study (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS samples (
    key TEXT NOT NULL UNIQUE,
    number INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    scenario TEXT NOT NULL,
    code TEXT NOT NULL,
    versions TEXT NOT NULL,
    machine TEXT NOT NULL,
    seconds REAL NOT NULL,
    outcome TEXT NOT NULL,
    error TEXT NOT NULL
);
"""
_COLUMNS = "key, number, seed, scenario, code, versions, machine, seconds, outcome, error"


@dataclass(frozen=True)
class Row:
    """One sample, as it was played.

    Attributes:
        key: hash of what was played and of the code.
        number: its place in the plan.
        scenario: what was played.
        code: version of the code.
        versions: of the libraries.
        machine: that played it.
        seconds: wall time.
        outcome: see `Played`.
        error: why it could not be played; empty where it was.
    """

    key: str
    number: int
    scenario: Scenario
    code: str
    versions: str
    machine: str
    seconds: float
    outcome: dict[str, Any]
    error: str


class Store:
    """A study's folder: the specification it was begun with, and its rows."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._connection = connection

    @classmethod
    def create(cls, folder: Path, text: str, name: str, *, quick: bool) -> Store:
        """Begin a study, or go on with the same one.

        Args:
            folder: made if it is not there.
            text: of the specification.
            name: of the study.
            quick: whether its quick form is played.

        Raises:
            OptionError: the folder holds another study, or no file can be written there.
        """
        begun = {"format": _FORMAT, "name": name, "quick": str(int(quick)), "specification": text}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            connection = _connect(folder / DATABASE)
            with connection:
                connection.executescript(_SCHEMA)
                connection.executemany("INSERT OR IGNORE INTO study VALUES (?, ?)", begun.items())
        except (OSError, sqlite3.Error) as error:
            raise OptionError(f"out: expected a folder to write in, got {folder} ({error}).") from error
        store = cls(folder, connection)
        if store.begun != begun:
            store.close()
            raise OptionError(
                f"out: expected an empty folder or one of the same study, got {folder}, which holds another; choose "
                f"another folder, or go on with that one: gradinv experiment resume {folder}."
            )
        return store

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open a study that was begun.

        Raises:
            OptionError: there is none.
        """
        path = folder / DATABASE
        try:
            if not path.is_file():
                raise OptionError(f"study: expected a folder with a file {DATABASE}, got {folder}.")
            store = cls(folder, _connect(path))
            begun = store.begun
        except sqlite3.Error as error:
            raise OptionError(
                f"study: expected a study's {DATABASE} in {folder}, got another file ({error})."
            ) from error
        if begun.get("format") != _FORMAT:
            raise OptionError(f"study: expected format {_FORMAT} in {path}, got {begun.get('format')!r}.")
        return store

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def specification(self) -> Specification:
        """The study's, as it was begun."""
        begun = self.begun
        return parse_specification(begun["specification"], begun["name"], quick=begun["quick"] == "1")

    @property
    def keys(self) -> set[str]:
        """Of all rows."""
        return {key for (key,) in self._connection.execute("SELECT key FROM samples")}

    def add(self, played: Played) -> bool:
        """Write a row, at once and for good.

        Returns:
            Whether it is new.
        """
        sample, where = played.sample, played.provenance
        values = (
            played.key,
            sample.number,
            sample.scenario.seed,
            json.dumps(asdict(sample.scenario), sort_keys=True),
            where.code,
            where.versions,
            where.machine,
            played.seconds,
            json.dumps(_finite(played.outcome), sort_keys=True, allow_nan=False),
            played.error,
        )
        with self._connection:
            done = self._connection.execute(
                f"INSERT OR IGNORE INTO samples ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608 - ours
                values,
            )
        return done.rowcount == 1

    def rows(self) -> Iterator[Row]:
        """Every row, in the order of the plan."""
        with closing(self._connection.execute(f"SELECT {_COLUMNS} FROM samples ORDER BY number, key")) as found:  # noqa: S608
            for key, number, _, scenario, code, versions, machine, seconds, outcome, error in found:
                played = Scenario(**json.loads(scenario))
                yield Row(key, number, played, code, versions, machine, seconds, json.loads(outcome), error)

    @property
    def begun(self) -> dict[str, str]:
        """What the study was begun with: its name, its specification's text, whether it is the quick form."""
        return dict(self._connection.execute("SELECT name, value FROM study"))

    @property
    def newest_code(self) -> str:
        """Version of the code that wrote the newest row; empty without one."""
        found = self._connection.execute("SELECT code FROM samples ORDER BY rowid DESC LIMIT 1").fetchone()
        return found[0] if found else ""


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS)
    connection.execute("PRAGMA journal_mode=WAL")  # readers, such as a report, do not wait for the writer
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _finite(value: Any) -> Any:
    """The same with null for what is not a number: a perfect picture has infinitely many decibels."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return 1e308 if value > 0 else -1e308
    return None if isinstance(value, float) and value != value else value
