"""The picture under a loss with temperature or class weights: the exact route and the search alike."""

import pytest
import torch

from gradinv_core import capture_gradients, mixup_label, reconstruct_image
from gradinv_core.datasets import load_dataset
from gradinv_core.metrics import psnr
from gradinv_core.networks import build_network

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)
LOSSES = [{"temperature": 3.0}, {"class_weights": [0.5 + 0.3 * index for index in range(10)]}]


@pytest.fixture(scope="module")
def photograph():
    return load_dataset("photographs", 32)[1][0]


@pytest.mark.parametrize("loss", LOSSES, ids=["temperature", "class weights"])
def test_the_exact_route_gives_picture_and_label(photograph, loss):
    model = build_network("fcn_small", 10, seed=1)
    recovery = reconstruct_image(model, capture_gradients(model, photograph, LABEL, **loss), (3, 32, 32), **loss)
    assert (recovery.method, recovery.label.status) == ("analytic", "unique")
    assert psnr(recovery.image, photograph) > 100
    assert (recovery.label.label - LABEL).abs().max() < 1e-4


@pytest.mark.parametrize("loss", LOSSES, ids=["temperature", "class weights"])
def test_the_search_matches_the_gradient_of_that_loss(photograph, loss):
    """At the true picture the announced loss's gradient is the observed one, and plain cross-entropy's is not."""
    model = build_network("lenet_sigmoid", 10, seed=1)
    sent = capture_gradients(model, photograph, LABEL, **loss)
    options = {
        "method": "matching",
        "label": LABEL,
        "start": photograph,
        "iterations": 2,
        "snapshots": 1,
        "seed": 0,
        "total_variation": 0.0,
        "label_mode": "given",
        "terms": "g",
        "distance": "l2",
    }
    told = reconstruct_image(model, sent, (3, 32, 32), **options, **loss)
    untold = reconstruct_image(model, sent, (3, 32, 32), **options)
    first = [recovery.losses[0][1] for recovery in (told, untold)]
    assert first[0] < 1e-9 * max(first[1], 1e-30) or first[0] < 1e-10 < first[1]
    assert torch.isfinite(told.image).all()
