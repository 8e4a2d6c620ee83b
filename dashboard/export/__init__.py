"""What a visitor takes along from a run: numbers, a page to open offline, a script to run. Knows no Streamlit."""

from dashboard.export.numbers import Run, label_table, numbers
from dashboard.export.offline_page import offline_page
from dashboard.export.script import script

__all__ = ["Run", "label_table", "numbers", "offline_page", "script"]
