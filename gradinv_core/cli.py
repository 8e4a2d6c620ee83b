"""The command line: `gradinv dashboard` opens the page, `gradinv recover FILE` attacks a gradient of your own."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from gradinv_core.errors import GradientInversionError
from gradinv_core.label_recovery import SOLVERS, LabelRecovery, recover_label
from gradinv_core.label_structures import LABEL_FORMATS
from gradinv_core.tensor_files import read_tensors

__all__ = ["main"]


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
        sys.stderr.write(f"gradinv: {error}\n")
        return 2
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gradinv", description="How much one training gradient gives away.")
    commands = parser.add_subparsers(required=True, metavar="command")

    dashboard = commands.add_parser("dashboard", help="open the interactive page")
    dashboard.add_argument("--port", type=int, default=8501, help="port to serve on (default 8501)")
    dashboard.add_argument("--host", default="127.0.0.1", help="address to serve on (default: this machine only)")
    dashboard.add_argument("--headless", action="store_true", help="do not open a browser")
    dashboard.set_defaults(run=_dashboard)

    recover = commands.add_parser("recover", help="recover the soft label behind a head gradient")
    recover.add_argument(
        "file", type=Path, help=".npz or .safetensors with weight, weight_grad and maybe bias, bias_grad"
    )
    recover.add_argument("--json", action="store_true", help="print everything as JSON")
    recover.add_argument("--solver", choices=SOLVERS, default="auto")
    recover.add_argument("--label-format", choices=tuple(LABEL_FORMATS), default="unknown")
    recover.set_defaults(run=_recover)
    return parser


def _recover(options: argparse.Namespace) -> int:
    tensors = read_tensors(options.file, ("weight", "weight_grad"), ("bias", "bias_grad"))
    answer = recover_label(**tensors, solver=options.solver, label_format=options.label_format)  # type: ignore[arg-type]
    sys.stdout.write(_as_json(answer) if options.json else _as_text(answer))
    return 0


def _as_json(answer: LabelRecovery) -> str:
    """Strict JSON: an infinite end of an interval is null."""
    return (
        json.dumps(
            {
                "status": answer.status,
                "message": answer.message,
                "label_format": answer.label_format,
                "label": answer.label.tolist(),
                "feature": answer.feature.tolist(),
                "scale": _finite(answer.scale),
                "row": answer.row,
                "loss": answer.loss,
                "intervals": [[_finite(low), _finite(high)] for low, high in answer.intervals],
                "candidates": [
                    {"scale": _finite(c.scale), "loss": c.loss, "label": c.label.tolist()} for c in answer.candidates
                ],
                "window": answer.window,
                "solver": answer.solver,
                "evaluations": answer.evaluations,
                "seconds": answer.seconds,
                "noise": answer.noise,
            },
            allow_nan=False,
        )
        + "\n"
    )


def _as_text(answer: LabelRecovery) -> str:
    order = answer.label.argsort(descending=True)[:5].tolist()
    top = ", ".join(f"class {index}: {answer.label[index]:.6f}" for index in order)
    pieces = " or ".join(f"[{low:.8g}, {high:.8g}]" for low, high in answer.intervals)
    lines = [
        f"status        {answer.status} - {answer.message}",
        f"label format  {answer.label_format}",
        f"label         {top}" + (", ..." if len(answer.label) > 5 else ""),
        f"lambda        {answer.scale:.10g}, row {answer.row}; consistent: {pieces}",
        f"feature       {len(answer.feature)} entries, norm {float(answer.feature.norm()):.6g}",
        f"solver        {answer.solver}, {answer.evaluations} evaluations, {1e3 * answer.seconds:.2f} ms",
    ]
    return "\n".join(lines) + "\n"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _dashboard(options: argparse.Namespace) -> int:
    """The page is another package that depends on this one; it is looked up only when asked for."""
    try:
        launcher = import_module("dashboard.launch")
    except ModuleNotFoundError as error:
        sys.stderr.write(f"gradinv: the dashboard needs {error.name}; install the project with `pip install .`.\n")
        return 2
    code: int = launcher.launch(options.port, options.host, options.headless)
    return code


if __name__ == "__main__":
    sys.exit(main())
