"""The rows of a study, kept as columns: thousands are counted in milliseconds, a row is made when it is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.study.store import Row

__all__ = ["SCENARIO", "Column", "Rows", "as_column", "flat"]

Column: TypeAlias = npt.NDArray[np.object_]
"""Values as they were written, None where a row has none."""

SCENARIO = "scenario."
"""What the names of a scenario's columns begin with."""

_PLAIN = ("key", "number", "code", "versions", "machine", "seconds", "error")


class Rows(Sequence[Row]):
    """Rows in their order; a part of them shares the columns of the whole.

    Args:
        columns: name, as `flat` gives it, -> one value for every row.
        places: (n,) which of them, and in which order; all without.
    """

    def __init__(self, columns: Mapping[str, Column], places: npt.NDArray[np.intp] | None = None) -> None:
        self._columns = columns
        every = len(next(iter(columns.values()))) if columns else 0
        self._places: npt.NDArray[np.intp] = np.arange(every) if places is None else places
        self._read: dict[str, Column] = {}

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Rows:
        """The same rows as columns, in the order in which their names first come."""
        flattened = [flat(row) for row in rows]
        names = dict.fromkeys(name for row in flattened for name in row)
        return cls({name: as_column([row.get(name) for row in flattened]) for name in names})

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns."""
        return tuple(self._columns)

    def column(self, name: str) -> Column:
        """(n,) values; all None where no row has any, and the default of a scenario's field that came later."""
        if name not in self._read:
            found = self._columns.get(name)
            absent = np.full(len(self), _DEFAULTS.get(name), dtype=object)
            self._read[name] = absent if found is None else found[self._places]
        return self._read[name]

    def has(self, name: str) -> npt.NDArray[np.bool_]:
        """(n,) whether a row has a value there."""
        return np.fromiter((value is not None for value in self.column(name)), dtype=bool, count=len(self))

    def flags(self, name: str) -> npt.NDArray[np.bool_]:
        """(n,) truth of the values; False where a row has none."""
        return self.column(name).astype(bool)

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """(n,) values as numbers; NaN where a row has none."""
        return self.column(name).astype(np.float64)

    def where(self, chosen: npt.NDArray[Any]) -> Rows:
        """Some of them.

        Args:
            chosen: (n,) truth for each, or (m,) places among them.
        """
        return Rows(self._columns, self._places[chosen])

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Rows: ...
    def __getitem__(self, place: int | slice) -> Row | Rows:
        if isinstance(place, slice):
            return Rows(self._columns, self._places[place])
        found = self._places[place]
        return _row({name: column[found] for name, column in self._columns.items()})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self.column("key")))


def as_column(values: Sequence[Any]) -> Column:
    """Values of any kind as an array of one dimension."""
    return np.fromiter(values, dtype=object, count=len(values))


def flat(row: Row) -> dict[str, Any]:
    """A row with one level of names: "scenario.network", "ours.label_error"."""
    found: dict[str, Any] = {name: getattr(row, name) for name in _PLAIN}
    found |= {f"{SCENARIO}{name}": value for name, value in asdict(row.scenario).items()}
    for name, value in row.outcome.items():
        found |= (
            {f"{name}.{part}": inner for part, inner in value.items()} if isinstance(value, dict) else {name: value}
        )
    return found


def _row(entry: Mapping[str, Any]) -> Row:
    """The twin of `flat`. A column that a row had nothing in holds None; that is the same as no entry."""
    scenario: dict[str, Any] = {}
    outcome: dict[str, Any] = {}
    for name, value in entry.items():
        group, _, part = name.rpartition(".")
        if f"{group}." == SCENARIO:
            scenario[part] = value
        elif group:
            outcome.setdefault(group, {})[part] = value
        elif name not in _PLAIN:
            outcome[name] = value
    given = {name: value for name, value in scenario.items() if f"{SCENARIO}{name}" in _DEFAULTS}
    kept = {
        name: value
        for name, value in outcome.items()
        if any(part is not None for part in (value.values() if isinstance(value, dict) else (value,)))
    }
    return Row(scenario=Scenario(**given), outcome=kept, **{name: entry[name] for name in _PLAIN})


_DEFAULTS = {f"{SCENARIO}{field.name}": field.default for field in fields(Scenario)}
