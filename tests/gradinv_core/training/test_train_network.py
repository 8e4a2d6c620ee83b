"""`gradinv train`: what is stopped goes on as if it had not been, and the file it leaves is whole at every moment."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from gradinv_core.cli import main
from gradinv_core.datasets import load_dataset
from gradinv_core.errors import NonFiniteError, OptionError, TensorFileError
from gradinv_core.trained_file import load_trained, read_facts
from gradinv_core.training import LABELS, TrainingPlan, train_network
from gradinv_core.training import pictures as in_memory
from gradinv_core.training.pictures import Pictures, TrainingPictures, open_pictures
from gradinv_core.training.softening import softening
from gradinv_core.training.unfinished import unfinished_file

PLAN = TrainingPlan("fcn_small", labels="mixup", epochs=3, learning_rate=2e-3)


@pytest.fixture(scope="module")
def few():
    """Few enough digits for an epoch to take a blink."""
    opened = open_pictures("digits", 32)
    return TrainingPictures(
        Pictures(opened.training.images[:160], opened.training.targets[:160]),
        Pictures(opened.held_out.images[:80], opened.held_out.targets[:80]),
        10,
    )


def weights(path):
    return torch.cat([tensor.flatten() for tensor in load_file(path).values()])


def test_it_learns_and_the_file_says_what_it_is(few, tmp_path):
    out, before = tmp_path / "new" / "fcn.safetensors", torch.get_rng_state()
    stages = list(train_network(replace(PLAN, epochs=6, head_bias=True), few, out))
    assert torch.equal(before, torch.get_rng_state())
    assert [stage.epoch for stage in stages] == [1, 2, 3, 4, 5, 6]
    best = max(stage.accuracy for stage in stages)
    assert best == stages[-1].best > 0.5
    model, facts = load_trained(str(out))
    assert (facts.network, facts.classes, facts.head_bias, facts.labels) == ("fcn_small", 10, True, "mixup")
    with torch.no_grad():
        right = (model(few.held_out.images / 255).argmax(1) == few.held_out.targets).double().mean()
    assert facts.accuracy == float(right) == best
    assert not unfinished_file(out).exists()


@pytest.mark.parametrize("network", ["fcn_small", "resnet18_half"])  # with batch norm's running statistics
def test_stopped_and_resumed_it_is_the_undisturbed_network(network, few, tmp_path):
    plan, part = replace(PLAN, network=network), replace(few, training=few.training.take(torch.arange(32).numpy()))
    list(train_network(plan, part, tmp_path / "undisturbed.safetensors"))

    def interrupt(epoch, share):
        if epoch == 2 and share > 0.5:
            raise KeyboardInterrupt

    out = tmp_path / "stopped.safetensors"
    with pytest.raises(KeyboardInterrupt):
        list(train_network(plan, part, out, on_step=interrupt))
    assert read_facts(str(out)).epoch == 1  # the best so far is there
    assert [stage.epoch for stage in train_network(plan, part, out)] == [2, 3]
    assert torch.equal(weights(tmp_path / "undisturbed.safetensors"), weights(out))


def test_what_was_begun_with_other_settings_is_not_gone_on_with(few, tmp_path):
    out = tmp_path / "fcn.safetensors"
    next(train_network(PLAN, few, out))
    with pytest.raises(OptionError, match=r"out: expected the settings that fcn\.unfinished was begun with, .*got"):
        next(train_network(replace(PLAN, seed=1), few, out))
    unfinished_file(out).write_bytes(b"nonsense")
    with pytest.raises(TensorFileError, match=r"fcn\.unfinished: expected an unfinished training, got something else"):
        next(train_network(PLAN, few, out))


def test_weights_that_overflow_end_it_in_a_sentence(few, tmp_path):
    plan = replace(PLAN, network="lenet_relu", learning_rate=1e30)
    with pytest.raises(NonFiniteError, match=r"loss: expected a finite number, got nan in epoch 1; take a smaller"):
        next(train_network(plan, few, tmp_path / "lenet.safetensors"))


@pytest.mark.parametrize("labels", LABELS)
def test_labels_are_softened_as_they_are_called(labels, few):
    plan = TrainingPlan("fcn_small", "digits", labels)
    soften = softening(plan, 10)
    with torch.random.fork_rng():
        images, soft = soften(few.training.images[:8], few.training.targets[:8])
    assert images.dtype == soft.dtype == torch.float32
    torch.testing.assert_close(soft.sum(1), torch.ones(8))
    hard = torch.equal(soft, torch.nn.functional.one_hot(few.training.targets[:8], 10).float())
    assert hard is not plan.mixes
    plain = torch.allclose(images, few.training.images[:8] / 255)  # digits are not moved or mirrored
    assert plain is not plan.mixes
    assert plan.smoothing == (0.1 if "smoothing" in labels else 0.0)


def test_photographs_are_moved_and_mirrored_each_its_own_way(few):
    soften = softening(TrainingPlan("fcn_small", "photographs", "hard"), 10)
    images = few.training.images[:1].repeat(4, 1, 1, 1)
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        moved, _ = soften(images, few.training.targets[:4])
    assert len({tuple(one.flatten().tolist()) for one in moved}) > 1


def test_a_fifth_is_held_out_where_there_are_no_test_pictures():
    opened = open_pictures("digits", 8)
    assert (len(opened.training), len(opened.held_out), opened.classes) == (1438, 359, 10)
    everything = torch.cat([opened.training.images, opened.held_out.images]).sum((1, 2, 3))
    expected = [int(image.mul(255).round().sum()) for image, _ in load_dataset("digits", 8)]
    assert sorted(everything.tolist()) == sorted(expected)


def test_benchmarks_are_trained_on_their_own_part_and_tested_on_the_other(monkeypatch):
    asked = []

    def opened(name, size, *_, training):
        asked.append((name, training))
        return load_dataset("photographs", size)

    monkeypatch.setattr(in_memory, "load_dataset", opened)
    assert open_pictures("mnist", 8).classes == 8
    assert asked == [("mnist", True), ("mnist", False)]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("network", "vgg", "network: expected one of fcn4, .*, got 'vgg'"),
        ("labels", "soft", r"labels: expected one of hard, smoothing, mixup, mixup\+smoothing, got 'soft'"),
        ("epochs", 0, "epochs: expected a whole number from 1 to 10000, got 0"),
        ("batch_size", 1, "batch_size: expected a whole number from 2 to 65536, got 1"),
        ("seed", -1, "seed: expected a whole number from 0 to"),
        ("epsilon", float("nan"), r"epsilon: expected a number in \[0, 1\], got nan"),
        ("alpha", 0.0, "alpha: expected a number above 0, got 0.0"),
        ("learning_rate", float("inf"), "learning_rate: expected a number above 0, got inf"),
    ],
)
def test_one_clear_sentence_for_each_mistake(field, value, sentence):
    with pytest.raises(OptionError, match=sentence):
        replace(PLAN, **{field: value})


def test_the_command_trains_stops_and_refuses_to_overwrite(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(in_memory, "open_pictures", lambda *_: few)
    command = ["train", "fcn_small", "--epochs", "2", "--labels", "mixup", "--out", str(tmp_path / "fcn.safetensors")]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "160 pictures to learn from, 80 held out, 10 classes, 2 epochs" in said
    assert "epoch 2:" in said
    assert f'stage = "{tmp_path / "fcn.safetensors"}"' in said
    assert main(command) == 2
    assert "which is finished; choose another" in capsys.readouterr().err
    assert main([*command[:-1], str(tmp_path / "fcn.pt")]) == 2
    assert "out: expected a file that ends in .safetensors" in capsys.readouterr().err

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(in_memory, "open_pictures", stopped)
    assert main([*command[:-1], str(tmp_path / "other.safetensors")]) == 130
    assert "Stopped before the first epoch was through; nothing is written." in capsys.readouterr().out
