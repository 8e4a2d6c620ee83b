"""The checkpoints that ship: they exist, they are small, they are as good as they say."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gradinv_core import checkpoints
from gradinv_core.checkpoints import Stage, available_stages, describe_stage, load_checkpoint, save_checkpoint
from gradinv_core.errors import OptionError, TensorFileError
from gradinv_core.networks import NETWORKS, build_network
from gradinv_core.training import RECIPES, Split, accuracy, digits_split

SHIPPED = [(network, stage) for network in NETWORKS for stage in available_stages(network)[1:]]


@pytest.fixture(scope="module")
def held_out() -> Split:
    """The digits that no shipped network has learned from."""
    return digits_split(32)[1]


def test_every_recipe_left_its_stages() -> None:
    for recipe in RECIPES:
        expected = {f"{recipe.name}-epoch-{epoch}" for epoch in recipe.stages}
        assert len(expected) >= 3 or recipe.halved  # larger files
        assert expected <= set(available_stages(recipe.network))
    assert {recipe.name for recipe in RECIPES if recipe.network == "lenet_sigmoid"} == {"hard", "smoothing", "mixup"}


def test_stages_come_in_teaching_order() -> None:
    assert available_stages("lenet_sigmoid") == (
        "untrained",
        *("hard-epoch-5", "hard-epoch-10", "hard-epoch-40", "hard-epoch-160"),
        *("smoothing-epoch-10", "smoothing-epoch-20", "smoothing-epoch-40"),
        *("mixup-epoch-20", "mixup-epoch-40", "mixup-epoch-80"),
    )
    assert available_stages("resnet18") == ("untrained",)


@pytest.mark.parametrize(("network", "stage"), SHIPPED)
def test_the_noted_accuracy_is_the_measured_one(network: str, stage: str, held_out: Split) -> None:
    noted = describe_stage(network, stage).accuracy
    # Other processors round differently, which can turn a borderline digit or two out of 359.
    assert accuracy(load_checkpoint(network, stage), held_out) == pytest.approx(noted, abs=0.006)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: f"{recipe.network}-{recipe.name}")
def test_the_last_stage_is_right_98_times_in_100(recipe) -> None:  # type: ignore[no-untyped-def]
    accuracy_ = describe_stage(recipe.network, f"{recipe.name}-epoch-{recipe.stages[-1]}").accuracy
    assert accuracy_ is not None
    assert accuracy_ >= 0.98


def test_all_checkpoints_together_stay_below_twelve_megabytes() -> None:
    files = [path for folder in checkpoints._FOLDERS for path in folder.glob("*.safetensors")]
    assert 0 < sum(path.stat().st_size for path in files) < 12_000_000


def test_a_network_stored_in_half_precision_has_exactly_the_stored_weights() -> None:
    for recipe in RECIPES:
        if recipe.halved:
            model = load_checkpoint(recipe.network, f"{recipe.name}-epoch-{recipe.stages[-1]}")
            assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
            assert all(torch.equal(parameter, parameter.half().float()) for parameter in model.parameters())


def test_untrained_is_the_network_of_seed_zero() -> None:
    model, expected = load_checkpoint("lenet_sigmoid", "untrained"), build_network("lenet_sigmoid", 10, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), expected.parameters(), strict=True))
    assert describe_stage("lenet_sigmoid", "untrained").title == "Untrained"


def test_a_loaded_network_is_ready_and_private() -> None:
    first, second = (load_checkpoint("lenet_sigmoid", "hard-epoch-40") for _ in range(2))
    assert not first.training
    with torch.no_grad():
        first.get_parameter("7.weight").zero_()
    assert bool(second.get_parameter("7.weight").any())


def test_titles_are_for_people() -> None:
    assert Stage("smoothing-epoch-40", "smoothing", 40, 0.9833).title == "Smoothing labels, epoch 40, 98.3 % right"


def test_saving_and_loading_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_network("lenet_tanh", 10, seed=5)
    path = save_checkpoint(model, "lenet_tanh", Stage("mixup-epoch-3", "mixup", 3, 0.5), tmp_path / "new")
    assert path.name == "lenet_tanh-digits-mixup-epoch-3.safetensors"
    monkeypatch.setattr(checkpoints, "_FOLDERS", (tmp_path / "missing", tmp_path / "new"))
    assert available_stages("lenet_tanh") == ("untrained", "mixup-epoch-3")
    assert describe_stage("lenet_tanh", "mixup-epoch-3") == Stage("mixup-epoch-3", "mixup", 3, 0.5)
    loaded = load_checkpoint("lenet_tanh", "mixup-epoch-3")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))


def test_unknown_network() -> None:
    for call in (available_stages, lambda name: load_checkpoint(name, "untrained")):
        with pytest.raises(OptionError, match=r"network: expected one of fcn4, .*, got 'vgg'"):
            call("vgg")


@pytest.mark.parametrize("stage", ["hard-epoch-6", "", "../../secret", "hard"])
def test_unknown_stage(stage: str) -> None:
    for function in (load_checkpoint, describe_stage):
        with pytest.raises(
            OptionError, match=r"stage of fcn_small: expected one of untrained, hard-epoch-1, .*, got '"
        ):
            function("fcn_small", stage)


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\xff" * 64, None])
def test_damaged_checkpoints(content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fcn_small-digits-hard-epoch-9.safetensors"
    if content is None:  # intact, but of another network
        save_file({"1.weight": torch.zeros(2, 2)}, path)
    else:
        path.write_bytes(content)
    monkeypatch.setattr(checkpoints, "_FOLDERS", (tmp_path,))
    for function in (load_checkpoint, describe_stage):
        with pytest.raises(
            TensorFileError, match=r"checkpoint fcn_small-digits-hard-epoch-9\.safetensors: expected intact"
        ):
            function("fcn_small", "hard-epoch-9")
