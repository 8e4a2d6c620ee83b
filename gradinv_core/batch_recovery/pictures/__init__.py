"""All pictures of a batch from its averaged gradient. Front door: `reconstruct_batch`."""

from gradinv_core.batch_recovery.pictures.front_door import pictures_of_batch, reconstruct_batch
from gradinv_core.batch_recovery.pictures.result import BatchLayer, BatchPictures, BatchStep

__all__ = ["BatchLayer", "BatchPictures", "BatchStep", "pictures_of_batch", "reconstruct_batch"]
