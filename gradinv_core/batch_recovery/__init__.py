"""Soft labels and features of several samples from one averaged gradient. Front door: `recover_batch`."""

from gradinv_core.batch_recovery.front_door import recover_batch
from gradinv_core.batch_recovery.result import BatchRecovery, Evidence, Obstacle

__all__ = ["BatchRecovery", "Evidence", "Obstacle", "recover_batch"]
