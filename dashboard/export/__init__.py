"""What a visitor takes along: numbers, pages to open offline, a film, a script to run. Knows no Streamlit."""

from dashboard.export.comparison_page import ComparedRun, comparison_page
from dashboard.export.numbers import Run, label_table, numbers
from dashboard.export.offline_page import offline_page
from dashboard.export.playback import playback
from dashboard.export.script import script

__all__ = ["ComparedRun", "Run", "comparison_page", "label_table", "numbers", "offline_page", "playback", "script"]
