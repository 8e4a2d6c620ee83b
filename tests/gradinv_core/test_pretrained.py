"""torchvision's weights, from files in its own format that the test makes: tensors are read, and no code is run."""

import os
from collections import OrderedDict
from urllib.error import URLError

import pytest
import torch
from torch import nn
from torchvision import models

from gradinv_core.errors import OptionError, WeightsUnavailableError
from gradinv_core.head import find_head
from gradinv_core.pretrained import IMAGENET_CLASSES, PRETRAINED, load_pretrained


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where PyTorch keeps such files; and no network."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def no_network(*_, **__):
        raise URLError("[Errno -3] Temporary failure in name resolution")

    monkeypatch.setattr("torch.hub.urlopen", no_network)
    (tmp_path / "checkpoints").mkdir()

    def file_of(name):
        return tmp_path / "checkpoints" / models.get_model_weights(name).DEFAULT.url.rpartition("/")[2]

    return file_of


def drawn_state(name):
    """A state dict of the network's names and shapes, as the older of the published files hold it: without the counters
    that batch norm has by now, and without PyTorch's notes on versions."""
    with torch.device("meta"):
        planned = models.get_model(name, weights=None).state_dict()
    generator = torch.Generator().manual_seed(0)
    return OrderedDict(
        (key, torch.rand(tensor.shape, generator=generator) / 100)
        for key, tensor in planned.items()
        if not key.endswith("num_batches_tracked")
    )


@pytest.mark.parametrize("modern", [True, False])
def test_a_file_in_torchvision_s_format_is_the_network_with_its_biased_head(place, modern):
    state = drawn_state("resnet18")
    torch.save(state, place("resnet18"), _use_new_zipfile_serialization=modern)
    before = torch.get_rng_state()
    model = load_pretrained("resnet18")
    assert torch.equal(before, torch.get_rng_state())
    assert not model.training
    head = model.get_submodule(find_head(model))
    assert isinstance(head, nn.Linear)
    assert torch.equal(head.bias, state["fc.bias"])
    assert head.out_features == IMAGENET_CLASSES
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    fed = (picture - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    with torch.no_grad():
        torch.testing.assert_close(model(picture), model[1](fed))


def test_every_network_is_one_of_torchvision_s_with_weights_for_a_thousand_classes():
    for name in PRETRAINED:
        weights = models.get_model_weights(name).DEFAULT
        assert len(weights.meta["categories"]) == IMAGENET_CLASSES
        assert weights.transforms().crop_size == [224]
        assert weights.transforms().mean == [0.485, 0.456, 0.406]
        assert weights.transforms().std == [0.229, 0.224, 0.225]


def test_offline_it_is_one_sentence(place):
    with pytest.raises(
        WeightsUnavailableError, match=r"weights of vit_b_16: expected .* got neither \(.*resolution"
    ) as e:
        load_pretrained("vit_b_16")
    assert "\n" not in str(e.value)
    assert not place("vit_b_16").exists()


class Hostile:
    """A pickle that would make a folder when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_such_a_file_is_never_run(place, tmp_path):
    torch.save({"fc.bias": Hostile(tmp_path / "was here")}, place("resnet18"))
    with pytest.raises(WeightsUnavailableError, match="weights of resnet18: expected torchvision's file"):
        load_pretrained("resnet18")
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_another_file_in_their_place_is_said(content, place):
    if content is None:
        torch.save({"fc.bias": torch.zeros(3)}, place("alexnet"))
    else:
        place("alexnet").write_bytes(content)
    with pytest.raises(WeightsUnavailableError, match="weights of alexnet: expected torchvision's file alexnet-owt"):
        load_pretrained("alexnet")


def test_a_network_without_such_weights_is_said():
    with pytest.raises(OptionError, match=r"network: expected one of resnet18, .* with stage 'imagenet', got 'fcn4'"):
        load_pretrained("fcn4")
