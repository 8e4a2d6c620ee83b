"""What federated clients really send: weights before and after local training.

Front doors: `gradient_from_update`, `recover_from_update`.
"""

from gradinv_core.updates.front_door import recover_from_update
from gradinv_core.updates.gradient import gradient_from_update

__all__ = ["gradient_from_update", "recover_from_update"]
