"""What a field of a scenario is called where a table or a menu shows it."""

from __future__ import annotations

from gradinv_core.augmentation import AUGMENTATIONS
from gradinv_core.checkpoints import CHECKPOINT_CLASSES
from gradinv_core.datasets import DATASETS
from gradinv_core.experiments.scenario import UNTRAINED, Scenario
from gradinv_core.experiments.settings import settings_of, write_value
from gradinv_core.networks import NETWORKS

__all__ = ["field_title", "field_value"]

_TITLES = {"stage": "training", "augmentation": "label", "head_bias": "head bias", "network": "network"}


def field_title(name: str) -> str:
    """A field's name as a heading."""
    return _TITLES.get(name) or (settings_of(Scenario)[name].title or name).lower()


def field_value(name: str, scenario: Scenario) -> str:
    """A field's value in a word or two."""
    value = getattr(scenario, name)
    if name == "network":
        return NETWORKS[value].title
    if name == "dataset":
        return DATASETS[value].title
    if name == "augmentation":
        return "hard" if value == "none" else AUGMENTATIONS[value].title
    if name == "classes" and scenario.stage != UNTRAINED:
        return f"{CHECKPOINT_CLASSES}"
    if name == "stage":
        return str(value).replace("-epoch-", ", epoch ")
    return write_value(value)
