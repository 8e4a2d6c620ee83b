"""The settings of a sweep on the page, which fit into its address next to the scenario."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dashboard.query import Reader, one_of, read_fields, whole, write_fields, yes_or_no
from dashboard.sweep_parameters import SWEEP_PARAMETERS

__all__ = [
    "MOST_REPEATS",
    "PARAMETER_CHOICES",
    "REPEAT_CHOICES",
    "RUN_CHOICES",
    "SweepSettings",
    "sweep_from_query",
    "sweep_to_query",
]

PARAMETER_CHOICES = tuple(SWEEP_PARAMETERS)
REPEAT_CHOICES = (3, 5, 10, 20, 30)
MOST_REPEATS = 100
RUN_CHOICES = ("no", "yes")


@dataclass(frozen=True)
class SweepSettings:
    """One sweep of the scenario.

    Attributes:
        parameter: what varies, of `PARAMETER_CHOICES`.
        repeats: networks and pictures at each value, 1 to `MOST_REPEATS`.
        picture: whether the server rebuilds the picture, too.
        run: whether to start as soon as the page opens, "no" or "yes".
    """

    parameter: str = "noise"
    repeats: int = 10
    picture: bool = False
    run: str = "no"

    @property
    def resting(self) -> "SweepSettings":
        """The same settings, with nothing to start."""
        return replace(self, run="no")


_ADDRESS_NAMES = {
    "parameter": "sweep",
    "repeats": "repeats",
    "picture": "sweep_picture",
    "run": "run_sweep",
}

_READERS: Mapping[str, Reader] = {
    "parameter": one_of(PARAMETER_CHOICES),
    "repeats": whole(1, MOST_REPEATS),
    "picture": yes_or_no,
    "run": one_of(RUN_CHOICES),
}


def sweep_to_query(settings: SweepSettings) -> dict[str, str]:
    """Query parameters of the settings: only what differs from the default."""
    return write_fields(settings, _ADDRESS_NAMES)


def sweep_from_query(query: Mapping[str, str]) -> tuple[SweepSettings, list[str]]:
    """Read the settings from query parameters.

    Args:
        query: parameter name -> text, as the browser sent it; unknown names are left alone.

    Returns:
        The settings, and one sentence for each value that made no sense and became the default.
    """
    values, sentences = read_fields(query, SweepSettings, _ADDRESS_NAMES, _READERS)
    return SweepSettings(**values), sentences
