"""How far the bar of the exact route is, although nobody knows how long a layer or a search takes."""

from collections.abc import Sequence

from torch import nn

from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.image_recovery import Step

__all__ = ["progress"]

_NEARLY = 0.95  # of the bar, as long as there is no answer
_TYPICAL = 4.0  # seconds for one layer, by which its part of the bar is half full
_WALKED = 0.3  # of the bar: the layers, where a search for the picture follows, which takes longer than all of them
_PICTURES = 15  # of such a search, by which the rest of the bar is half full


def progress(reports: Sequence[Step], network: PublicNetwork, seconds: float) -> float:
    """Share of the work that is done, 0 to 0.95: by what was found, and within a step by the time so far.

    The bar goes on all the time, ever more slowly and never to the next step, so that a class sees that the server is
    alive.

    Args:
        reports: what the attack has told.
        network: it walks back through.
        seconds: since it began.
    """
    modules = list(network.model.modules())
    steps = 2 + sum(isinstance(module, nn.Linear | nn.Conv2d) for module in modules)
    pictures = sum(step.iteration is not None for step in reports)
    pace = seconds / max(len(reports), 1)
    found = len(reports) - pictures + pace / (pace + _TYPICAL)
    walked = min(found / steps, _NEARLY)
    if not any(isinstance(module, nn.MaxPool2d) for module in modules) and not pictures:
        return walked
    return _WALKED * walked if not pictures else _WALKED + (_NEARLY - _WALKED) * pictures / (pictures + _PICTURES)
