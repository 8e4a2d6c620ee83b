"""A trained network's file: named by its path or from a folder of one's own, pinned by its hash, never unpickled."""

import pytest
import torch
from safetensors.torch import save_file

from gradinv_core.checkpoints import (
    available_stages,
    describe_stage,
    load_checkpoint,
    shipped_stages,
    stage_classes,
    stage_has_bias,
)
from gradinv_core.errors import OptionError, TensorFileError
from gradinv_core.networks import build_network
from gradinv_core.trained_file import TrainedFacts, is_trained_file, load_trained, pinned, read_facts, save_trained

FACTS = TrainedFacts("fcn_small", 17, True, "cifar10", "mixup", 12, 0.8125)


@pytest.fixture
def trained(tmp_path):
    path = tmp_path / "mine.safetensors"
    model = build_network("fcn_small", 17, head_bias=True, seed=3)
    save_trained(model, FACTS, path)
    return path, model


def test_what_is_saved_comes_back(trained):
    path, model = trained
    assert read_facts(str(path)) == FACTS
    for name in (str(path), pinned(str(path))):
        loaded, facts = load_trained(name)
        assert facts == FACTS
        assert not loaded.training
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))
    assert list(path.parent.iterdir()) == [path]  # nothing half written beside it


def test_a_pin_notices_other_weights_under_the_same_name(trained):
    path, _ = trained
    name = pinned(str(path))
    assert is_trained_file(name)
    assert is_trained_file(str(path))
    assert not is_trained_file("mixup-epoch-40")
    assert pinned(name) == name
    save_trained(build_network("fcn_small", 17, head_bias=True, seed=4), FACTS, path)
    for call in (pinned, load_trained):
        with pytest.raises(TensorFileError, match=r"expected the weights with hash \w{16}, got those with \w{16}"):
            call(name)


def test_what_is_no_trained_network_is_said(trained, tmp_path):
    with pytest.raises(TensorFileError, match=r"absent\.safetensors: expected a trained network's file, found none"):
        read_facts(str(tmp_path / "absent.safetensors"))
    other = tmp_path / "other.safetensors"
    for write in (lambda: other.write_bytes(b"nonsense"), lambda: save_file({"a": torch.zeros(2)}, other)):
        write()
        with pytest.raises(TensorFileError, match=r"other\.safetensors: expected a network that gradinv train wrote"):
            read_facts(str(other))
    save_trained(trained[1], TrainedFacts("fcn_small", 9, True, "digits", "hard", 1, 0.5), other)
    with pytest.raises(TensorFileError, match="expected the weights of fcn_small with 9 classes, got something else"):
        load_trained(str(other))
    with pytest.raises(OptionError, match="out: expected a file to write, got"):
        save_trained(trained[1], FACTS, trained[0] / "below" / "a-file.safetensors")


def test_a_path_is_a_stage_of_its_own_network_alone(trained):
    path, model = trained
    assert stage_classes("fcn_small", str(path)) == 17
    assert torch.equal(
        load_checkpoint("fcn_small", str(path)).get_parameter("1.weight"), model.get_parameter("1.weight")
    )
    with pytest.raises(
        OptionError, match=r"stage of lenet_tanh: expected .*mine\.safetensors, which holds fcn_small's"
    ):
        load_checkpoint("lenet_tanh", str(path))


def test_a_folder_of_one_s_own_adds_stages_by_name(trained, monkeypatch):
    path, _ = trained
    assert "mine" not in available_stages("fcn_small")
    (path.parent / "somebody-else's.safetensors").write_bytes(b"nonsense")
    monkeypatch.setenv("GRADINV_CHECKPOINTS", str(path.parent))
    (path.parent / "imagenet.safetensors").write_bytes(path.read_bytes())  # a word that means something else
    assert available_stages("fcn_small") == (*shipped_stages("fcn_small"), "mine")  # studies go by paths
    assert "mine" not in available_stages("lenet_tanh")
    assert stage_classes("fcn_small", "mine") == 17
    assert stage_classes("fcn_small", "hard-epoch-5") == 10
    assert [stage_has_bias("fcn_small", stage) for stage in ("mine", "hard-epoch-5", "untrained")] == [
        True,
        False,
        False,
    ]
    assert describe_stage("fcn_small", "mine").title == "Mixup labels, epoch 12, 81.2 % right, trained on cifar10"
    assert load_checkpoint("fcn_small", "mine").get_parameter("5.bias").shape == (17,)
