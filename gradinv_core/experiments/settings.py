"""A setting is declared once, where its field stands; address, cache, menus and sweeps read the declaration.

Whatever comes from an address is checked again: a value that makes no sense becomes the default, and a sentence says
so.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias, TypeVar

__all__ = [
    "Reader",
    "Setting",
    "number",
    "one_of",
    "read_settings",
    "setting",
    "settings_of",
    "share",
    "whole",
    "write_settings",
    "yes_or_no",
]

Settings = TypeVar("Settings")

Reader: TypeAlias = Callable[[str], Any]
"""Turns a text into a value, or raises a `ValueError` whose message goes on after "but"."""


@dataclass(frozen=True)
class Setting:
    """What is declared of one field of a dataclass.

    Attributes:
        default: its default.
        address: its name in an address.
        read: how to read it from a text, the text of `write_settings` among others.
        makes_network: whether the network depends on it; every other setting is the client's or the page's.
        title: for people; empty where no menu shows it.
        help: one or two plain sentences about it, for a hover.
        shown: how a sentence calls the default where its text is no word.
    """

    default: Any
    address: str
    read: Reader
    makes_network: bool
    title: str
    help: str
    shown: str


def setting(
    default: Any,
    address: str,
    read: Reader,
    title: str = "",
    help: str = "",  # noqa: A002 - what menus call it
    *,
    makes_network: bool = False,
    shown: str = "",
) -> Any:
    """Declare a field of a dataclass; see `Setting`."""
    shown = shown or write_value(default)
    return field(
        default=default, metadata={"setting": Setting(default, address, read, makes_network, title, help, shown)}
    )


def settings_of(kind: type[Any]) -> dict[str, Setting]:
    """Field -> what is declared of it, in order.

    Args:
        kind: a dataclass all of whose fields were declared by `setting`.
    """
    return {part.name: part.metadata["setting"] for part in fields(kind)}


def write_value(value: Any) -> str:
    """A value as it stands in an address."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def write_settings(settings: Any) -> dict[str, str]:
    """Query parameters of a dataclass: only the fields that differ from their default."""
    return {
        declared.address: write_value(getattr(settings, name))
        for name, declared in settings_of(type(settings)).items()
        if getattr(settings, name) != declared.default
    }


def read_settings(
    query: Mapping[str, str],
    kind: type[Settings],
    dependent: Mapping[str, Callable[[Mapping[str, Any]], Reader]] | None = None,
) -> tuple[Settings, list[str]]:
    """A dataclass from query parameters; the twin of `write_settings`.

    Args:
        query: parameter name -> text, as the browser sent it; unknown names are left alone.
        kind: the dataclass.
        dependent: field -> makes its reader from the fields that were read before it.

    Returns:
        The dataclass, and one sentence for each value that made no sense and became the default.
    """
    sentences: list[str] = []
    values: dict[str, Any] = {}
    for name, declared in settings_of(kind).items():
        text = query.get(declared.address)
        if text is None:
            continue
        read = dependent[name](values) if dependent and name in dependent else declared.read
        try:
            values[name] = read(text)
        except ValueError as error:
            asked = f"The address asks for {declared.address} “{_harmless(text)}”"
            sentences.append(f"{asked}, but {error}; the page shows {declared.shown} instead.")
    return kind(**values), sentences


def _harmless(text: str) -> str:
    """A stranger's text, short and free of anything Markdown would act upon."""
    return re.sub(r"[^\w .,+-]", "·", text)[:40]


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    """Reader of a word out of a list."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"it can only be {', '.join(dict.fromkeys(choices))}")
        return text

    return read


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """Reader of a whole number in a range."""

    def read(text: str) -> int:
        # int() also takes "1_0" and other scripts' digits; an address never holds those.
        if not re.fullmatch(r"[0-9]{1,10}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"it must be a whole number from {lowest:,} to {highest:,}")
        return int(text)

    return read


def number(lowest: float, highest: float) -> Callable[[str], float]:
    """Reader of a number in a range."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not lowest <= value <= highest:
            raise ValueError(f"it must be a number from {lowest:g} to {highest:g}")
        return value

    return read


share = number(0.0, 1.0)


def yes_or_no(text: str) -> bool:
    """Reader of a switch."""
    return one_of(("yes", "no"))(text) == "yes"
