"""The settings of gradient matching on the page, which fit into its address next to the scenario.

Fewer than the library has: a class needs six knobs, not fourteen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dashboard.query import Reader, number, one_of, read_fields, whole, write_fields

__all__ = [
    "DISTANCE_CHOICES",
    "ITERATION_CHOICES",
    "LABEL_CHOICES",
    "MOST_ITERATIONS",
    "OPTIMIZER_CHOICES",
    "RUN_CHOICES",
    "START_CHOICES",
    "SearchSettings",
    "search_from_query",
    "search_to_query",
]

LABEL_CHOICES = ("recovered", "true", "hard", "learned")
OPTIMIZER_CHOICES = ("signed adam", "adam", "lbfgs")
DISTANCE_CHOICES = ("cosine", "l2")
START_CHOICES = ("noise", "exact")
RUN_CHOICES = ("no", "one", "comparison")
ITERATION_CHOICES = (100, 300, 600, 1200, 2400, 4800)
MOST_ITERATIONS = 20_000


@dataclass(frozen=True)
class SearchSettings:
    """One gradient matching.

    Attributes:
        label: which label the search computes gradients with: "recovered" by the attack, the "true" one, "hard" (the
            class iDLG names) or "learned" along with the picture.
        optimizer: "signed adam", "adam" or "lbfgs".
        distance: between gradients: "cosine" or "l2".
        iterations: 1 to `MOST_ITERATIONS`.
        total_variation: weight of the smoothness prior, 0 to 10.
        start: from "noise", or from the picture the "exact" route rebuilt.
        run: what to start as soon as the page opens: "no", "one" search, or the "comparison" of the four labels.
    """

    label: str = "recovered"
    optimizer: str = "signed adam"
    distance: str = "cosine"
    iterations: int = 600
    total_variation: float = 0.01
    start: str = "noise"
    run: str = "no"

    @property
    def resting(self) -> "SearchSettings":
        """The same settings, with nothing to start."""
        return replace(self, run="no")


_ADDRESS_NAMES = {
    "label": "matchlabel",
    "optimizer": "optimizer",
    "distance": "distance",
    "iterations": "iterations",
    "total_variation": "smoothness",
    "start": "start",
    "run": "run",
}

_READERS: Mapping[str, Reader] = {
    "label": one_of(LABEL_CHOICES),
    "optimizer": one_of(OPTIMIZER_CHOICES),
    "distance": one_of(DISTANCE_CHOICES),
    "iterations": whole(1, MOST_ITERATIONS),
    "total_variation": number(0.0, 10.0),
    "start": one_of(START_CHOICES),
    "run": one_of(RUN_CHOICES),
}


def search_to_query(settings: SearchSettings) -> dict[str, str]:
    """Query parameters of the settings: only what differs from the default."""
    return write_fields(settings, _ADDRESS_NAMES)


def search_from_query(query: Mapping[str, str]) -> tuple[SearchSettings, list[str]]:
    """Read the settings from query parameters.

    Args:
        query: parameter name -> text, as the browser sent it; unknown names are left alone.

    Returns:
        The settings, and one sentence for each value that made no sense and became the default.
    """
    values, sentences = read_fields(query, SearchSettings, _ADDRESS_NAMES, _READERS)
    return SearchSettings(**values), sentences
