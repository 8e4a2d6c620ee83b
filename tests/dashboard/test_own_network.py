"""A network that ``gradinv train`` wrote is a stage on the page's menu, where its folder was named to the server."""

import pytest

from dashboard import cache
from gradinv_core.networks import build_network
from gradinv_core.trained_file import TrainedFacts, save_trained


@pytest.fixture
def own_network(tmp_path, monkeypatch):
    model = build_network("fcn_small", 17, head_bias=True, seed=3)
    facts = TrainedFacts("fcn_small", 17, True, "cifar10", "mixup", 12, 0.8125)
    save_trained(model, facts, tmp_path / "mine.safetensors")
    monkeypatch.setenv("GRADINV_CHECKPOINTS", str(tmp_path))
    for kept in (cache.network_stages, cache.stage_title, cache.stage_with_bias):
        kept.clear()
    yield
    cache.network_stages.clear()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.usefixtures("own_network")
def test_the_lab_attacks_a_network_of_one_s_own_with_its_bias_sent_and_withheld(lab, rebuilt, numbers, bias):
    page = rebuilt(lab(network="fcn_small", stage="mine", bias="yes" if bias else "no"))
    (menu,) = [one for one in page.selectbox if one.key == "scenario_stage"]
    assert menu.value == "mine"
    assert menu.options[-1] == "Mixup labels, epoch 12, 81.2 % right, trained on cifar10"
    (switch,) = [one for one in page.toggle if one.key == "scenario_head_bias"]
    assert (switch.value, switch.disabled) == (bias, False)
    assert not page.warning
    assert float(numbers(page)["PSNR"].split()[0]) > 100
