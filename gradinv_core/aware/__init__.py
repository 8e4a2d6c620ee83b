"""The informed server: label recovery by someone who was told which defences the client applied.

It knows their kinds and parameters, which a protocol has to announce anyway, and nothing of what was drawn at random.
Front doors: `recover_defended` for label and feature, `undo_scale`, which gives a clipped gradient its length back, and
`attack_defended`, which does both and keeps what the way to the picture needs.
"""

from gradinv_core.aware.front_door import recover_defended
from gradinv_core.aware.informed import InformedAnswer, attack_defended
from gradinv_core.aware.scale import undo_scale

__all__ = ["InformedAnswer", "attack_defended", "recover_defended", "undo_scale"]
