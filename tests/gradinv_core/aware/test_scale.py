"""A clipped gradient gets its length back, and image recovery what it needs."""

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, reconstruct_image, smooth_label
from gradinv_core.aware import recover_defended, undo_scale
from gradinv_core.datasets import load_dataset
from gradinv_core.defences import Clip, GaussianNoise, apply_defences
from gradinv_core.errors import RankError
from gradinv_core.images import resize
from gradinv_core.label_recovery import Status
from gradinv_core.metrics import psnr

ROUNDING = 100.0  # dB; beyond, images differ by float32 noise alone


def small_lenet(seed):
    """A LeNet with sigmoids for 16x16 pictures: the same layers, and quick."""
    layers = []
    for channels, stride in ((3, 2), (12, 2), (12, 1)):
        layers += [nn.Conv2d(channels, 12, 5, stride=stride, padding=2), nn.Sigmoid()]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(192, 10, bias=False)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.5, 0.5, generator=generator)
    return model


@pytest.mark.parametrize("head_bias", [False, True])
@pytest.mark.parametrize("norm", [1e-4, 0.01, 1e6])
def test_the_clipped_gradient_becomes_the_honest_one(step, norm, head_bias):
    for network in ("lenet_sigmoid", "lenet_tanh", "fcn_small"):
        one = step(network, 1, head_bias=head_bias)
        sent = one.sent(Clip(norm))
        answer = recover_defended(one.model, sent, [Clip(norm)])
        assert answer.status is Status.UNIQUE
        before = {name: gradient.clone() for name, gradient in sent.items()}
        honest = undo_scale(one.model, sent, answer)
        assert all(torch.equal(sent[name], before[name]) for name in sent)
        for name, gradient in one.gradients.items():
            torch.testing.assert_close(honest[name], gradient, rtol=1e-3, atol=1e-9)
            assert honest[name].dtype == gradient.dtype


def test_the_image_follows_as_if_nothing_had_been_clipped():
    for seed in (0, 1):
        model, image = small_lenet(seed), resize(load_dataset("photographs", 32)[5 * seed][0], 16)
        gradients = capture_gradients(model, image, smooth_label(3, 10, 0.1))
        sent = apply_defences(model, gradients, [Clip(0.1)])
        answer = recover_defended(model, sent, [Clip(0.1)])
        honest = undo_scale(model, sent, answer)

        def quality(given, image=image, model=model, **known):
            recovery = reconstruct_image(model, given, image.shape, method="analytic", **known)
            return min(psnr(recovery.image, image), ROUNDING)

        unclipped = quality(gradients)
        assert unclipped > 60
        assert quality(honest) == pytest.approx(unclipped, abs=3)
        # With label and feature at hand the route takes the gradient's scale for granted.
        assert quality(honest, label=answer.label, feature=answer.feature) == pytest.approx(unclipped, abs=3)
        with pytest.raises(RankError, match="label and feature"):
            quality(sent, label=answer.label, feature=answer.feature)


def test_without_a_certain_answer_the_gradient_stays_as_it_came(step):
    one, defences = step(), [Clip(0.1), GaussianNoise(1e-2)]
    sent = one.sent(*defences)
    answer = recover_defended(one.model, sent, defences)
    assert answer.status is Status.AMBIGUOUS
    kept = undo_scale(one.model, sent, answer)
    assert kept is not sent
    assert all(kept[name] is sent[name] for name in sent)
    plain = undo_scale(one.model, one.gradients, recover_defended(one.model, one.gradients))
    assert all(plain[name] is one.gradients[name] for name in plain)
