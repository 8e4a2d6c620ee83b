"""What somebody reads who waits: the place in the line, and how often to look again."""

import math

from dashboard.background.crew import Place
from dashboard.background.jobs import Job
from dashboard.background.visitors import the_room

__all__ = ["in_line", "pace"]

_QUICK, _CROWDED = 0.5, 3.0  # seconds between two looks of a visitor who is alone, and of one of very many
_MANY = 10  # visitors among whom a look costs twice as much patience as alone


def pace() -> float:
    """Seconds between two looks at a running job: everybody's looks together must leave time for answers."""
    return min(_QUICK * (1 + the_room().seated / _MANY), _CROWDED)


def in_line(job: Job) -> str:
    """Where a job stands: "3rd in line, about 8 s"; empty once it is being worked on."""
    place: Place | None = job.place()
    if place is None:
        return ""
    words = "Next in line" if place.ahead == 0 else f"{_ordinal(place.ahead + 1)} in line"
    return words if place.seconds is None else f"{words}, about {max(math.ceil(place.seconds), 1)} s"


def _ordinal(number: int) -> str:
    teen = 10 <= number % 100 <= 20
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
