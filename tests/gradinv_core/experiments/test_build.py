"""Which settings make the network: forgetting to declare one would hand a visitor another one's network."""

from dataclasses import replace

import pytest
import torch

from gradinv_core.experiments.build import build_public_network
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import classes_of
from gradinv_core.experiments.settings import settings_of

OTHER = {
    "dataset": "digits",
    "image": 5,
    "own_photo": True,
    "network": "lenet_sigmoid",
    "classes": 3,
    "head_bias": True,
    "initialisation": "uniform",
    "stage": "hard-epoch-5",
    "augmentation": "mixup",
    "epsilon": 0.3,
    "ratio": 0.8,
    "partner": 7,
    "target": 2,
    "shares": "1",
    "seed": 9,
    "sharpness": 3.0,
    "gain": 3.0,
    "samples": 3,
    "batch_norm": "training",
    "defences": "clip:1",
    "aware": True,
    "bounded": False,
}
START = Scenario(network="fcn_small", classes=10)


def weights(scenario: Scenario) -> dict[str, torch.Tensor]:
    return build_public_network(scenario, scenario.classes or classes_of(scenario)).model.state_dict()


@pytest.mark.parametrize("field", settings_of(Scenario))
def test_a_setting_changes_the_network_exactly_if_it_is_declared_so(field):
    """A new field needs another value here, or this fails."""
    before, after = weights(START), weights(replace(START, **{field: OTHER[field]}))
    same = before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert same is not settings_of(Scenario)[field].makes_network


@pytest.mark.parametrize("field", settings_of(Scenario))
def test_the_public_part_makes_the_same_network(field):
    scenario = replace(START, **{field: OTHER[field]})
    played, public = weights(scenario), weights(scenario.public)
    assert played.keys() == public.keys()
    assert all(torch.equal(played[name], public[name]) for name in played)


def test_the_client_s_settings_are_not_public():
    secret = {name: OTHER[name] for name, part in settings_of(Scenario).items() if not part.makes_network}
    assert replace(START, **secret).public == START.public


def test_trained_weights_do_not_depend_on_the_seed():
    trained = replace(START, stage="hard-epoch-5")
    assert replace(trained, seed=4).public == trained.public
