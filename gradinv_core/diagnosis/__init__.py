"""Why an attack failed, read off what the server holds. Front doors: `diagnose`, `diagnose_image`."""

from gradinv_core.diagnosis.cause import Cause, Diagnosis
from gradinv_core.diagnosis.front_door import diagnose
from gradinv_core.diagnosis.image import diagnose_image

__all__ = ["Cause", "Diagnosis", "diagnose", "diagnose_image"]
