"""A specification is read from a small TOML file, and checked before anything runs.

A block of ``[[cells]]`` gives any field of a `Scenario` one value or a list; every combination is one cell of the
table. A dataset may be "folder:PATH", with a subfolder of pictures for each class; a stage may be the path of a file
that ``gradinv train`` wrote, or "imagenet" for torchvision's networks as they were trained there. Of both, the gradient
of a bias in the last layer is sent with ``head_bias = true`` and withheld without. Whether these are here is asked when
they are played.

In each cell so many seeds are played, each with so many samples, of which a block may say a number of its own; a seed
draws the network's first weights, the pictures, the classes, and the label's strength where the block does not fix it.
``--quick`` lays ``[quick]`` over the rest: a few samples that finish in two minutes.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from gradinv_core.checkpoints import shipped_stages
from gradinv_core.datasets import FOLDER_PREFIX
from gradinv_core.errors import OptionError
from gradinv_core.experiments.scenario import UNTRAINED, Scenario
from gradinv_core.experiments.settings import Reader, one_of, settings_of, write_value
from gradinv_core.experiments.study.specification import KINDS, Specification
from gradinv_core.pretrained import IMAGENET, PRETRAINED
from gradinv_core.trained_file import is_trained_file

__all__ = ["CELL_FIELDS", "PRESETS", "TRAINED", "parse_specification", "read_specification", "specification_text"]

TRAINED = "trained"
"""Stands for every trained stage that a network has."""

_DRAWN = ("seed", "image", "partner", "target")  # for each sample
_FOREIGN = ("own_photo", "bounded")  # the page's own
CELL_FIELDS = tuple(name for name in settings_of(Scenario) if name not in (*_DRAWN, *_FOREIGN))
"""Fields of a scenario that a block may set."""

_FOLDER = files("gradinv_core.experiments.study") / "presets"
PRESETS = tuple(sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml")))
"""Names of the studies that ship with the project."""

_EACH = "samples_per_seed"
_MOST = 1_000_000
_MOST_ITERATIONS = 100_000


def read_specification(source: str | Path, *, quick: bool = False) -> Specification:
    """Read a preset by its name, or a file.

    Args:
        source: one of `PRESETS`, or the path of a TOML file.
        quick: whether to lay the table ``quick`` over the rest.

    Raises:
        OptionError: no such preset or file, no TOML, or one thing in it that makes no sense; the message names it.
    """
    return parse_specification(specification_text(source), Path(source).stem, quick=quick)


def specification_text(source: str | Path) -> str:
    """The text of a preset or a file.

    Raises:
        OptionError: there is none.
    """
    if str(source) in PRESETS:
        return (_FOLDER / f"{source}.toml").read_text(encoding="utf-8")
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(
            f"specification: expected one of {', '.join(PRESETS)}, or a TOML file, got {str(source)!r}."
        ) from error


def parse_specification(text: str, name: str, *, quick: bool = False) -> Specification:
    """Check the text of a specification; see `read_specification`.

    Args:
        text: TOML.
        name: the study's.
        quick: see there.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"{name}: expected a TOML file, got one that cannot be read ({error}); mend it.") from error
    return _Reader(name).specification(table, quick)


