"""Links that were sent around before the house was rebuilt still open what they opened then."""

from urllib.parse import parse_qsl

import pytest

from dashboard.address.search_settings import SearchSettings
from dashboard.address.sweep_settings import SweepSettings
from gradinv_core.checkpoints import available_stages
from gradinv_core.experiments.scenario import Scenario, from_query
from gradinv_core.experiments.settings import read_settings

LINKS = {
    "": Scenario(),
    "label=mixup%2Bsmoothing&ratio=0.8&v=1": Scenario(augmentation="mixup+smoothing", ratio=0.8),
    "dataset=digits&image=32&network=lenet_sigmoid&samples=2&v=1": Scenario(
        dataset="digits", image=32, network="lenet_sigmoid", samples=2
    ),
    "dataset=digits&network=lenet_sigmoid&stage=hard-epoch-160&v=1": Scenario(
        dataset="digits", network="lenet_sigmoid", stage="hard-epoch-160"
    ),
    "network=lenet_sigmoid&label=custom&shares=0.3%2C+0.2%2C+0.15%2C+0.1%2C+0.1%2C+0.08%2C+0.04%2C+0.03&v=1": Scenario(
        network="lenet_sigmoid", augmentation="custom", shares="0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.04, 0.03"
    ),
    "network=resnet18&norm=training&classes=100&bias=yes&init=uniform&seed=7&v=1": Scenario(
        network="resnet18", batch_norm="training", classes=100, head_bias=True, initialisation="uniform", seed=7
    ),
    "network=lenet_tanh&image=3&gain=30&sharpness=3&class=2&partner=9&epsilon=0.25&v=1": Scenario(
        network="lenet_tanh", image=3, gain=30.0, sharpness=3.0, target=2, partner=9, epsilon=0.25
    ),
    "defences=clip%3A1%7Egaussian%3A0.01%7Eperturb+feature%3A0.1&aware=yes&v=1": Scenario(
        defences="clip:1~gaussian:0.01~perturb feature:0.1", aware=True
    ),
    "label=cutmix&photo=yes&bounds=no&v=1": Scenario(augmentation="cutmix", own_photo=True, bounded=False),
    "label=none&dataset=cifar10&v=1": Scenario(augmentation="none", dataset="cifar10"),
}
SEARCHES = {
    "matchlabel=true&optimizer=lbfgs&distance=l2&iterations=50&smoothness=0.1&start=exact&run=one&v=1": SearchSettings(
        "true", "lbfgs", "l2", 50, 0.1, "exact", "one"
    ),
    "run=comparison&v=1": SearchSettings(run="comparison"),
}
SWEEPS = {
    "sweep=clip&repeats=20&sweep_picture=yes&run_sweep=yes&v=1": SweepSettings("clip", 20, True, "yes"),
    "sweep=stage&repeats=3&v=1": SweepSettings("stage", 3),
}


def query(link: str) -> dict[str, str]:
    return dict(parse_qsl(link))


@pytest.mark.parametrize("link", LINKS)
def test_an_old_link_opens_its_scenario(link):
    assert from_query(query(link), available_stages) == (LINKS[link], [])


@pytest.mark.parametrize("link", SEARCHES)
def test_an_old_link_starts_its_search(link):
    assert read_settings(query(link), SearchSettings) == (SEARCHES[link], [])


@pytest.mark.parametrize("link", SWEEPS)
def test_an_old_link_starts_its_sweep(link):
    assert read_settings(query(link), SweepSettings) == (SWEEPS[link], [])
