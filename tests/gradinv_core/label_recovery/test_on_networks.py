"""Real networks, trained and untrained, with the label format unknown. The full study is ``make study``."""

import numpy as np
import pytest
import torch

from gradinv_core import capture_gradients, hard_label, mixup_label, recover_label, smooth_label
from gradinv_core.checkpoints import available_stages, load_checkpoint
from gradinv_core.client import client_truth
from gradinv_core.datasets import load_dataset
from gradinv_core.head import observe_head
from gradinv_core.networks import build_network


def labels(classes, rng):
    first, second = (int(c) for c in rng.choice(classes, 2, replace=False))
    epsilon, ratio = rng.uniform(0.01, 0.5), rng.uniform(0.5, 0.95)
    return {
        "hard": hard_label(first, classes),
        "smoothing": smooth_label(first, classes, epsilon),
        "mixup": mixup_label(first, second, classes, ratio),
        "mixup+smoothing": mixup_label(first, second, classes, ratio, epsilon),
    }


def check(model, classes, seed, size=32):
    rng = np.random.default_rng(seed)
    images = load_dataset("digits", size)
    for kind, label in labels(classes, rng).items():
        image = images[int(rng.integers(len(images)))][0]
        view, truth = observe_head(model, capture_gradients(model, image, label)), client_truth(model, image, label)
        answer = recover_label(view.weight, view.weight_grad)
        right = torch.allclose(answer.label, label, atol=1e-3)
        if truth.probabilities.max() > 1 - 1e-6:  # one-hot to float32: the head may not know, but must say so
            assert right or answer.status == "ambiguous"
            continue
        assert answer.status == "unique"
        assert answer.label_format == kind
        assert right
        assert (answer.feature - truth.feature).norm() < 1e-3 * truth.feature.norm()


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize("network", ["lenet_sigmoid", "lenet_tanh", "lenet_relu", "fcn_small", "resnet18"])
def test_untrained_networks(network, classes):
    for seed in range(3):
        check(build_network(network, classes, seed=seed), classes, seed)


def test_a_thousand_classes():
    check(build_network("resnet18", 1000), 1000, 0)


@pytest.mark.parametrize("network", ["lenet_sigmoid", "fcn_small"])
def test_every_trained_checkpoint(network):
    for seed, stage in enumerate(available_stages(network)):
        check(load_checkpoint(network, stage) if stage != "untrained" else build_network(network, 10), 10, seed)
