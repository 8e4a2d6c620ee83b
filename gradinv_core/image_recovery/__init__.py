"""Image recovery from one gradient. Front door: `reconstruct_image`."""

from gradinv_core.image_recovery.front_door import METHODS, reconstruct_image
from gradinv_core.image_recovery.result import ImageRecovery, LayerRecovery, Step

__all__ = ["METHODS", "ImageRecovery", "LayerRecovery", "Step", "reconstruct_image"]
