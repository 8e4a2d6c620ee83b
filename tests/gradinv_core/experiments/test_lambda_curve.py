"""The curve calls valid what the solvers call valid, and the range of labels holds every label that fits."""

import numpy as np
import pytest
import torch

from gradinv_core.experiments.client.training_step import ClientStep
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import play
from gradinv_core.experiments.server.attack import LabelAttack, attack_label
from gradinv_core.head.consistency import SIMPLEX_SIGMAS, fit
from gradinv_core.label_recovery import Status


def attack(**changes) -> tuple[ClientStep, LabelAttack]:
    scene = play(Scenario(**changes))
    return scene.client, attack_label(scene.network, scene.gradients)


def test_the_far_ends_mean_no_valid_label():
    _, solved = attack()
    curve = solved.curve
    assert not curve.feasible[np.abs(curve.scales) > 1e5].any()
    assert curve.feasible[np.searchsorted(curve.scales, solved.recovery.scale)]


def test_the_curve_judges_as_the_solvers_do():
    _, solved = attack(augmentation="mixup", epsilon=0.2)
    outside = fit(solved.head, solved.curve.scales[None], None).outside[0]
    np.testing.assert_array_equal(solved.curve.feasible, outside <= SIMPLEX_SIGMAS)
    # Mixup's zeros lie on the very edge of the simplex: rounding must not turn the answer into "no valid label".
    assert solved.curve.feasible[np.searchsorted(solved.curve.scales, solved.recovery.scale)]


def test_one_lambda_means_one_label():
    client, solved = attack()
    assert solved.recovery.status is Status.UNIQUE
    np.testing.assert_allclose(solved.allowed.low, client.sample.label, atol=1e-5)
    np.testing.assert_allclose(solved.allowed.high, client.sample.label, atol=1e-5)


def test_many_lambdas_allow_many_labels_the_true_one_among_them():
    client, solved = attack(augmentation="custom", shares="0.1, 0.15, 0.1, 0.1, 0.3, 0.05, 0.1, 0.1")
    assert solved.recovery.status is Status.AMBIGUOUS
    truth, allowed = client.sample.label.numpy(), solved.allowed
    assert (allowed.low - 1e-3 <= truth).all()
    assert (truth <= allowed.high + 1e-3).all()
    assert (allowed.high - allowed.low).max() > 0.1
    assert allowed.low.min() >= 0
    assert allowed.high.max() <= 1


@pytest.mark.parametrize("kind", ["mixup", "cutmix", "mixup+smoothing"])
def test_a_mixture_knows_its_parts(kind):
    client, _ = attack(augmentation=kind, ratio=0.7, partner=8)  # both of class 0
    assert client.share == pytest.approx(0.7, abs=0.02)
    assert (client.target, client.partner_target) == (0, 0)
    if kind != "cutmix":
        blend = client.share * client.original + (1 - client.share) * client.partner
        torch.testing.assert_close(client.sample.image, blend)
    else:
        kept = (client.sample.image == client.original).all(0).float().mean()
        assert kept == pytest.approx(client.share, abs=0.01)
