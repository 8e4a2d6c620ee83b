"""Build the network of a scenario: what the server sent to the client, before anybody trains."""

from gradinv_core.checkpoints import load_checkpoint
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.experiments.scenario import UNTRAINED, Scenario
from gradinv_core.networks import NETWORKS, build_network, scale_weights

__all__ = ["build_public_network"]


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
