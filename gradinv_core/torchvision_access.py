"""One door to torchvision: it is slow to import, and an install that does not match torch's fails in riddles."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

from gradinv_core.errors import OptionError

__all__ = ["import_torchvision"]


def import_torchvision(part: str, wanted_by: str) -> ModuleType:
    """Import ``torchvision.<part>`` when it is first needed.

    Args:
        part: submodule name, such as "models" or "datasets".
        wanted_by: what the user asked for, named in the error.

    Raises:
        OptionError: torchvision is missing, or was built for another torch (it then fails with
            "operator torchvision::nms does not exist", or with a missing library).
    """
    try:
        return importlib.import_module(f"torchvision.{part}")
    except ModuleNotFoundError as error:
        raise OptionError(f"{wanted_by} needs torchvision, which is not installed; pip install torchvision.") from error
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        raise OptionError(
            f"{wanted_by} needs a torchvision built for torch {torch.__version__}, and the installed one is not "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}); "
            f"install both from the same place: pip install --upgrade --force-reinstall torch torchvision."
        ) from error
