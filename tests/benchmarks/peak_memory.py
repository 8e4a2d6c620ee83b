"""The most memory a process held between two points, so that one run can name it for every row of a table."""

from __future__ import annotations

import resource
from pathlib import Path

__all__ = ["forget_peak", "peak_gigabytes"]

_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_THE_PEAK = "5"  # of what Linux can be told to forget


def forget_peak() -> None:
    """Begin anew; only Linux can, elsewhere the peak is that of the whole run."""
    if _FORGET.exists():
        _FORGET.write_text(_THE_PEAK)


def peak_gigabytes() -> float:
    """The most memory held since the last `forget_peak`, in GB."""
    if _STATUS.exists():
        (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
