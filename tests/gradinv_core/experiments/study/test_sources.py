"""Studies on folders of pictures, on networks of one's own, and on ImageNet's weights."""

import pytest
import torch
from PIL import Image

from gradinv_core.checkpoints import available_stages
from gradinv_core.errors import OptionError, TensorFileError, WeightsUnavailableError
from gradinv_core.experiments import build
from gradinv_core.experiments.scenario import OWN_CLASS, Scenario, from_query, to_query
from gradinv_core.experiments.study import run
from gradinv_core.experiments.study.attack import play_sample
from gradinv_core.experiments.study.plan import core_seconds, plan
from gradinv_core.experiments.study.reading import parse_specification
from gradinv_core.experiments.study.report.words import field_value
from gradinv_core.experiments.study.store import Store
from gradinv_core.experiments.study.workers.local import local_workers
from gradinv_core.networks import build_network
from gradinv_core.trained_file import TrainedFacts, save_trained

LABEL = 'augmentation = "mixup+smoothing"\n'


def samples_of(cells, head='solvers = ["ours", "bias"]\n'):
    return plan(parse_specification(f"{head}[[cells]]\n{LABEL}{cells}", "mine"))


def test_a_folder_of_pictures_is_a_dataset(tmp_path):
    for number, name in enumerate(("apples", "plums", "pears")):
        (tmp_path / "fruit" / name).mkdir(parents=True)
        Image.effect_noise((40, 30), 80 + number).save(tmp_path / "fruit" / name / "1.png")
    (sample,) = samples_of(f'dataset = "folder:{tmp_path}/fruit"\nnetwork = "fcn_small"\nclasses = 10\n')
    assert field_value("dataset", sample.scenario) == "fruit"
    played = play_sample(sample)
    assert played.error == ""
    assert played.outcome["ours"]["right"]
    with pytest.raises(OptionError, match="folder: expected an existing folder with one subfolder per class"):
        samples_of(f'dataset = "folder:{tmp_path}/absent"\n')


@pytest.fixture
def trained(tmp_path):
    path = tmp_path / "mine.safetensors"
    model = build_network("fcn_small", 10, head_bias=True, seed=3)
    save_trained(model, TrainedFacts("fcn_small", 10, True, "digits", "mixup", 2, 0.5), path)
    return path


def test_a_file_of_one_s_own_is_a_stage(trained):
    cells = f'dataset = "digits"\nnetwork = "fcn_small"\nstage = "{trained}"\n'
    (sample,) = samples_of(cells)
    pin = sample.scenario.stage.partition("#")[2]
    assert field_value("stage", sample.scenario) == f"mine ({pin[:8]})"
    assert field_value("classes", sample.scenario) == "as trained"
    assert sample.scenario.target == OWN_CLASS
    withheld, sent = (play_sample(one) for one in samples_of(f"{cells}head_bias = [false, true]\n"))
    assert sent.error == withheld.error == ""
    assert sent.outcome["bias"]["right"]  # it has the bias it was trained with
    assert "bias" not in withheld.outcome
    assert sent.outcome["ours"]["right"]
    assert withheld.outcome["ours"]["right"]
    assert [field_value("head_bias", one.sample.scenario) for one in (sent, withheld)] == ["sent", "not sent"]
    (elsewhere,) = samples_of(cells.replace("digits", "photographs"))
    assert elsewhere.scenario.target != OWN_CLASS  # eight classes that it does not know


def test_a_bias_that_a_network_has_not_cannot_be_sent(tmp_path):
    path = tmp_path / "plain.safetensors"
    save_trained(build_network("fcn_small", 10), TrainedFacts("fcn_small", 10, False, "digits", "hard", 2, 0.5), path)
    with pytest.raises(OptionError, match=r"cells\.head_bias: expected false, because the last layer of .*plain"):
        samples_of(f'dataset = "digits"\nnetwork = "fcn_small"\nstage = "{path}"\nhead_bias = true\n')


def test_other_weights_are_other_samples_and_never_pass_for_the_old_ones(trained):
    cells = f'dataset = "digits"\nnetwork = "fcn_small"\nstage = "{trained}"\n'
    (before,) = samples_of(cells)
    facts = TrainedFacts("fcn_small", 10, False, "digits", "mixup", 3, 0.5)
    save_trained(build_network("fcn_small", 10, seed=4), facts, trained)
    (after,) = samples_of(cells)
    assert before.key("code") != after.key("code")
    assert "expected the weights with hash" in play_sample(before).error
    assert play_sample(after).error == ""
    trained.unlink()
    assert parse_specification(f"[[cells]]\n{cells}", "mine").total == 1  # a report is read without it
    with pytest.raises(TensorFileError, match="expected a trained network's file, found none"):
        samples_of(cells)


