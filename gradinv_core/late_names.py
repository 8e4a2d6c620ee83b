"""A package's public names, imported when they are first asked for: nobody waits for PyTorch who does not use it."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

__all__ = ["late_names"]


def late_names(
    package: str, space: dict[str, Any], homes: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """What a package calls `__getattr__` and `__dir__`.

    Args:
        package: its name.
        space: its globals, where a name that was found stays.
        homes: module below the package -> public names that live there.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def find(name: str) -> Any:
        if name in home_of:
            space[name] = getattr(import_module(f"{package}.{home_of[name]}"), name)
            return space[name]
        if find_spec(f"{package}.{name}") is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return import_module(f"{package}.{name}")

    return find, lambda: sorted({*space, *home_of})
