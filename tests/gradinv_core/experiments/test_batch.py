"""Several pictures in one step, from the client to a judged point of a sweep."""

from dataclasses import replace

import numpy as np
import torch

from gradinv_core.experiments.client.pairing import batch_samples, pair_up
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import play
from gradinv_core.experiments.server.batch import attack_batch
from gradinv_core.experiments.server.batch_curves import batch_curves
from gradinv_core.experiments.sweep.batch import judge_samples
from gradinv_core.experiments.sweep.run import FAILED, Sweep, SweepPoint, play_point, run_sweep


def point(scenario, picture=False):
    return play_point(Sweep((scenario,), 1, picture), scenario, 0, 0)


def test_a_sweep_counts_a_batch_as_right_where_every_sample_is():
    found = point(Scenario(network="fcn_small", samples=3), picture=True)
    assert (found.status, found.top_1, found.recognised) == ("unique", True, True)
    assert found.label_error < 1e-4
    assert found.psnr > 80


def test_a_sweep_that_is_stopped_inside_a_batch_leaves_the_point_out():
    scenario, asked = Scenario(network="fcn_small", samples=3), []
    stop = lambda: asked.append(None) is None and len(asked) > 1  # noqa: E731 - once before, then in the middle
    seen = []
    assert run_sweep(Sweep((scenario,), 1, True), seen.append, stop) == 0
    assert not seen
    assert len(asked) > 1


def test_each_sample_of_a_batch_is_judged_by_itself():
    scenario = Scenario(network="fcn_small", samples=3)
    scene = play(scenario)
    attack = attack_batch(scene.network, scene.gradients)
    judged = judge_samples(SweepPoint(0, 0, scenario), scene, attack)
    assert [one.status for one in judged] == ["unique"] * 3
    assert all(one.label_error < 1e-4 and one.psnr > 80 for one in judged)
    fewer = replace(attack.recovery, answers=attack.recovery.answers[:2])
    judged = judge_samples(SweepPoint(0, 0, scenario), scene, replace(attack, recovery=fewer, pictures=None))
    assert sorted(one.status for one in judged) == [FAILED, "unique", "unique"]


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
