"""Scenarios played from end to end: a client takes a training step, a server attacks what it was sent.

Three rooms with a wall between them: ``client`` alone knows the truth, ``server`` sees the network, the gradients and
what was announced, and `play` leads one scenario to both. ``sweep`` plays many and holds the answers against the truth,
``study`` plays thousands and keeps a row of each. Nothing here knows a page.
"""

from typing import TYPE_CHECKING

from gradinv_core.late_names import late_names

if TYPE_CHECKING:
    from gradinv_core.experiments.scenario import Scenario
    from gradinv_core.experiments.scene import Scene, play

__all__ = ["Scenario", "Scene", "play"]

if not TYPE_CHECKING:  # else every name would pass for one of the package's
    __getattr__, __dir__ = late_names(__name__, globals(), {"scenario": ("Scenario",), "scene": ("Scene", "play")})
