"""Stop is honoured inside a layer too: between the expensive parts somebody asks, and the work unwinds."""

from __future__ import annotations

from gradinv_core.image_recovery.result import Stop

__all__ = ["StoppedError", "ask"]


class StoppedError(Exception):
    """Whoever started the work wants no more of it; `peel` turns this into what was found so far."""


def ask(stop: Stop | None) -> None:
    """Ask whether to go on.

    Args:
        stop: asked; None for nobody who could stop the work.

    Raises:
        StoppedError: the answer was to stop.
    """
    if stop is not None and stop():
        raise StoppedError
