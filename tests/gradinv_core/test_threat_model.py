"""The wall: no attack can see the truth. Read off the source, so that it holds for attacks not written yet.

The server's side is a list of folders. Whatever lies there, and whatever that imports in turn, must not lead to a room
of the client's; no function there may even name what it would hold.
"""

import ast
import inspect
from functools import cache
from pathlib import Path

import pytest

import gradinv_core
from gradinv_core import (
    reconstruct_image,
    recover_batch,
    recover_from_gradients,
    recover_label,
    recover_labels,
    variance_loss,
)
from gradinv_core.aware import attack_defended, recover_defended
from gradinv_core.diagnosis import diagnose
from gradinv_core.updates import gradient_from_update, recover_from_update
from gradinv_core.windows import four_windows

ROOT = Path(inspect.getfile(gradinv_core)).parent
SERVER = (
    *("aware", "batch_recovery", "diagnosis", "experiments/server", "head", "image_recovery", "label_recovery"),
    *("updates", "windows"),
)
CLIENT = {
    *("augmentation", "client", "datasets", "image_files", "labels", "metrics", "training"),
    *("experiments.build", "experiments.client", "experiments.scenario", "experiments.scene", "experiments.sweep"),
}
FORBIDDEN_WORDS = ("true", "truth", "target", "partner", "original", "ground", "scenario")
ATTACKS = sorted(path for room in SERVER for path in (ROOT / room).rglob("*.py"))


def name_of(path: Path) -> str:
    """Dotted name of a module below the package, "" for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in ROOT.rglob("*.py")}


@cache
def imports_of(source: str) -> frozenset[str]:
    """Modules below the package that a source imports, wherever in the text it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    below = {name.removeprefix("gradinv_core.") for name in found if name.startswith("gradinv_core.")}
    return frozenset(below & MODULES.keys())


@cache
def reached_from(name: str) -> frozenset[str]:
    """A module, and all that it imports, directly or not."""
    seen, waiting = {name}, [name]
    while waiting:
        for following in imports_of(MODULES[waiting.pop()].read_text(encoding="utf-8")) - seen:
            seen.add(following)
            waiting.append(following)
    return frozenset(seen)


def breaches(*texts: str) -> set[str]:
    """Rooms of the client's to which the texts of a source lead."""
    reached = {module for text in texts for name in imports_of(text) for module in reached_from(name)}
    return {room for room in CLIENT for module in reached if module == room or module.startswith(f"{room}.")}


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_on_the_server_s_side_leads_to_the_client(path):
    assert not breaches(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_attack_function_takes_the_truth(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = node.args
            names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
            assert not [name for name in names for word in FORBIDDEN_WORDS if word in name.lower().split("_")]


@pytest.mark.parametrize("room", SERVER)
@pytest.mark.parametrize(
    "planted",
    [
        "from gradinv_core.client import client_truth",
        "from gradinv_core import datasets",
        "from gradinv_core.experiments.client.training_step import ClientStep",
        "from gradinv_core.experiments import Scenario",
        "import gradinv_core.experiments.scene",
        "def late():\n    from gradinv_core.experiments.client.own_photo import OwnPhoto",
    ],
)
def test_a_door_in_the_wall_is_found_in_every_room(room, planted):
    """The rule can fail: a truth import in any file of any room is a breach, and every room is really there."""
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        source = path.read_text(encoding="utf-8")
        assert not breaches(source)
        assert breaches(source, planted)


def test_a_detour_is_found_as_well():
    """The sweep judges by the truth; a server that imports it would reach the client in two steps."""
    assert "experiments.client" in breaches("from gradinv_core.experiments.sweep import run")
    assert not breaches("from gradinv_core.experiments.public_network import PublicNetwork")


def test_the_rooms_of_the_client_exist():
    assert MODULES.keys() >= CLIENT
    assert "Truth" in (ROOT / "client.py").read_text(encoding="utf-8")


def test_public_attacks_take_only_what_a_server_holds():
    held = {"weight", "weight_grad", "weight_grads", "bias", "bias_grad", "bias_grads", "model", "gradients"}
    chosen = {"label_format", "solver", "gradient_scale", "noise_std", "nonnegative_feature", "confidence", "seed"}
    recovered = {"label", "feature"}  # reconstruct_image may be handed what recover_label returned
    chosen |= {"temperature", "class_weights"}  # of the loss, as announced
    chosen |= {"input_shape", "method", "on_step", "stop", "start", "options", "scales", "scale_free"}
    chosen |= {"head"}  # the name of a layer of the public network
    for attack in (recover_label, recover_labels, recover_from_gradients, variance_loss):
        assert set(inspect.signature(attack).parameters) <= held | chosen
    for attack in (diagnose, four_windows, recover_defended, attack_defended):
        assert set(inspect.signature(attack).parameters) <= held | chosen | {"defences"}  # their public parameters
    sizes = {"samples", "programs", "on_progress", "stop"}  # how many pictures a step has, and how long to look
    lower = {"below"}  # weights and gradients of the layers below the last, as sent
    assert set(inspect.signature(recover_batch).parameters) <= held | lower | chosen | sizes
    client_says = {"before", "after", "learning_rate", "steps", "weight_decay", "momentum"}  # of its local training
    for attack in (gradient_from_update, recover_from_update):
        assert set(inspect.signature(attack).parameters) <= held | chosen | client_says | {"head"}
    public = {"mean", "std", "pixel_range"}  # how everybody's pictures are normalised, no more than the network itself
    assert set(inspect.signature(reconstruct_image).parameters) <= held | chosen | recovered | public
