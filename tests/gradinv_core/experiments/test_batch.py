"""Several pictures in one step, from the client to a judged point of a sweep."""

import numpy as np
import torch

from gradinv_core.experiments.client.pairing import batch_samples, pair_up
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import play
from gradinv_core.experiments.server.batch import attack_batch
from gradinv_core.experiments.server.batch_curves import batch_curves
from gradinv_core.experiments.sweep.run import FAILED, Sweep, play_point


def point(scenario, picture=False):
    return play_point(Sweep((scenario,), 1, picture), scenario, 0, 0)


def test_a_sweep_counts_a_batch_as_right_where_every_sample_is():
    found = point(Scenario(network="fcn_small", samples=3), picture=True)
    assert (found.status, found.top_1, found.recognised) == ("unique", True, True)
    assert found.label_error < 1e-4
    assert found.psnr > 80


def test_a_batch_that_stays_together_says_why():
    found = point(Scenario(network="fcn_small", samples=8))
    assert found.status == FAILED
    assert "the most that a head with 8 classes can show" in found.message


def test_each_answer_is_paired_with_its_own_sample_whatever_their_order():
    scene = play(Scenario(network="fcn_small", samples=3))
    attack = attack_batch(scene.network, scene.gradients)
    labels, images = batch_samples(scene.client)
    order = [2, 0, 1]
    assert pair_up(scene.client, labels[order], images[order]) == [1, 2, 0]
    pairs = pair_up(scene.client, attack.recovery.labels, attack.images)
    assert torch.allclose(attack.recovery.labels[pairs], labels, atol=1e-4)
    assert pair_up(scene.client, labels[:2], None) == [0, 1, None]


def test_every_settled_sample_has_a_curve_that_dips_where_its_lambda_is():
    scene = play(Scenario(network="fcn_small", samples=3))
    answers = attack_batch(scene.network, scene.gradients, pictures=False).recovery
    curves = batch_curves(scene.network, answers)
    assert len(curves) == 3
    for curve, answer in zip(curves, answers, strict=True):
        assert np.isclose(curve.scales[curve.scale_free_loss.argmin()], answer.scale, rtol=1e-3)
