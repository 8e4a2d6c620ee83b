"""How many visitors one server takes at a time: a page that is too full would be slow for everybody."""

from __future__ import annotations

import os
import threading
from functools import cache

import streamlit as st

from dashboard.background.crew.machine import machine_cores, machine_memory

__all__ = ["Room", "Seat", "seated", "the_room"]

_PER_CORE = 20
_EACH = 40 * 2**20  # bytes that a visitor's pictures, results and connection weigh, on the safe side
_SERVER = 1536 * 2**20  # bytes that the page and its workers weigh without any visitor


class Room:
    """So many seats.

    Args:
        seats: how many.
    """

    def __init__(self, seats: int) -> None:
        self.seats, self.seated = seats, 0
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Take a seat; False where all are taken."""
        with self._lock:
            if self.seated >= self.seats:
                return False
            self.seated += 1
            return True

    def leave(self) -> None:
        """Give one back."""
        with self._lock:
            self.seated -= 1


class Seat:
    """One visitor's, or the wish for one."""

    def __init__(self, room: Room) -> None:
        self._room, self._lock, self.taken = room, threading.Lock(), False

    def take(self) -> bool:
        """Sit down, if there is room or this visitor sits already."""
        with self._lock:
            self.taken = self.taken or self._room.enter()
            return self.taken

    def free(self) -> None:
        """The visitor is gone."""
        with self._lock:
            if self.taken:
                self._room.leave()
            self.taken = False


def fitting(cores: int, memory: int | None) -> int:
    """How many visitors a machine carries.

    Args:
        cores: of its processor.
        memory: bytes, None where that is unknown.
    """
    carried = _PER_CORE * cores
    return max(1, carried if memory is None else min(carried, (memory - _SERVER) // _EACH))


@cache
def the_room() -> Room:
    """The room of this server; ``GRADINV_VISITORS`` says another number of seats."""
    asked = os.environ.get("GRADINV_VISITORS", "")
    return Room(int(asked) if asked.isdigit() and int(asked) > 0 else fitting(machine_cores(), machine_memory()))


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda seat: seat.free())
def _seat() -> Seat:
    """Streamlit releases this when the tab's connection ends."""
    return Seat(the_room())


def seated() -> bool:
    """Whether the visitor the script runs for has a seat, or could sit down now."""
    return _seat().take()
