"""How much one training gradient gives away: its soft label, its last-layer feature, its image."""

from typing import TYPE_CHECKING

from gradinv_core.late_names import late_names

if TYPE_CHECKING:
    from gradinv_core.batch_recovery import BatchRecovery, recover_batch
    from gradinv_core.client import capture_gradients
    from gradinv_core.gradients import read_gradients
    from gradinv_core.head.landscape import variance_loss
    from gradinv_core.image_recovery import ImageRecovery, reconstruct_image, recover_from_gradients
    from gradinv_core.label_recovery import LabelRecovery, recover_label, recover_labels
    from gradinv_core.labels import hard_label, mixup_label, smooth_label
    from gradinv_core.updates import gradient_from_update, recover_from_update

__all__ = [
    "BatchRecovery",
    "ImageRecovery",
    "LabelRecovery",
    "capture_gradients",
    "gradient_from_update",
    "hard_label",
    "mixup_label",
    "read_gradients",
    "reconstruct_image",
    "recover_batch",
    "recover_from_gradients",
    "recover_from_update",
    "recover_label",
    "recover_labels",
    "smooth_label",
    "variance_loss",
]

if not TYPE_CHECKING:  # else every name would pass for one of the package's
    __getattr__, __dir__ = late_names(
        __name__,
        globals(),
        {
            "batch_recovery": ("BatchRecovery", "recover_batch"),
            "client": ("capture_gradients",),
            "gradients": ("read_gradients",),
            "head.landscape": ("variance_loss",),
            "image_recovery": ("ImageRecovery", "reconstruct_image", "recover_from_gradients"),
            "label_recovery": ("LabelRecovery", "recover_label", "recover_labels"),
            "labels": ("hard_label", "mixup_label", "smooth_label"),
            "updates": ("gradient_from_update", "recover_from_update"),
        },
    )
