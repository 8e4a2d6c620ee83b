"""Read a component's inline files: HTML, CSS, and JavaScript parts joined into one module."""

from pathlib import Path

__all__ = ["LOSS_PLOT", "read_parts"]

LOSS_PLOT = ("../shared_js/lambda_axis.js", "../shared_js/numbers.js", "../shared_js/loss_plot.js")
"""What every figure of the loss over lambda begins with, seen from a component's folder."""


def read_parts(folder: Path, *names: str) -> str:
    """Join text files of a component, in the order given.

    Inline components carry one script each. Joining several small files keeps one idea per file without a build step:
    only the last one exports anything, the others are plain functions it calls.

    Args:
        folder: where the component lives.
        names: file names inside it.
    """
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
