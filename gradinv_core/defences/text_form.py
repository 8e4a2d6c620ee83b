"""A pipeline as a short text for an address bar: ``clip:1~gaussian:0.001~drop rows:0.2``."""

from __future__ import annotations

from collections.abc import Sequence

from gradinv_core.defences.catalogue import DEFENCES
from gradinv_core.defences.defence import Defence
from gradinv_core.defences.pipeline import check_defences
from gradinv_core.errors import OptionError

__all__ = ["read_defences", "write_defences"]

_BETWEEN, _BEFORE_VALUE = "~", ":"
_LONGEST = 400  # characters: six parts of any sensible length


def read_defences(text: str) -> tuple[Defence, ...]:
    """The pipeline a text describes.

    Args:
        text: ``name`` or ``name:value``, joined by ``~``; empty for no defence. Spaces around parts do not count.

    Returns:
        The defences in order.

    Raises:
        OptionError: an unknown name, a value that is missing, superfluous, no number or out of range, one kind twice,
            or too many parts; the message quotes the part.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        came = f"{len(text)} characters" if isinstance(text, str) else type(text).__name__
        raise OptionError(f"defences: expected a text of at most {_LONGEST} characters, got {came}; shorten it.")
    if not text.strip():
        return ()
    return check_defences([_read_part(part.strip()) for part in text.split(_BETWEEN)])


def write_defences(defences: Sequence[Defence]) -> str:
    """The text from which `read_defences` makes an equal pipeline.

    Raises:
        OptionError: not a pipeline; see `check_defences`.
    """
    return _BETWEEN.join(_write_part(defence) for defence in check_defences(defences))


def _read_part(part: str) -> Defence:
    name, colon, value = (piece.strip() for piece in part.partition(_BEFORE_VALUE))
    spec = DEFENCES.get(name)
    if spec is None:
        raise OptionError(f"defences: expected parts named {', '.join(DEFENCES)}, got {part!r}; correct that part.")
    if bool(colon) != (spec.parameter is not None):
        shape = name if spec.parameter is None else f"{name}:{spec.default:g}"
        raise OptionError(f"defences: expected a part like {shape!r}, got {part!r}; correct that part.")
    if not colon:
        return spec.build()
    try:
        number = float(value)
    except ValueError:
        raise OptionError(f"defences: expected a number behind {name!r}, got {part!r}; correct that part.") from None
    try:
        return spec.build(number)
    except OptionError as error:
        raise OptionError(f"defences: got the part {part!r}. {error}") from None


def _write_part(defence: Defence) -> str:
    value = defence.parameter
    if value is None:
        return defence.name
    # The shortest digits that read back as the same number; a plus sign would be a space in an address.
    digits = str(int(value)) if float(value).is_integer() else repr(float(value)).replace("+", "")
    return f"{defence.name}{_BEFORE_VALUE}{digits}"
