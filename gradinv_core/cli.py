"""The command line: the page, attacks on a gradient of your own in a file, training, and experiments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import torch
from torch import nn

from gradinv_core.cli_experiment import add_experiment
from gradinv_core.cli_output import answer_json, answer_text, diagnosis_json, diagnosis_text, in_options
from gradinv_core.cli_train import add_train
from gradinv_core.diagnosis import diagnose
from gradinv_core.errors import GradientInversionError, TensorFileError
from gradinv_core.head.structures import LABEL_FORMATS
from gradinv_core.label_recovery import SOLVERS, recover_label
from gradinv_core.label_recovery.request import GRADIENT_SCALES
from gradinv_core.tensor_files import read_tensors

__all__ = ["main"]

_PARTS = ("weight", "weight_grad", "bias", "bias_grad")
_FILE = "file with the last layer's weight, weight_grad and, if it has one, bias and bias_grad: {}"
_KINDS = ".npz, .safetensors, .pt or .pth"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script.

    Args:
        arguments: command line without the program's name; None takes ``sys.argv``.

    Returns:
        0 on success, 2 when the input cannot be used (one sentence on standard error).
    """
    options = _parser().parse_args(arguments)
    try:
        result: int = options.run(options)
    except GradientInversionError as error:
        sys.stderr.write(f"gradinv: {in_options(str(error))}\n")
        return 2
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gradinv", description="How much one training gradient gives away.")
    commands = parser.add_subparsers(required=True, metavar="command")

    dashboard = commands.add_parser("dashboard", help="open the interactive page")
    dashboard.add_argument("--port", type=int, default=8501, help="port to serve on (default 8501)")
    dashboard.add_argument("--host", default="127.0.0.1", help="address to serve on (default: this machine only)")
    dashboard.add_argument("--base-path", default="", help="path under which a proxy serves the page, such as /gradinv")
    dashboard.add_argument("--visitors", type=int, default=0, help="how many at a time (default: by cores and memory)")
    dashboard.add_argument("--headless", action="store_true", help="do not open a browser")
    dashboard.set_defaults(run=_dashboard)

    recover = commands.add_parser("recover", help="recover the soft label behind a head gradient")
    _add_file(recover)
    recover.add_argument("--solver", choices=SOLVERS, default="auto")
    recover.add_argument("--label-format", choices=tuple(LABEL_FORMATS), default="unknown")
    recover.add_argument(
        "--gradient-scale",
        choices=GRADIENT_SCALES,
        default="known",
        help="unknown: it was clipped, or multiplied by a learning rate or a loss scale",
    )
    recover.add_argument("--noise-std", type=float, help="standard deviation of noise added to each entry, if known")
    recover.add_argument("--confidence", type=float, default=0.95, help="of the intervals, in (0, 1)")
    recover.add_argument("--temperature", type=float, default=1.0, help="that the loss divides the logits by")
    recover.add_argument("--class-weights", metavar="NAME", help="entry of the file with the loss's class weights")
    recover.set_defaults(run=_recover)

    asked = commands.add_parser("diagnose", help="say why a head gradient gives no certain answer")
    _add_file(asked)
    asked.set_defaults(run=_diagnose)

    add_train(commands)
    add_experiment(commands)
    return parser


def _add_file(command: argparse.ArgumentParser) -> None:
    """The file, and what its entries are called."""
    command.add_argument("file", type=Path, help=_FILE.format(_KINDS))
    command.add_argument("--json", action="store_true", help="print everything as JSON")
    for part in _PARTS:
        option = f"--{part.replace('_', '-')}"
        command.add_argument(option, metavar="NAME", default=part, help=f"entry of the file (default {part})")


def _read(options: argparse.Namespace, *others: str) -> dict[str, torch.Tensor]:
    """The parts of the head under the library's names, and other entries under their own."""
    names = {part: getattr(options, part) for part in _PARTS}
    named = [names[part] for part in _PARTS[2:] if names[part] != part]  # an entry asked for by name must be there
    found = read_tensors(options.file, (names["weight"], names["weight_grad"], *named, *others), tuple(names.values()))
    parts = {part: found[name] for part, name in names.items() if name in found}
    for part in ("weight_grad", "bias_grad"):
        if part in parts and parts[part].ndim == parts[part.removesuffix("_grad")].ndim + 1 and len(parts[part]) == 1:
            parts[part] = parts[part][0]  # per-sample gradients of a single sample
    return parts | {name: found[name] for name in others}


def _recover(options: argparse.Namespace) -> int:
    weights = () if options.class_weights is None else (options.class_weights,)
    tensors = _read(options, *weights)
    answer = recover_label(
        tensors["weight"],
        tensors["weight_grad"],
        tensors.get("bias"),
        tensors.get("bias_grad"),
        solver=options.solver,
        label_format=options.label_format,
        gradient_scale=options.gradient_scale,
        noise_std=options.noise_std,
        confidence=options.confidence,
        temperature=options.temperature,
        class_weights=tensors[options.class_weights] if weights else None,
    )
    sys.stdout.write(answer_json(answer) if options.json else answer_text(answer))
    return 0


def _diagnose(options: argparse.Namespace) -> int:
    """The head alone is a network, too: its input is the feature."""
    tensors = _read(options)
    weight, bias = tensors["weight"], tensors.get("bias")
    if weight.ndim != 2:
        raise TensorFileError(
            f"{options.file}: expected a weight with 2 axes (classes, features), got shape {tuple(weight.shape)}."
        )
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    sent = {f"0.{part}": tensors[f"{part}_grad"] for part in ("weight", "bias") if f"{part}_grad" in tensors}
    found = diagnose(nn.Sequential(layer), sent)
    sys.stdout.write(diagnosis_json(found) if options.json else diagnosis_text(found))
    return 0


def _dashboard(options: argparse.Namespace) -> int:
    """The page is another package that depends on this one; it is looked up only when asked for."""
    try:
        launcher = import_module("dashboard.start.launch")
    except ModuleNotFoundError as error:
        sys.stderr.write(f"gradinv: the dashboard needs {error.name}; install the project with `pip install .`.\n")
        return 2
    code: int = launcher.launch(options.port, options.host, options.headless, options.base_path, options.visitors)
    return code


if __name__ == "__main__":
    sys.exit(main())
