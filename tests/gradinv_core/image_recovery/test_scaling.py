"""Through bias-free layers and ReLU, the rebuilt picture is proportional to lambda: rebuilt here with a wrong one."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import play
from gradinv_core.experiments.server.attack import attack_image, attack_label
from gradinv_core.image_recovery.scaling import scales_with_lambda


@pytest.mark.parametrize("scenario", [Scenario(), Scenario(head_bias=True), Scenario(augmentation="mixup", image=3)])
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_another_lambda_is_another_brightness(scenario, factor):
    scene = play(scenario)
    assert scales_with_lambda(scene.network.model)
    attack = attack_label(scene.network, scene.gradients)
    found, head = attack.recovery, attack.head
    scale = factor * found.scale
    label = torch.softmax(scale * torch.as_tensor(head.products[0]) + torch.as_tensor(head.bias), 0)
    label = label - torch.as_tensor(head.ratios[0]) / scale
    wrong = replace(found, scale=scale, label=label, feature=factor * found.feature, intervals=((scale, scale),))
    right_picture = attack_image(scene.network, attack.gradients, found).image
    wrong_picture = attack_image(scene.network, attack.gradients, wrong).image
    assert torch.allclose(wrong_picture, factor * right_picture, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("layers", "scales"),
    [
        ((nn.Flatten(), nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2)), True),
        ((nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), False),  # a hidden bias tells its own delta
        ((nn.Flatten(), nn.Linear(4, 3, bias=False), nn.Sigmoid(), nn.Linear(3, 2)), False),
        ((nn.Flatten(), nn.Linear(4, 2), nn.ReLU()), False),
    ],
)
def test_which_networks_do(layers, scales):
    assert scales_with_lambda(nn.Sequential(*layers)) is scales


def test_a_network_that_is_no_chain_does_not_count():
    assert not scales_with_lambda(nn.Linear(4, 2))
    assert not scales_with_lambda(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten(), nn.Linear(4, 2)))
