"""The tables of a study, by its kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from gradinv_core.diagnosis.cause import REMEDIES, TITLES, Cause
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.server.image_solvers import IMAGE_SOLVERS
from gradinv_core.experiments.server.label_solvers import LABEL_SOLVERS
from gradinv_core.experiments.study.record import Record
from gradinv_core.experiments.study.report.table import Report, Table, middle, share
from gradinv_core.experiments.study.report.words import field_title, field_value
from gradinv_core.experiments.study.store import Row
from gradinv_core.experiments.sweep.summary import RIGHT
from gradinv_core.label_recovery import Status
from gradinv_core.label_recovery.result import UNIQUE_LABEL

__all__ = ["main_table", "make_report", "reason_tables", "settled", "surely_wrong"]

_Count: TypeAlias = Callable[[Sequence[Row]], str]
_MILLISECOND = 1e-3
_TIMED = ("ours", "paper")


def make_report(record: Record) -> Report:
    """Facts and tables of a study; of one that is not finished, of what is there."""
    specification = record.specification
    fields = specification.rows
    tables = [main_table(record, fields)]
    if len(fields) > 1:
        short = main_table(record, fields[:1])
        short = replace(short, title=f"{short.title}, by {field_title(fields[0])}")
        tables = [short, replace(tables[0], title=f"{tables[0].title}, in detail", note="Read as above.")]
    return Report(specification.title, specification.about, _facts(record), (*tables, *reason_tables(record)))


def main_table(record: Record, fields: Sequence[str]) -> Table:
    """The table that counts what was recovered, one row for each combination of some fields of the scenario."""
    counts = _of_pictures if record.specification.kind == "picture" else _of_labels
    title, note, columns = counts(record.specification.solvers)
    return _table(title, note, record, fields, columns)


def reason_tables(record: Record) -> tuple[Table, ...]:
    """Why ours was not sure or not right, and why samples could not be played; none where there is nothing to say."""
    tables = []
    if record.specification.kind == "label" and "ours" in record.specification.solvers:
        tables.append(_of_causes([row for row in record.rows if not row.error]))
    failed = Counter(row.error for row in record.rows if row.error)
    if failed:
        rows = tuple((error, f"{count:,}") for error, count in failed.most_common())
        tables.append(Table("Samples that could not be played", "They are counted nowhere else.", ("why", "n"), rows))
    return tuple(tables)


def settled(row: Row) -> bool:
    """Whether ours gave the one answer, and it is right."""
    ours = row.outcome.get("ours", {})
    return bool(ours.get("right")) and ours.get("status") == Status.UNIQUE


def surely_wrong(row: Row) -> bool:
    """Whether ours called an answer unique that is off by more than a unique one may be."""
    ours = row.outcome.get("ours", {})
    error = ours.get("label_error")
    return ours.get("status") == Status.UNIQUE and (error is None or error > UNIQUE_LABEL)


def _facts(record: Record) -> tuple[str, ...]:
    total, there = record.specification.total, len(record.rows)
    facts = [f"{there:,} of {total:,} samples are played." if there < total else f"All {total:,} samples are played."]
    if record.older:
        facts.append(f"{record.older:,} rows of other versions of the code are left out.")
    for title, values in (
        ("Code", {row.code for row in record.rows}),
        ("Libraries", {row.versions for row in record.rows}),
        ("Machines", {row.machine for row in record.rows}),
    ):
        facts.append(f"{title}: {'; '.join(sorted(values)) or 'none yet'}.")
    return (*facts, f"Play it again: {record.command}")


def _of_labels(asked: Sequence[str]) -> tuple[str, str, dict[str, _Count]]:
    columns: dict[str, _Count] = {"samples": _number, "identifiable": _identifiable}
    for name in asked:
        what, word = ("right_class", "right class") if name == "idlg" else ("right", "right")
        columns[f"{LABEL_SOLVERS[name].title}: {word}"] = partial(_counted, name, what)
        if name == "ours":
            columns["ours: surely wrong"] = partial(_how_many, surely_wrong)
        if name == "paper":
            columns["the paper's search: silently wrong"] = partial(_how_many, _silently_wrong)
    timed = [name for name in _TIMED if name in asked]
    for name in timed:
        columns[f"{LABEL_SOLVERS[name].title}: ms"] = partial(_median, name, "seconds", _MILLISECOND, 2)
    if len(timed) > 1:
        columns["the paper's search: times slower"] = _slower
    note = (
        f"Right: no share of the label is off by more than {RIGHT:g}, counted over the identifiable samples (one "
        "picture, and a prediction that is not one-hot in float32), with the 95 % interval by Wilson's score. Surely "
        f"wrong: called unique, and off by more than {UNIQUE_LABEL:g}. Silently wrong: an answer was found, and it is "
        "not right. Times are medians of processor time; the ratio is the median of each sample's own."
    )
    return "Labels", note, columns


def _of_pictures(asked: Sequence[str]) -> tuple[str, str, dict[str, _Count]]:
    columns: dict[str, _Count] = {"samples": _number}
    for name in asked:
        title = IMAGE_SOLVERS[name].title
        columns[f"{title}: dB"] = partial(_median, name, "psnr", 1.0, 3)
        columns[f"{title}: SSIM"] = partial(_median, name, "ssim", 1.0, 3)
        columns[f"{title}: recognised"] = partial(_recognised, name)
        columns[f"{title}: s"] = partial(_median, name, "seconds", 1.0, 2)
    note = (
        "Medians over the samples that gave a picture at all; recognised out of all, with the 95 % interval by "
        "Wilson's score. Decibels (PSNR) and SSIM are those of the picture as it is shown."
    )
    return "Pictures", note, columns


def _table(title: str, note: str, record: Record, fields: Sequence[str], columns: Mapping[str, _Count]) -> Table:
    """The rows in the order of the specification's cells, and all of them together."""
    played = [row for row in record.rows if not row.error]
    order = {_place(cell, fields): None for cell in record.specification.cells}
    groups: dict[tuple[str, ...], list[Row]] = {place: [] for place in order}
    for row in played:
        groups.setdefault(_place(row.scenario, fields), []).append(row)
    rows = [(*place, *(count(group) for count in columns.values())) for place, group in groups.items() if group]
    if played:
        empty = ("",) * (len(fields) - 1)
        rows.append(("all", *empty, *(count(played) for count in columns.values())))
    heads = tuple(field_title(name) for name in fields)
    return Table(title, note, (*heads, *columns), tuple(rows), len(fields))


