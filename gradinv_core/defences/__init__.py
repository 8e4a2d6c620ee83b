"""What a client does to its gradients before it sends them. Front door: `apply_defences`.

Client side. An attack may read a defence's announced parameters, never what was drawn at random.
"""

from gradinv_core.defences.accounting import accountable_multiplier, privacy_spent
from gradinv_core.defences.catalogue import DEFENCES, DefenceSpec
from gradinv_core.defences.clip import Clip
from gradinv_core.defences.defence import Defence, DefenceContext
from gradinv_core.defences.feature import PerturbFeature
from gradinv_core.defences.noise import GaussianNoise, LaplaceNoise
from gradinv_core.defences.pipeline import apply_defences, check_defences
from gradinv_core.defences.quantise import Quantise, Sign
from gradinv_core.defences.sparsify import DropRows, Prune
from gradinv_core.defences.text_form import read_defences, write_defences
from gradinv_core.defences.withhold import WithholdHead

__all__ = [
    "DEFENCES",
    "Clip",
    "Defence",
    "DefenceContext",
    "DefenceSpec",
    "DropRows",
    "GaussianNoise",
    "LaplaceNoise",
    "PerturbFeature",
    "Prune",
    "Quantise",
    "Sign",
    "WithholdHead",
    "accountable_multiplier",
    "apply_defences",
    "check_defences",
    "privacy_spent",
    "read_defences",
    "write_defences",
]
