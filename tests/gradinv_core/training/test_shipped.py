"""Training what ships: deterministic, with any augmentation, on a split that never mixes learning and testing."""

from pathlib import Path

import pytest
import torch

from gradinv_core.augmentation import AUGMENTATIONS, Augmentation
from gradinv_core.datasets import load_dataset
from gradinv_core.errors import OptionError
from gradinv_core.training import Recipe, Split, accuracy, digits_split, shipped, train


@pytest.fixture(scope="module")
def whole() -> tuple[Split, Split]:
    """All digits at the size that networks take."""
    return digits_split(32)


@pytest.fixture(scope="module")
def small(whole: tuple[Split, Split]) -> tuple[Split, Split]:
    """Few enough samples for an epoch to take a blink."""
    learn, test = whole
    return Split(learn.images[:200], learn.targets[:200]), Split(test.images[:100], test.targets[:100])


def test_the_split_is_fixed_complete_and_disjoint() -> None:
    learn, test = digits_split(8)
    again, _ = digits_split(8)
    assert torch.equal(learn.images, again.images)
    assert (len(learn.targets), len(test.targets)) == (1438, 359)
    assert learn.targets.dtype == torch.int64
    everything = torch.cat([learn.images, test.images])
    assert sorted(everything.sum((1, 2, 3)).tolist()) == sorted(
        image.sum().item() for image, _ in load_dataset("digits", 8)
    )
    assert set(test.targets.tolist()) == set(range(10))


def test_a_fully_connected_network_learns_the_digits_in_an_epoch(whole: tuple[Split, Split]) -> None:
    *_, (model, stage) = train(Recipe("hard", "fcn_small", stages=(1,), learning_rate=1e-3), *whole)
    assert stage.accuracy is not None
    assert stage.accuracy > 0.8
    assert stage.name == "hard-epoch-1"
    assert not model.training


def test_the_same_recipe_gives_the_same_network(small: tuple[Split, Split]) -> None:
    def weights(seed: int) -> torch.Tensor:
        *_, (model, _) = train(Recipe("mixup", "fcn_small", Augmentation("mixup"), stages=(2,), seed=seed), *small)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_training_leaves_the_global_random_state_alone(small: tuple[Split, Split]) -> None:
    before = torch.get_rng_state()
    list(train(Recipe("mixup", "fcn_small", Augmentation("cutmix"), stages=(1,)), *small))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("kind", [kind for kind in AUGMENTATIONS if kind != "custom"])
def test_every_augmentation_can_be_trained_with(kind: str, small: tuple[Split, Split]) -> None:
    recipe = Recipe(kind, "fcn_small", Augmentation(kind), stages=(1, 4), learning_rate=3e-3)
    stages = [stage for _, stage in train(recipe, *small)]
    assert [stage.epoch for stage in stages] == [1, 2, 3, 4]
    assert stages[-1].accuracy is not None
    assert stages[-1].accuracy > 0.5


def test_accuracy_counts_the_right_answers() -> None:
    images = torch.eye(3)[:, :, None, None].expand(3, 3, 1, 1)
    assert accuracy(torch.nn.Flatten(), Split(images, torch.tensor([0, 1, 1]))) == pytest.approx(2 / 3)


def test_a_custom_label_makes_no_sense_for_a_whole_dataset(small: tuple[Split, Split]) -> None:
    recipe = Recipe("custom", "fcn_small", Augmentation("custom", custom=(0.5, 0.5)))
    with pytest.raises(
        OptionError, match="training: expected an augmentation that follows the sample's class, got a cus"
    ):
        next(train(recipe, *small))


@pytest.mark.parametrize("stages", [(), (0, 3)])
def test_at_least_one_epoch(stages: tuple[int, ...], small: tuple[Split, Split]) -> None:
    with pytest.raises(OptionError, match="training: expected at least one epoch to stop at, got stages"):
        next(train(Recipe("hard", "fcn_small", stages=stages), *small))


def test_the_command_writes_the_stages_asked_for(
    tmp_path: Path,
    small: tuple[Split, Split],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shipped, "RECIPES", (Recipe("hard", "fcn_small", stages=(1, 3)), Recipe("hard", "lenet_relu")))
    monkeypatch.setattr(shipped, "digits_split", lambda _: small)
    shipped.main(["--folder", str(tmp_path), "--network", "fcn_small"])
    names = [f"fcn_small-digits-hard-epoch-{epoch}.safetensors" for epoch in (1, 3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == names
    assert all(line.endswith(" %") for line in lines)
