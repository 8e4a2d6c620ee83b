"""Import and play once what the first view needs, so that the first visitor does not wait for it.

The launcher calls `warm_up` before the server starts. Nothing here talks to the page.
"""

import json

from dashboard.drawing.pictures import enlarge, layer_picture, picture_source
from dashboard.figures import StripLayer, feature_plot, gradient_heatmap, label_bars, layer_strip, probability_bars
from gradinv_core.datasets import load_dataset
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import play
from gradinv_core.experiments.server.attack import attack_image, attack_label
from gradinv_core.experiments.server.lambda_curve import label_range
from gradinv_core.metrics import psnr, ssim

__all__ = ["warm_up"]


def warm_up() -> None:
    """Play the default scenario from the picture to the figures, and throw the result away."""
    for name in ("digits", "photographs"):
        load_dataset(name, 32)[0]
    scene = play(Scenario())
    client = scene.client
    attack = attack_label(scene.network, scene.gradients)
    image = attack_image(scene.network, scene.gradients)

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
        json.dumps(figure.spec)
    enlarge(client.sample.image)
    picture_source(client.sample.image)
    for step in image.steps:
        layer_picture(step.value)
    psnr(image.image, client.sample.image)
    ssim(image.image, client.sample.image)
