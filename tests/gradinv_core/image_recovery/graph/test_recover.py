"""Residual networks from gradient to picture, through the one front door."""

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label, reconstruct_image
from gradinv_core.client import client_truth
from gradinv_core.errors import MisfitError, NoExactRouteError, RankError
from gradinv_core.gradients import read_gradients
from gradinv_core.image_recovery.graph.recover import plan_network, walk_back
from gradinv_core.image_recovery.graph.stem import front_door
from gradinv_core.metrics import psnr

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)


@pytest.mark.parametrize("stem", ["plain", "bare"])
def test_a_stem_without_a_pool_gives_the_picture_exactly(residual, picture, stem):
    model, image = residual(stem), picture((3, 8, 8))
    gradients = capture_gradients(model, image, LABEL)
    seen = []
    for method in ("analytic", "auto"):
        found = reconstruct_image(model, gradients, image.shape, method=method, on_step=seen.append)
        assert found.method == "analytic"
        assert psnr(found.image, image) > 80
    assert found.std is not None
    assert float(((found.image - image).abs() <= 2 * found.std).double().mean()) > 0.9
    assert [layer.name for layer in found.layers][-1] == "stem.0"
    assert len(found.layers) == 9
    assert found.steps[-1].title == "Image"
    assert found.steps == tuple(seen[len(seen) // 2 :])
    assert "Walked back through the network's graph: the weight gradients of 8 layers" in found.reason


@pytest.mark.parametrize(
    "told", [{"pixel_range": (-1.0, 1.0)}, {"mean": (0.5, 0.4, 0.6), "std": 0.25}], ids=["range", "mean"]
)
def test_pictures_come_back_in_the_space_the_caller_names(residual, picture, told):
    model, image = residual(), picture((3, 8, 8))
    image = image if "mean" in told else 2 * image - 1
    fed = image
    if "mean" in told:
        fed = (image - torch.tensor(told["mean"])[:, None, None]) / told["std"]
    found = reconstruct_image(model, capture_gradients(model, fed, LABEL), image.shape, method="analytic", **told)
    assert psnr(found.image, image) > 80


def test_the_walk_equals_the_peel_on_a_plain_chain(filled, picture):
    layers = (nn.Conv2d(3, 16, 3, padding=1), nn.Sigmoid(), nn.Conv2d(16, 16, 3, padding=1), nn.Sigmoid())
    model = filled(nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 36, 10, bias=False)))
    image = picture((3, 6, 6))
    gradients = read_gradients(model, capture_gradients(model, image, LABEL))
    peeled = reconstruct_image(model, gradients, image.shape, method="analytic")
    walked = walk_back(model, plan_network(model, image.shape), gradients, peeled.label)
    assert [step.title for step in walked.steps] == [step.title for step in peeled.steps]
    for ours, theirs in zip(walked.steps, peeled.steps, strict=True):
        torch.testing.assert_close(ours.value, theirs.value, rtol=0, atol=1e-4)
    assert psnr(walked.image, image) > 80


def test_label_and_feature_may_be_handed_in(residual, picture):
    model, image = residual(), picture((3, 8, 8))
    truth = client_truth(model, image, LABEL)
    gradients = capture_gradients(model, image, LABEL)
    found = reconstruct_image(
        model, gradients, image.shape, method="analytic", label=truth.label, feature=truth.feature
    )
    assert psnr(found.image, image) > 80
    assert "take the label and the feature that were handed in for exact" in found.reason


def test_a_body_of_another_sample_is_refused_with_what_may_be_behind_it(residual, picture):
    model, image = residual(), picture((3, 8, 8))
    mixed = capture_gradients(model, picture((3, 8, 8), seed=1), LABEL)
    mixed["head.weight"] = capture_gradients(model, image, LABEL)["head.weight"]
    with pytest.raises(MisfitError, match=r"batch norm in training mode, or several samples in one gradient"):
        reconstruct_image(model, mixed, image.shape, method="analytic")


def test_an_average_of_two_samples_is_refused_or_has_no_bars(residual, picture):
    for seed in range(3):
        model = residual(seed=seed)
        one, two = (capture_gradients(model, picture((3, 8, 8), seed=10 * seed + each), LABEL) for each in range(2))
        mixed = {name: (one[name] + two[name]) / 2 for name in one}
        try:
            found = reconstruct_image(model, mixed, (3, 8, 8), method="analytic")
        except (RankError, NoExactRouteError):
            continue
        assert found.std is None
        assert "exactly" not in found.reason


def test_a_layer_that_sent_nothing_is_named(residual, picture):
    model, image = residual(), picture((3, 8, 8))
    gradients = capture_gradients(model, image, LABEL)
    del gradients["two.conv1.weight"]
    with pytest.raises(NoExactRouteError, match=r"gradient of layer two\.conv1 was not sent"):
        reconstruct_image(model, gradients, image.shape, method="analytic")


def test_stop_returns_what_was_found(residual, picture):
    model, image = residual(), picture((3, 8, 8))
    seen = []
    found = reconstruct_image(
        model,
        capture_gradients(model, image, LABEL),
        image.shape,
        method="analytic",
        on_step=seen.append,
        stop=lambda: len(seen) >= 3,
    )
    assert found.stopped
    assert len(found.steps) == 3
    assert found.std is None
    assert "stopped before the image was reached" in found.reason


def test_a_pooled_stem_is_searched_and_never_sure_without_reason(residual, smooth_picture, monkeypatch):
    monkeypatch.setattr(front_door, "_ROUNDS", 150)
    model, image = residual("pooled", channels=48), smooth_picture(9)
    found = reconstruct_image(model, capture_gradients(model, image, LABEL), image.shape, method="analytic")
    assert psnr(found.image, image) > 15
    if found.std is None:
        assert "not settled" in found.why_no_std
    else:
        assert float(((found.image - image).abs() <= 2 * found.std).double().mean()) > 0.85
    assert any(step.iteration is not None for step in found.steps)
    assert found.layers[-1].name == "stem.0"
