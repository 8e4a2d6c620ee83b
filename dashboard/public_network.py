"""What both sides know before the training step: the network of a scenario, and what travels between them."""

from dataclasses import dataclass

import torch
from torch import nn

from dashboard.state import UNTRAINED, Scenario
from gradinv_core.checkpoints import load_checkpoint
from gradinv_core.networks import NETWORKS, build_network, scale_weights

__all__ = ["Gradients", "PublicNetwork", "build_public_network"]

Gradients = dict[str, torch.Tensor]
"""``{parameter name: gradient}``, the only thing that passes the wall."""


@dataclass(frozen=True)
class PublicNetwork:
    """What both sides know before the training step: architecture, weights, image size. Never modified."""

    name: str
    model: nn.Module
    image_size: int


def build_public_network(scenario: Scenario, classes: int) -> PublicNetwork:
    """Build a scenario's network; a trained one comes with its own classes, weights and bias-free head."""
    name = scenario.network
    if scenario.stage == UNTRAINED:
        model = build_network(
            name,
            classes,
            head_bias=scenario.head_bias,
            initialisation=scenario.initialisation,
            seed=scenario.seed,
        )
    else:
        model = load_checkpoint(name, scenario.stage)
    scale_weights(model, head=scenario.sharpness, hidden=scenario.gain)
    return PublicNetwork(name, model.requires_grad_(False), NETWORKS[name].image_size)
