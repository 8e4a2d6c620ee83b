"""The settings of a sweep on the page, which fit into its address next to the scenario."""

from dataclasses import dataclass, replace

from gradinv_core.experiments.settings import one_of, setting, whole, yes_or_no
from gradinv_core.experiments.sweep.parameters import SWEEP_PARAMETERS

__all__ = ["MOST_REPEATS", "SweepSettings"]

MOST_REPEATS = 100


@dataclass(frozen=True)
class SweepSettings:
    """One sweep of the scenario.

    Attributes:
        parameter: what varies, a key of `SWEEP_PARAMETERS`.
        repeats: networks and pictures at each value, 1 to `MOST_REPEATS`.
        picture: whether the server rebuilds the picture, too.
        run: whether to start as soon as the page opens, "no" or "yes".
    """

    parameter: str = setting(
        "noise",
        "sweep",
        one_of(tuple(SWEEP_PARAMETERS)),
        "What varies",
        "One thing changes; everything else stays as the sidebar says.",
    )
    repeats: int = setting(
        10,
        "repeats",
        whole(1, MOST_REPEATS),
        "Repeats at each value",
        "Every repeat is another network (the next seed) and another picture (the next one). One attack alone may be "
        "lucky. Trained networks are the same in every repeat; only the picture changes.",
    )
    picture: bool = setting(
        False,
        "sweep_picture",
        yes_or_no,
        "Rebuild the picture, too",
        "Slower: besides label and feature, the server works its way back to the pixels every time.",
    )
    run: str = setting("no", "run_sweep", one_of(("no", "yes")))

    @property
    def resting(self) -> "SweepSettings":
        """The same settings, with nothing to start."""
        return replace(self, run="no")
