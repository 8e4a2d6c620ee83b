"""Keep the server's housekeeping out of the visitor's way.

Streamlit would collect garbage after every run of the script, whoever waits for an answer (`runner.postScriptGC`, which
the settings beside the app switch off): with a class on the page that takes a third of the time. Here it is collected
now and then, and what was imported is left out of it.
"""

import gc
import threading
import time

from dashboard.background.crew.machine import give_memory_back

__all__ = ["tidy_up"]

_PAUSE = 20.0  # seconds
_busy = threading.Lock()
_last: list[float] = []


def tidy_up() -> None:
    """Collect garbage, and give memory back, unless that was done a moment ago; call it after a run of the script.

    The first time it takes what is loaded by then out of garbage collection. PyTorch alone holds some 400,000 objects
    that never become garbage; looking at them each time takes 0.2 to 0.4 seconds.
    """
    if not _busy.acquire(blocking=False):
        return
    try:
        now = time.monotonic()
        if _last and now - _last[0] < _PAUSE:
            return
        gc.collect()
        if not _last:
            gc.freeze()
        _last[:] = [now]
        give_memory_back()
    finally:
        _busy.release()
