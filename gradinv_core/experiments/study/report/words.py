"""What a field of a scenario is called where a table or a menu shows it."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from gradinv_core.augmentation import AUGMENTATIONS
from gradinv_core.checkpoints import CHECKPOINT_CLASSES
from gradinv_core.datasets import DATASETS, FOLDER_PREFIX
from gradinv_core.experiments.scenario import UNTRAINED, Scenario
from gradinv_core.experiments.settings import settings_of, write_value
from gradinv_core.experiments.study.rows import SCENARIO, Column, Rows, as_column
from gradinv_core.networks import NETWORKS
from gradinv_core.pretrained import IMAGENET, IMAGENET_CLASSES, PRETRAINED
from gradinv_core.trained_file import is_trained_file

__all__ = ["field_title", "field_value", "field_values"]

_PIN = 8  # digits of a hash tell files apart
_TITLES = {"stage": "training", "augmentation": "label", "head_bias": "head bias", "network": "network"}


def field_title(name: str) -> str:
    """A field's name as a heading."""
    return _TITLES.get(name) or (settings_of(Scenario)[name].title or name).lower()


def field_value(name: str, scenario: Scenario) -> str:
    """A field's value in a word or two; of what lies on a disk, its file's name."""
    return _said(name, getattr(scenario, name), scenario.stage)


def field_values(name: str, rows: Rows) -> Column:
    """The same for every row: (n,) texts. Values that are the same are put into words once."""
    values = list(zip(rows.column(f"{SCENARIO}{name}"), rows.column(f"{SCENARIO}stage"), strict=True))
    said = {value: _said(name, *value) for value in set(values)}
    return as_column([said[value] for value in values])


def _said(name: str, value: Any, stage: str) -> str:
    """A value in words; the stage says where it comes from."""
    if name == "network":
        return PRETRAINED[value] if stage == IMAGENET else NETWORKS[value].title
    if name == "dataset":
        return PurePath(value).name if value.startswith(FOLDER_PREFIX) else DATASETS[value].title
    if name == "augmentation":
        return "hard" if value == "none" else AUGMENTATIONS[value].title
    if name == "classes" and stage != UNTRAINED:
        return _trained_classes(stage)
    if name == "head_bias" and (stage == IMAGENET or is_trained_file(stage)):
        return "sent" if value else "withheld" if stage == IMAGENET else "not sent"
    if name == "stage":
        return _stage(value)
    return write_value(value)


def _stage(stage: str) -> str:
    if stage == IMAGENET:
        return "ImageNet"
    if is_trained_file(stage):
        path, _, pin = stage.partition("#")
        return f"{PurePath(path).stem} ({pin[:_PIN]})" if pin else PurePath(path).stem
    return stage.replace("-epoch-", ", epoch ")


def _trained_classes(stage: str) -> str:
    """Without looking into a file: a report is read where it may not be."""
    if stage == IMAGENET:
        return f"{IMAGENET_CLASSES}"
    return "as trained" if is_trained_file(stage) else f"{CHECKPOINT_CLASSES}"
