"""What a row of the strip stands for: a layer, or a block of layers with a skip around it."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Row", "StripBlock", "StripLayer", "layers_of", "solved"]

_WORST_FIRST = ("not", "almost", "exact", "unneeded")


@dataclass(frozen=True)
class StripLayer:
    """One layer.

    Attributes:
        name: of the layer in the network.
        kind: what it is, in words.
        unknowns: entries of its input.
        equations: how many speak of them.
        leak: "exact", "almost" or "not"; "unneeded" where nobody has to know its input.
        rank: unknowns that the equations determine; None where they were only counted, not solved.
        residual: relative misfit of the layer's gradient; None where it was not solved.
        error: reported standard deviation relative to the input's size; None where it was not solved.
        filled: whether a search filled in what the equations leave open.
    """

    name: str
    kind: str
    unknowns: int
    equations: int
    leak: str
    rank: int | None = None
    residual: float | None = None
    error: float | None = None
    filled: bool = False

    @property
    def determined(self) -> float:
        """Share of the unknowns: determined where that was worked out, else what the count allows at best."""
        known = self.equations if self.rank is None else self.rank
        return min(known, self.unknowns) / self.unknowns

    @property
    def share(self) -> float:
        """Equations for each unknown."""
        return self.equations / self.unknowns


@dataclass(frozen=True)
class StripBlock:
    """Layers that follow each other, and the skip around them.

    Attributes:
        name: of the block in the network.
        layers: on the way that the skip leads around.
        skip: layers on the skip; most often none. They read what the block reads, so their equations count for it.
    """

    name: str
    layers: tuple[StripLayer, ...]
    skip: tuple[StripLayer, ...] = ()

    @property
    def unknowns(self) -> int:
        """Entries of its layers' inputs, each counted once."""
        return sum(layer.unknowns for layer in self.layers)

    @property
    def equations(self) -> int:
        """How many speak of them, those of the skip's layers among them."""
        return sum(layer.equations for layer in (*self.layers, *self.skip))

    @property
    def leak(self) -> str:
        """That of the layer that leaks least."""
        return min((layer.leak for layer in self.layers), key=_WORST_FIRST.index)

    @property
    def filled(self) -> bool:
        """Whether a search filled in something of one of its layers."""
        return any(layer.filled for layer in self.layers)

    @property
    def determined(self) -> float:
        """Share of its layers' unknowns that is determined."""
        return sum(layer.determined * layer.unknowns for layer in self.layers) / self.unknowns

    @property
    def share(self) -> float:
        """Equations for each unknown."""
        return self.equations / self.unknowns


Row = StripLayer | StripBlock


def layers_of(rows: Sequence[Row]) -> list[StripLayer]:
    """All layers, those on skips among them."""
    return [layer for row in rows for layer in ((*row.layers, *row.skip) if isinstance(row, StripBlock) else (row,))]


def solved(rows: Sequence[Row]) -> bool:
    """Whether the layers that anybody needs were solved, and not only counted."""
    return all(layer.rank is not None for layer in layers_of(rows) if layer.leak != "unneeded")