def test_what_lies_on_a_disk_does_not_survive_an_address(trained):
    (sample,) = samples_of(f'dataset = "digits"\nnetwork = "fcn_small"\nstage = "{trained}"\n')
    assert from_query(to_query(sample.scenario), available_stages) != (sample.scenario, [])


@pytest.fixture
def imagenet(monkeypatch):
    """ImageNet's weights by a small stand-in: a network with a biased last layer for a thousand classes."""
    stand_in = build_network("fcn_small", 1000, head_bias=True)
    monkeypatch.setattr(build, "load_pretrained", lambda _: stand_in)
    monkeypatch.setattr(build, "IMAGENET_SIZE", 32)


@pytest.mark.usefixtures("imagenet")
def test_a_head_of_imagenet_s_with_its_bias_sent_and_withheld():
    cells = 'dataset = "digits"\nnetwork = "vgg11"\nstage = "imagenet"\nhead_bias = [false, true]\n'
    withheld, sent = (play_sample(sample) for sample in samples_of(cells))
    assert sent.error == withheld.error == ""
    assert [field_value("head_bias", one.sample.scenario) for one in (sent, withheld)] == ["sent", "withheld"]
    assert sent.outcome["bias"]["right"]
    assert "bias" not in withheld.outcome  # whoever needs it cannot be asked
    assert withheld.outcome["ours"]["right"]
    scenario = withheld.sample.scenario
    assert scenario.target < 1000
    assert [field_value(name, scenario) for name in ("network", "stage", "classes")] == ["VGG-11", "ImageNet", "1000"]
    assert core_seconds([withheld.sample]) > 1


@pytest.mark.usefixtures("imagenet")
def test_the_withheld_bias_is_known_and_its_gradient_is_not_sent():
    network = build.build_public_network(Scenario(network="alexnet", stage="imagenet"), 1000)
    assert network.withheld == {"5.bias"}
    assert network.model.get_parameter("5.bias").shape == (1000,)
    assert not build.build_public_network(Scenario(stage="imagenet", head_bias=True), 1000).withheld


def test_without_the_weights_nothing_is_played_and_a_sentence_says_so(monkeypatch, tmp_path):
    def offline(_):
        raise WeightsUnavailableError("weights of resnet18: expected ...")

    monkeypatch.setattr(build, "load_pretrained", offline)
    monkeypatch.setattr(run, "load_pretrained", offline)
    text = '[[cells]]\ndataset = "digits"\nnetwork = "resnet18"\nstage = "imagenet"\n'
    with Store.create(tmp_path, text, "mine", quick=False) as store:
        samples = plan(store.specification)
        with pytest.raises(WeightsUnavailableError, match="weights of resnet18: expected"):
            run.run_study(store, samples, local_workers(1))
        assert not store.keys
    # A worker elsewhere may still be without them.
    assert play_sample(samples[0]).error.startswith("WeightsUnavailableError: weights of resnet18")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('stage = "imagenet"', "cells.network: expected one of resnet18, .* with stage 'imagenet', got none"),
        ('stage = "imagenet"\nnetwork = "fcn4"', "cells.network: got 'fcn4', but it can only be resnet18, resnet50"),
        ('stage = "imagenet"\nnetwork = "vgg11"\nclasses = 10', "expected no classes, head_bias or initialisation"),
        ('stage = ["untrained", "imagenet"]\nnetwork = "alexnet"', "cells.stage of alexnet: expected .*got 'imagenet'"),
    ],
)
def test_one_clear_sentence_for_each_mistake(text, sentence):
    with pytest.raises(OptionError, match=sentence):
        parse_specification(f"[[cells]]\n{text}", "mine")


def test_pictures_through_imagenet_s_networks_are_not_asked_for():
    with pytest.raises(OptionError, match="kind: expected label with stage 'imagenet', got picture"):
        parse_specification('kind = "picture"\n[[cells]]\nnetwork = "vgg11"\nstage = "imagenet"', "mine")


def test_the_global_generator_is_left_alone(trained):
    before = torch.get_rng_state()
    play_sample(samples_of(f'dataset = "digits"\nnetwork = "fcn_small"\nstage = "{trained}"\n')[0])
    assert torch.equal(before, torch.get_rng_state())
