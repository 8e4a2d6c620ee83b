"""Where in the network a film is: its parts from the head to the picture, and the part that each frame belongs to."""

from collections.abc import Sequence
from dataclasses import replace

from dashboard.components import Frame, PlanPart
from gradinv_core.architecture import Part
from gradinv_core.image_recovery import Step

__all__ = ["film_plan", "on_plan", "title_in_words"]

_INPUT = "Input of layer"


def film_plan(parts: Sequence[Part]) -> list[PlanPart]:
    """The plan of a network with skips; none of a chain, whose frames say by themselves where they are.

    Args:
        parts: of the network, from the picture to the head.
    """
    if all(part.skip is None for part in parts):
        return []
    return [PlanPart(part.name, part.skip is not None) for part in reversed(parts)]


def on_plan(frames: Sequence[Frame], steps: Sequence[Step], parts: Sequence[Part]) -> list[Frame]:
    """Frames with their place on the plan, and a title that counts layers where a step names a module.

    Args:
        frames: of the steps, in their order.
        steps: what was found. One of a search looks for the picture, which stands at the last part.
        parts: of the network, from the picture to the head.
    """
    places = {name: place for place, part in enumerate(reversed(parts)) for name in (*part.layers, *(part.skip or ()))}
    placed = []
    for frame, step in zip(frames, steps, strict=True):
        part = len(parts) - 1 if step.iteration is not None else places.get(step.layer or "", -1)
        title = title_in_words(step.title, [step.layer] if step.layer else [], parts)
        explanation = "" if title == step.title else f"{step.title}, as the network's modules are called"
        placed.append(replace(frame, title=title, explanation=explanation, part=part))
    return placed


def title_in_words(title: str, layers: Sequence[str], parts: Sequence[Part]) -> str:
    """What was found: of a layer's input the layer's number, counted from the picture, and not its module's name.

    Args:
        title: the attack's own.
        layers: names of the layers that it speaks of; those that read the same input are found together.
        parts: of the network, from the picture to the head.
    """
    names = [name for part in parts for name in (*part.layers, *(part.skip or ()))]
    if not layers or not set(layers) <= set(names) or not title.startswith(_INPUT):
        return title
    numbers = " and ".join(str(number) for number in sorted(names.index(layer) + 1 for layer in layers))
    return f"{_INPUT}{'s' if len(layers) > 1 else ''} {numbers} of {len(names)}"
