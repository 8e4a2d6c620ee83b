"""The page's address and its widgets, kept in step: what a link holds is what the page shows."""

from dashboard.address.classroom_settings import ClassroomSettings, change_classroom, classroom, classroom_sentences
from dashboard.address.link import adopt, publish, query_of, republish, rest
from dashboard.address.widgets import SCENARIO, SEARCH, SWEEP

__all__ = [
    "SCENARIO",
    "SEARCH",
    "SWEEP",
    "ClassroomSettings",
    "adopt",
    "change_classroom",
    "classroom",
    "classroom_sentences",
    "publish",
    "query_of",
    "republish",
    "rest",
]
