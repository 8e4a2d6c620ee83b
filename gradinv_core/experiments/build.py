"""Build the network of a scenario: what the server sent to the client, before anybody trains."""

from gradinv_core.checkpoints import load_checkpoint, stage_classes
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.experiments.scenario import UNTRAINED, Scenario
from gradinv_core.head import find_head
from gradinv_core.networks import NETWORKS, build_network, scale_weights
from gradinv_core.pretrained import IMAGENET, IMAGENET_CLASSES, IMAGENET_SIZE, load_pretrained

__all__ = ["build_public_network", "image_size_of", "trained_classes"]


def image_size_of(scenario: Scenario) -> int:
    """Side of the pictures that a scenario's network is fed, in pixels."""
    return IMAGENET_SIZE if scenario.stage == IMAGENET else NETWORKS[scenario.network].image_size


def trained_classes(scenario: Scenario) -> int | None:
    """Number of classes that a trained network tells apart; None for an untrained one, which has as many as one likes.

    Raises:
        OptionError, TensorFileError: there is no such stage, or its file is damaged.
    """
    if scenario.stage == UNTRAINED:
        return None
    return IMAGENET_CLASSES if scenario.stage == IMAGENET else stage_classes(scenario.network, scenario.stage)


def build_public_network(scenario: Scenario, classes: int) -> PublicNetwork:
    """Build a scenario's network; a trained one comes with its own classes, weights and last layer.

    The last layers that were trained on ImageNet have a bias, and those of one's own may have. A scenario without one
    withholds that bias's gradient: the server knows the bias itself, as it knows all weights.

    Raises:
        OptionError, TensorFileError, WeightsUnavailableError: there is no such network or stage, or its weights are not
            here.
    """
    name, trained = scenario.network, scenario.stage != UNTRAINED
    if not trained:
        model = build_network(
            name,
            classes,
            head_bias=scenario.head_bias,
            initialisation=scenario.initialisation,
            seed=scenario.seed,
        )
    elif scenario.stage == IMAGENET:
        model = load_pretrained(name)
    else:
        model = load_checkpoint(name, scenario.stage)
    withheld = frozenset[str]()
    if trained and not scenario.head_bias:
        withheld = frozenset({f"{find_head(model)}.bias"} & dict(model.named_parameters()).keys())
    scale_weights(model, head=scenario.sharpness, hidden=scenario.gain)
    return PublicNetwork(name, model.requires_grad_(False), image_size_of(scenario), withheld)
