"""From rows to tables: what was right, how often, how surely, how fast, and why not where it was not."""

from gradinv_core.experiments.study.report.compare import compare
from gradinv_core.experiments.study.report.table import Report, Table
from gradinv_core.experiments.study.report.tables import make_report
from gradinv_core.experiments.study.report.write import write_report

__all__ = ["Report", "Table", "compare", "make_report", "write_report"]
