"""A report as Markdown and as one HTML file that opens anywhere; the rows beside it as CSV and Parquet."""

from __future__ import annotations

from html import escape
from pathlib import Path

from gradinv_core.experiments.study.record import read_record, write_csv, write_parquet
from gradinv_core.experiments.study.report.table import Report, Table
from gradinv_core.experiments.study.report.tables import make_report

__all__ = ["as_html", "as_markdown", "write_report"]

_STYLE = """
:root { color-scheme: light dark; --line: #d9d6cf; --quiet: #6b675f; }
@media (prefers-color-scheme: dark) { :root { --line: #45433e; --quiet: #a8a49b; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.75rem; text-align: right; }
th { vertical-align: bottom; }
th.word, td.word { text-align: left; }
td:not(.word) { white-space: nowrap; }
p.note, ul { color: var(--quiet); max-width: 50rem; }
"""


def write_report(path: Path) -> tuple[Path, ...]:
    """Write a study's tables and rows into its folder, or beside its Parquet file.

    Args:
        path: as for `read_record`.

    Returns:
        The files: report.md, report.html, samples.csv, and samples.parquet where that is not what was read.

    Raises:
        OptionError: there is no study, or PyArrow is missing.
    """
    record = read_record(path)
    report = make_report(record)
    folder, stem = (path.parent, f"{path.stem}-") if path.is_file() else (path, "")
    texts = {"report.md": as_markdown(report), "report.html": as_html(report)}
    written = []
    for name, text in texts.items():
        written.append(folder / f"{stem}{name}")
        written[-1].write_text(text, encoding="utf-8")
    written.append(folder / f"{stem}samples.csv")
    write_csv(record.rows, written[-1])
    if not path.is_file():
        written.append(folder / "samples.parquet")
        write_parquet(record, written[-1])
    return tuple(written)


def as_markdown(report: Report) -> str:
    """Headings, lists and tables of GitHub's Markdown."""
    parts = [f"# {report.title}", report.about, "\n".join(f"- {fact}" for fact in report.facts)]
    for table in report.tables:
        rule = "|".join(["---"] * table.words + ["---:"] * (len(table.columns) - table.words))
        lines = [_line(table.columns), f"|{rule}|", *(_line(row) for row in table.rows)]
        parts += [f"## {table.title}", table.note, "\n".join(lines)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def as_html(report: Report) -> str:
    """One file without any other: no script, no font, no picture."""
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in report.facts)
    tables = "".join(_html_table(table) for table in report.tables)
    title = escape(report.title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{title}</h1><p>{escape(report.about)}</p><ul>{facts}</ul>\n{tables}</body></html>\n"
    )


def _html_table(table: Table) -> str:
    def kind(place: int) -> str:
        return ' class="word"' if place < table.words else ""

    head = "".join(f'<th scope="col"{kind(place)}>{escape(name)}</th>' for place, name in enumerate(table.columns))
    rows = "\n".join(
        f"<tr>{''.join(f'<td{kind(place)}>{escape(cell)}</td>' for place, cell in enumerate(row))}</tr>"
        for row in table.rows
    )
    return (
        f'<h2>{escape(table.title)}</h2><p class="note">{escape(table.note)}</p>\n'
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(table.title)}"><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div>\n"
    )
