"""A few defences behind one switch, for whoever wants to see one fail or hold without the whole sidebar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SWITCHES", "Switch", "position_of"]


@dataclass(frozen=True)
class Switch:
    """One defence, or several, to choose or to compare.

    Attributes:
        title: for people.
        defences: as a scenario writes it.
    """

    title: str
    defences: str


SWITCHES: Mapping[str, Switch] = {
    "off": Switch("None", ""),
    "clip": Switch("Limit its length", "clip:0.5"),
    "noise": Switch("A little noise", "gaussian:0.0001"),
    "more-noise": Switch("More noise", "gaussian:0.01"),
    "sparse": Switch("Send one number in ten", "prune:0.9"),
}
"""By the name that an address may hold."""


def position_of(defences: str) -> str | None:
    """The position whose defences these are; None where none has them."""
    return next((name for name, switch in SWITCHES.items() if switch.defences == defences), None)
