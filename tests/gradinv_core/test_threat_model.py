"""The wall: no attack can see the truth. Read off the source, so that it holds for attacks not written yet."""

import ast
import inspect
from pathlib import Path

import pytest

import gradinv_core
from gradinv_core import reconstruct_image, recover_from_gradients, recover_label, recover_labels, variance_loss
from gradinv_core.aware import attack_defended, recover_defended
from gradinv_core.diagnosis import diagnose
from gradinv_core.updates import gradient_from_update, recover_from_update
from gradinv_core.windows import four_windows

ROOT = Path(inspect.getfile(gradinv_core)).parent
ATTACKS = sorted(
    [
        *(ROOT / "label_recovery").glob("*.py"),
        *(ROOT / "image_recovery").rglob("*.py"),
        *(ROOT / "diagnosis").glob("*.py"),
        *(ROOT / "windows").glob("*.py"),
        *(ROOT / "aware").glob("*.py"),
        *(ROOT / "updates").glob("*.py"),
        *(ROOT / name for name in ("arrays.py", "gradients.py", "gradient_names.py", "head.py", "head_search.py")),
        *(ROOT / name for name in ("landscape.py", "twin.py", "wrappers.py")),
        *(ROOT / name for name in ("consistency.py", "label_structures.py")),
    ]
)
CLIENT_SIDE = {"client", "datasets", "augmentation", "image_files", "metrics", "training", "labels", "experiments"}
FORBIDDEN_WORDS = ("true", "truth", "target", "partner", "original", "ground")


def imports_of(path: Path) -> set[str]:
    """Names of the gradinv_core modules a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gradinv_core"):
            found |= set((node.module or "").split(".")[1:]) | {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {part for alias in node.names for part in alias.name.split(".")}
    return found


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_attack_modules_import_nothing_from_the_client(path):
    assert not imports_of(path) & CLIENT_SIDE


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_attack_function_takes_the_truth(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = node.args
            names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
            assert not [name for name in names for word in FORBIDDEN_WORDS if word in name.lower().split("_")]


def test_the_client_module_is_what_the_wall_keeps_out():
    """The check above can fail: the truth really lives where it looks."""
    assert "Truth" in (ROOT / "client.py").read_text(encoding="utf-8")
    assert imports_of(ROOT / "__init__.py") & CLIENT_SIDE


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
    client_says = {"before", "after", "learning_rate", "steps", "weight_decay", "momentum"}  # of its local training
    for attack in (gradient_from_update, recover_from_update):
        assert set(inspect.signature(attack).parameters) <= held | chosen | client_says | {"head"}
    assert set(inspect.signature(reconstruct_image).parameters) <= held | chosen | recovered
