"""What the machine has: its cores and its memory."""

import os

__all__ = ["machine_cores", "machine_memory"]


def machine_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def machine_memory() -> int | None:
    """Bytes of memory, None where the machine does not tell (Windows tells it otherwise)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
