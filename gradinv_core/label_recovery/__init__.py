"""Label and feature recovery from the gradient of the last fully connected layer. Front door: `recover_label`."""

from gradinv_core.label_recovery.front_door import answer_known_lambda, recover_label, recover_labels
from gradinv_core.label_recovery.request import SOLVERS
from gradinv_core.label_recovery.result import Candidate, Doubt, LabelRecovery, Status, Window

__all__ = [
    "SOLVERS",
    "Candidate",
    "Doubt",
    "LabelRecovery",
    "Status",
    "Window",
    "answer_known_lambda",
    "recover_label",
    "recover_labels",
]
