"""Read and write single values of the page's address; whatever makes no sense becomes a sentence."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

__all__ = [
    "Reader",
    "number",
    "one_of",
    "read_fields",
    "read_value",
    "share",
    "whole",
    "write_fields",
    "write_value",
    "yes_or_no",
]

Reader = Callable[[str], Any]
"""Turns a text into a value, or raises a `ValueError` whose message goes on after "but"."""


def write_value(value: Any) -> str:
    """A value as it stands in an address."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def write_fields(settings: Any, names: Mapping[str, str]) -> dict[str, str]:
    """Query parameters of a dataclass: only the fields that differ from their default.

    Args:
        settings: the dataclass.
        names: field -> parameter name.
    """
    return {
        names[field.name]: write_value(getattr(settings, field.name))
        for field in fields(settings)
        if getattr(settings, field.name) != field.default
    }


def read_value(query: Mapping[str, str], name: str, read: Reader, shown: Any, sentences: list[str]) -> Any:
    """One value of an address.

    Args:
        query: parameter name -> text, as the browser sent it.
        name: of the parameter.
        read: how to read it.
        shown: what the page shows instead of nonsense, for the sentence.
        sentences: gets one more where the text makes no sense.

    Returns:
        The value; None where the parameter is missing or makes no sense.
    """
    text = query.get(name)
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        asked = f"The address asks for {name} “{_harmless(text)}”"
        sentences.append(f"{asked}, but {error}; the page shows {write_value(shown)} instead.")
        return None


def read_fields(
    query: Mapping[str, str], kind: Any, names: Mapping[str, str], readers: Mapping[str, Reader]
) -> tuple[dict[str, Any], list[str]]:
    """Fields of a dataclass from query parameters; the twin of `write_fields`.

    Args:
        query: parameter name -> text, as the browser sent it; unknown names are left alone.
        kind: the dataclass.
        names: field -> parameter name.
        readers: field -> how to read it.

    Returns:
        The fields that the query holds, and one sentence for each value that made no sense.
    """
    sentences: list[str] = []
    values: dict[str, Any] = {}
    for field in fields(kind):
        value = read_value(query, names[field.name], readers[field.name], field.default, sentences)
        if value is not None:
            values[field.name] = value
    return values, sentences


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
