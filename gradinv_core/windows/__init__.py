"""The four windows through which lambda, the one number that the head's gradient leaves open, leaks to the server.

Front door: `four_windows`. It asks every window on its own, and says what they leave together.
"""

from gradinv_core.windows.front_door import four_windows
from gradinv_core.windows.verdict import FourWindows, WindowsStatus
from gradinv_core.windows.views import WindowState, WindowView

__all__ = ["FourWindows", "WindowState", "WindowView", "WindowsStatus", "four_windows"]
