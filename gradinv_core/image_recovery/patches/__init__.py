"""The picture of a vision transformer: its learned positions carry the loss gradient at every patch."""

from gradinv_core.image_recovery.patches.last_layer import LastLayer, ask_last_layer
from gradinv_core.image_recovery.patches.route import recover_patches
from gradinv_core.image_recovery.patches.structure import PatchPositions, PatchSearch, find_patches

__all__ = ["LastLayer", "PatchPositions", "PatchSearch", "ask_last_layer", "find_patches", "recover_patches"]