def _place(scenario: Scenario, fields: Sequence[str]) -> tuple[str, ...]:
    """A row's name."""
    return tuple(field_value(name, scenario) for name in fields)


def _of_causes(played: Sequence[Row]) -> Table:
    """Why ours did not give the one right answer."""
    counted = Counter(row.outcome["cause"] for row in played if not settled(row))
    rows = tuple((TITLES[Cause(name)], REMEDIES[Cause(name)], f"{count:,}") for name, count in counted.most_common())
    return Table(
        "Why ours was not sure, or not right",
        "The cause is read off the gradient alone, without the truth.",
        ("cause", "what would help the attacker", "samples"),
        rows or (("every answer was sure and right", "", "0"),),
        words=2,
    )


def _number(rows: Sequence[Row]) -> str:
    return f"{len(rows):,}"


def _how_many(are: Callable[[Row], bool], rows: Sequence[Row]) -> str:
    return f"{sum(are(row) for row in rows):,}"


def _identifiable(rows: Sequence[Row]) -> str:
    return f"{sum(_known(row) for row in rows):,}"


def _known(row: Row) -> bool:
    return bool(row.outcome["identifiable"])


def _counted(solver: str, what: str, rows: Sequence[Row]) -> str:
    """Of the identifiable samples."""
    return _share(solver, what, [row for row in rows if _known(row)])


def _recognised(solver: str, rows: Sequence[Row]) -> str:
    return _share(solver, "recognised", rows)


def _share(solver: str, what: str, rows: Sequence[Row]) -> str:
    asked = [row.outcome[solver] for row in rows if solver in row.outcome]
    return share(sum(bool(answer[what]) for answer in asked), len(asked))


def _silently_wrong(row: Row) -> bool:
    answer = row.outcome.get("paper", {})
    return answer.get("status") == "found" and not answer["right"]


def _median(solver: str, what: str, unit: float, digits: int, rows: Sequence[Row]) -> str:
    found = [row.outcome[solver].get(what) for row in rows if solver in row.outcome]
    return middle([float(value) / unit for value in found if value is not None], digits)


def _slower(rows: Sequence[Row]) -> str:
    both = [row.outcome for row in rows if set(_TIMED) <= row.outcome.keys()]
    ours, paper = ([outcome[name]["seconds"] for outcome in both] for name in _TIMED)
    return middle([other / mine for mine, other in zip(ours, paper, strict=True) if mine])
