"""Import and play once what the first view needs, so that the first visitor does not wait for it.

The launcher calls `warm_up` before the server starts. Nothing here talks to the page.
"""

from dashboard.client_side import play_client
from dashboard.figures import StripLayer, feature_plot, gradient_heatmap, label_bars, layer_strip, probability_bars
from dashboard.landscape import label_range
from dashboard.pictures import enlarge, layer_picture, picture_source
from dashboard.public_network import build_public_network
from dashboard.server_side import attack_image, attack_label
from dashboard.state import Scenario
from gradinv_core.datasets import load_dataset
from gradinv_core.metrics import psnr, ssim
from gradinv_core.networks import NETWORKS

__all__ = ["warm_up"]


def warm_up() -> None:
    """Play the default scenario from the picture to the figures, and throw the result away."""
    scenario = Scenario()
    images = load_dataset(scenario.dataset, NETWORKS[scenario.network].image_size)
    classes = len(images.class_names)
    network = build_public_network(scenario, classes)
    client = play_client(network, images, scenario, classes)
    attack = attack_label(network, client.gradients)
    image = attack_image(network, client.gradients)

    sent = client.head_gradient
    if sent is None:
        raise TypeError("the default scenario withholds nothing")
    label, found = client.sample.label.numpy(), attack.recovery.label.numpy()
    allowed = label_range(attack.head, attack.recovery, attack.curve)
    figures = (
        probability_bars(client.truth.probabilities, label),
        gradient_heatmap(sent),
        label_bars(found, label, allowed=(allowed.low, allowed.high)),
        feature_plot(attack.recovery.feature, client.truth.feature),
        layer_strip([StripLayer("1", "fully connected", 1, 1, "exact", 1)]),
    )
    for figure in figures:
        figure.to_json()
    enlarge(client.sample.image)
    picture_source(client.sample.image)
    for step in image.steps:
        layer_picture(step.value)
    psnr(image.image, client.sample.image)
    ssim(image.image, client.sample.image)
