"""The tables of a study, by its kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gradinv_core.diagnosis.cause import REMEDIES, TITLES, Cause
from gradinv_core.experiments.server.image_solvers import IMAGE_SOLVERS
from gradinv_core.experiments.server.label_solvers import LABEL_SOLVERS
from gradinv_core.experiments.study.record import Record
from gradinv_core.experiments.study.report.table import Report, Table, middle, share
from gradinv_core.experiments.study.report.words import field_title, field_value, field_values
from gradinv_core.experiments.study.rows import Rows
from gradinv_core.experiments.sweep.summary import RIGHT
from gradinv_core.label_recovery import Status
from gradinv_core.label_recovery.result import UNIQUE_LABEL

__all__ = ["facts", "main_table", "make_report", "reason_tables", "settled", "surely_wrong"]

_Flags: TypeAlias = npt.NDArray[np.bool_]
_Count: TypeAlias = Callable[[Rows], str]
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
    return Report(specification.title, specification.about, facts(record), (*tables, *reason_tables(record)))


def facts(record: Record) -> tuple[str, ...]:
    """What was played, by which code, where, and how to play it again."""
    total, there = record.specification.total, len(record.rows)
    said = [f"{there:,} of {total:,} samples are played." if there < total else f"All {total:,} samples are played."]
    if record.older:
        said.append(f"{record.older:,} rows of other versions of the code are left out.")
    for title, name in (("Code", "code"), ("Libraries", "versions"), ("Machines", "machine")):
        said.append(f"{title}: {'; '.join(sorted(set(record.rows.column(name)))) or 'none yet'}.")
    return (*said, f"Play it again: {record.command}")


def main_table(record: Record, fields: Sequence[str]) -> Table:
    """The table that counts what was recovered, one row for each combination of some fields of the scenario."""
    counts = _of_pictures if record.specification.kind == "picture" else _of_labels
    title, note, columns = counts(record.specification.solvers)
    return _table(title, note, record, fields, columns)


def reason_tables(record: Record) -> tuple[Table, ...]:
    """Why ours was not sure or not right, and why samples could not be played; none where there is nothing to say."""
    tables = []
    if record.specification.kind == "label" and "ours" in record.specification.solvers:
        tables.append(_of_causes(_played(record.rows)))
    failed = Counter(error for error in record.rows.column("error") if error)
    if failed:
        rows = tuple((error, f"{count:,}") for error, count in failed.most_common())
        tables.append(Table("Samples that could not be played", "They are counted nowhere else.", ("why", "n"), rows))
    return tuple(tables)


def settled(rows: Rows) -> _Flags:
    """(n,) whether ours gave the one answer, and it is right."""
    return rows.flags("ours.right") & _unique(rows)


def surely_wrong(rows: Rows) -> _Flags:
    """(n,) whether ours called an answer unique that is off by more than a unique one may be, or is none."""
    return _unique(rows) & ~(rows.numbers("ours.label_error") <= UNIQUE_LABEL)


def _unique(rows: Rows) -> _Flags:
    return np.equal(rows.column("ours.status"), Status.UNIQUE).astype(bool)


def _played(rows: Rows) -> Rows:
    """Those that could be."""
    return rows.where(~rows.flags("error"))


def _of_labels(asked: Sequence[str]) -> tuple[str, str, dict[str, _Count]]:
    columns: dict[str, _Count] = {"samples": _number, "identifiable": partial(_how_many, _known)}
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
    played = _played(record.rows)
    groups: dict[tuple[str, ...], list[int]] = {
        tuple(field_value(name, cell) for name in fields): [] for cell in record.specification.cells
    }
    for number, place in enumerate(zip(*(field_values(name, played) for name in fields), strict=True)):
        groups.setdefault(place, []).append(number)
    rows = []
    for place, numbers in groups.items():
        if numbers:
            group = played.where(np.array(numbers))
            rows.append((*place, *(count(group) for count in columns.values())))
    if played:
        empty = ("",) * (len(fields) - 1)
        rows.append(("all", *empty, *(count(played) for count in columns.values())))
    heads = tuple(field_title(name) for name in fields)
    return Table(title, note, (*heads, *columns), tuple(rows), len(fields))


def _of_causes(played: Rows) -> Table:
    """Why ours did not give the one right answer."""
    counted = Counter(played.where(~settled(played)).column("cause"))
    rows = tuple((TITLES[Cause(name)], REMEDIES[Cause(name)], f"{count:,}") for name, count in counted.most_common())
    return Table(
        "Why ours was not sure, or not right",
        "The cause is read off the gradient alone, without the truth.",
        ("cause", "what would help the attacker", "samples"),
        rows or (("every answer was sure and right", "", "0"),),
        words=2,
    )


def _number(rows: Rows) -> str:
    return f"{len(rows):,}"


def _how_many(are: Callable[[Rows], _Flags], rows: Rows) -> str:
    return f"{int(are(rows).sum()):,}"


def _known(rows: Rows) -> _Flags:
    return rows.flags("identifiable")


def _asked(solver: str, rows: Rows) -> _Flags:
    """Whether a solver was; every answer has its time."""
    return rows.has(f"{solver}.seconds")


def _counted(solver: str, what: str, rows: Rows) -> str:
    """Of the identifiable samples."""
    return _share(solver, what, rows, among=_known(rows))


def _recognised(solver: str, rows: Rows) -> str:
    return _share(solver, "recognised", rows, among=np.ones(len(rows), dtype=bool))


def _share(solver: str, what: str, rows: Rows, *, among: _Flags) -> str:
    asked = among & _asked(solver, rows)
    return share(int((asked & rows.flags(f"{solver}.{what}")).sum()), int(asked.sum()))


def _silently_wrong(rows: Rows) -> _Flags:
    return np.equal(rows.column("paper.status"), "found").astype(bool) & ~rows.flags("paper.right")


def _median(solver: str, what: str, unit: float, digits: int, rows: Rows) -> str:
    return middle(rows.numbers(f"{solver}.{what}") / unit, digits)


def _slower(rows: Rows) -> str:
    ours, paper = (rows.numbers(f"{name}.seconds") for name in _TIMED)
    return middle(paper[ours > 0] / ours[ours > 0])
