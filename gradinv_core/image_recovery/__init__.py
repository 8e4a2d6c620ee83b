"""Image recovery from one gradient. Front door: `reconstruct_image`."""

from gradinv_core.image_recovery.budget import LayerBudget, layer_budget
from gradinv_core.image_recovery.deep_evidence import recover_from_gradients
from gradinv_core.image_recovery.front_door import METHODS, reconstruct_image
from gradinv_core.image_recovery.result import ImageRecovery, LayerRecovery, Leak, OnStep, Step, Stop

__all__ = [
    "METHODS",
    "ImageRecovery",
    "LayerBudget",
    "LayerRecovery",
    "Leak",
    "OnStep",
    "Step",
    "Stop",
    "layer_budget",
    "reconstruct_image",
    "recover_from_gradients",
]
