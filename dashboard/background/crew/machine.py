"""What the machine has: its cores and its memory."""

import ctypes
import os
import sys

__all__ = ["give_memory_back", "machine_cores", "machine_memory"]


def give_memory_back() -> None:
    """Hand what is free to the machine: large matrices come and go, and glibc would keep their room for the next."""
    if sys.platform == "linux":
        try:
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        except (OSError, AttributeError):  # another C library, which has ways of its own
            return


def machine_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def machine_memory() -> int | None:
    """Bytes of memory, None where the machine does not tell (Windows tells it otherwise)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