class _Reader:
    """Checks one table; every complaint begins with the study's name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def specification(self, table: Mapping[str, Any], quick: bool) -> Specification:
        known = {"title", "about", "kind", "solvers", "seeds", _EACH, "rows", "epsilon", "ratio"}
        known |= {"iterations", "cells", "quick"}
        self._known(table, known, "")
        layer = table.get("quick", {})
        self._is(layer, dict, "quick", "a table")
        self._known(layer, known - {"quick", "title", "about", "kind"}, "quick.")
        if quick and not layer:
            raise self._error("quick", "a table [quick] with fewer seeds or cells", "none")
        merged = {**table, **layer} if quick else dict(table)
        kind = self._choice(merged.get("kind", "label"), tuple(KINDS), "kind")
        solvers = self._words(merged.get("solvers", list(KINDS[kind])), tuple(KINDS[kind]), "solvers")
        each = self._count(merged.get(_EACH, 1), _EACH, _MOST)
        said = {cell: (fixed, count) for cell, fixed, count in self._cells(merged.get("cells", []), each)}
        cells = tuple(said)
        if kind == "picture" and any(cell.stage == IMAGENET for cell in cells):
            raise self._error("kind", f"label with stage {IMAGENET!r}", "picture")
        varied = [name for name in CELL_FIELDS if len({getattr(cell, name) for cell in cells}) > 1]
        return Specification(
            name=self.name,
            title=self._is(merged.get("title", self.name), str, "title", "a text"),
            about=self._is(merged.get("about", ""), str, "about", "a text"),
            kind=kind,
            solvers=solvers,
            seeds=self._count(merged.get("seeds", 1), "seeds", _MOST),
            samples_per_seed=tuple(count for _, count in said.values()),
            rows=self._words(merged.get("rows", varied or ["network"]), CELL_FIELDS, "rows"),
            epsilon=self._range(merged.get("epsilon", [0.05, 0.3]), "epsilon"),
            ratio=self._range(merged.get("ratio", [0.55, 0.95]), "ratio"),
            iterations=self._count(merged.get("iterations", 4800), "iterations", _MOST_ITERATIONS),
            cells=cells,
            fixed=tuple(fixed for fixed, _ in said.values()),
        )

    def _cells(self, blocks: Any, each: int) -> Iterator[tuple[Scenario, frozenset[str], int]]:
        """Every combination of every block: the scenario, the fields that were set, and the samples of each seed."""
        if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
            raise self._error("cells", "at least one table [[cells]]", "none" if blocks == [] else repr(blocks))
        for block in blocks:
            self._known(block, {*CELL_FIELDS, _EACH}, "cells.")
            count = self._count(block.get(_EACH, each), f"cells.{_EACH}", _MOST)
            fixed = frozenset(block) - {_EACH}
            imagenet = block.get("stage") == IMAGENET
            given = {
                name: self._values(name, block[name], imagenet=imagenet) for name in block if name in fixed - {"stage"}
            }
            networks = given.pop("network", () if imagenet else (Scenario.network,))
            if not networks:
                raise self._error("cells.network", f"one of {', '.join(PRETRAINED)} with stage {IMAGENET!r}", "none")
            for network in networks:
                for stage in (IMAGENET,) if imagenet else self._stages(block.get("stage", UNTRAINED), network):
                    may_withhold = stage == IMAGENET or is_trained_file(stage)
                    decided = {"classes", "initialisation"} | (set() if may_withhold else {"head_bias"})
                    if stage != UNTRAINED and decided & block.keys():
                        raise self._error(
                            "cells", "no classes, head_bias or initialisation with trained stages", f"stage {stage!r}"
                        )
                    for values in itertools.product(*given.values()):
                        fields = dict(zip(given, values, strict=True))
                        yield Scenario(network=network, stage=stage, **fields), fixed, count

    def _values(self, name: str, value: Any, *, imagenet: bool) -> tuple[Any, ...]:
        """The values of one field, each read as an address would be, but for what an address may not hold."""
        declared = settings_of(Scenario)[name]
        reader: Reader = one_of(tuple(PRETRAINED)) if imagenet and name == "network" else declared.read
        listed = value if isinstance(value, list) else [value]
        if not listed:
            raise self._error(f"cells.{name}", "at least one value", "an empty list")
        wanted = type(declared.default)
        read: list[Any] = []
        for one in listed:
            right = (
                isinstance(one, int | float) and not isinstance(one, bool) if wanted is float else type(one) is wanted
            )
            if not right:
                words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
                raise self._error(f"cells.{name}", words[wanted], repr(one))
            if name == "dataset" and one.startswith(FOLDER_PREFIX):
                read.append(one)
                continue
            try:
                read.append(reader(write_value(float(one) if wanted is float else one)))
            except ValueError as error:
                raise OptionError(f"{self.name}: cells.{name}: got {one!r}, but {error}.") from None
        return tuple(dict.fromkeys(read))

    def _stages(self, value: Any, network: str) -> tuple[str, ...]:
        """Stages of a network; "trained" stands for all that were trained."""
        here = shipped_stages(network)
        found: list[str] = []
        for one in value if isinstance(value, list) else [value]:
            if one == TRAINED and len(here) > 1:
                found += here[1:]
            elif one in here or (isinstance(one, str) and is_trained_file(one)):
                found.append(one)
            else:
                choices = (*here, TRAINED) if len(here) > 1 else here
                choices = (*choices, "a file of gradinv train")
                raise self._error(f"cells.stage of {network}", f"one of {', '.join(choices)}", repr(one))
        return tuple(dict.fromkeys(found))

    def _known(self, table: Mapping[str, Any], known: set[str], where: str) -> None:
        for key in table:
            if key not in known:
                raise OptionError(f"{self.name}: unknown key {where}{key}; known are {', '.join(sorted(known))}.")

    def _is(self, value: Any, kind: type, name: str, wanted: str) -> Any:
        if not isinstance(value, kind):
            raise self._error(name, wanted, repr(value))
        return value

    def _choice(self, value: Any, choices: Sequence[str], name: str) -> str:
        if value not in choices:
            raise self._error(name, f"one of {', '.join(choices)}", repr(value))
        return str(value)

    def _words(self, value: Any, choices: Sequence[str], name: str) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise self._error(name, f"a list out of {', '.join(choices)}", repr(value))
        return tuple(dict.fromkeys(self._choice(one, choices, name) for one in value))

    def _count(self, value: Any, name: str, most: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self._error(name, f"a whole number from 1 to {most:,}", repr(value))
        return value

    def _range(self, value: Any, name: str) -> tuple[float, float]:
        numbers = isinstance(value, list) and all(
            isinstance(one, int | float) and not isinstance(one, bool) for one in value
        )
        if not numbers or len(value) != 2 or not 0 <= value[0] <= value[1] <= 1:
            raise self._error(name, "[low, high] in [0, 1]", repr(value))
        return float(value[0]), float(value[1])

    def _error(self, name: str, wanted: str, came: str) -> OptionError:
        return OptionError(f"{self.name}: {name}: expected {wanted}, got {came}.")
