"""Training: ``shipped`` makes the checkpoints in assets, and everything else is behind ``gradinv train``.

A ``plan`` says what is trained and how, ``pictures`` brings a dataset into memory, ``softening`` is torchvision's, the
``course`` goes through the epochs, and ``unfinished`` is what a stopped one leaves to go on from.
"""

from gradinv_core.training.course import Reached, train_network
from gradinv_core.training.plan import LABELS, TrainingPlan
from gradinv_core.training.shipped import RECIPES, Recipe, Split, accuracy, digits_split, train

__all__ = [
    "LABELS",
    "RECIPES",
    "Reached",
    "Recipe",
    "Split",
    "TrainingPlan",
    "accuracy",
    "digits_split",
    "train",
    "train_network",
]
