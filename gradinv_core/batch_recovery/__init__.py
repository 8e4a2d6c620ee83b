"""Soft labels, features and pictures of several samples from one averaged gradient. Front door: `recover_batch`."""

from gradinv_core.batch_recovery.front_door import recover_batch
from gradinv_core.batch_recovery.layer_below import view_below
from gradinv_core.batch_recovery.pictures import BatchPictures, reconstruct_batch
from gradinv_core.batch_recovery.result import BatchRecovery, Evidence, Obstacle

__all__ = ["BatchPictures", "BatchRecovery", "Evidence", "Obstacle", "reconstruct_batch", "recover_batch", "view_below"]
