"""Which units of a ReLU were active, settled by the layer below it (our derivation).

delta travels down exactly but for one thing: whether a unit was active, where its value is no further from zero than
its error bar. A wrong one spoils the rows of its own output channel in the layer below and no others. So that layer's
input follows from the channels that fit, and delta of those that do not is read off it: at every position it is nought,
or all of what arrives from above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from gradinv_core.image_recovery.graph.reader import Reader
from gradinv_core.image_recovery.graph.row_solver import MISFIT, Entries, Rows, RowSolution, solve_rows
from gradinv_core.image_recovery.result import Stop

__all__ = ["Close", "Gate", "Reading", "seen_active", "settle"]

Close = Callable[[RowSolution], RowSolution]
"""Puts a solution right where its own equations leave it open."""

_ACTIVE = 5.0  # standard deviations above zero from which a unit is first taken for active ...
_SURE = 100.0  # ... and from which nothing may change that
_DEAD = 1e-9  # of the typical value: smaller ones are nought, whatever their error bars say
_ROUNDS = 8
_TO_SPARE = 1.125  # equations for each unit, from which all of a channel may be read off at once
_FEW = 0.25  # share of a layer's output channels
_FLIPS, _WORTH_IT = 8, 0.7  # one at a time: at most so many, each to bring the squared misfit below this share


@dataclass
class Gate:
    """The units of a ReLU.

    Attributes:
        active: (channels, positions) which ones hand the gradient on, as far as known.
        sure: of which of them that is certain.
        is_open: whether the layer below has not had its say yet.
    """

    active: torch.Tensor
    sure: torch.Tensor
    is_open: bool = True

    @classmethod
    def first(cls, value: torch.Tensor, std: torch.Tensor) -> Gate:
        """As a ReLU's outputs and their standard deviations, (channels, positions) both, tell it."""
        active = seen_active(value, std)
        return cls(active, active & (value > _SURE * std))


def seen_active(value: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Of which outputs of a ReLU it is seen that the unit was active."""
    return (value > _ACTIVE * std) & (value > _DEAD * value.abs().mean())


@dataclass(frozen=True)
class Reading:
    """A layer that reads the value wanted.

    Attributes:
        reader: the layer.
        gradient: (outputs, channels per group, taps) of its weight.
        delta: (outputs, positions) at its output, with the gate as it stands at first.
        gate: that the gradient went through right above it; None where there is none, or where its units are settled.
        whole: (outputs, positions) delta if all of the gate's units were active.
    """

    reader: Reader
    gradient: torch.Tensor
    delta: torch.Tensor
    gate: Gate | None = None
    whole: torch.Tensor | None = None

    def delta_now(self) -> torch.Tensor:
        """(outputs, positions) with the gate as it stands now."""
        return self.delta if self.gate is None or self.whole is None else self.whole * self.gate.active


@dataclass(frozen=True)
class Settled:
    """A value, and what the units above it turned out to be.

    Attributes:
        solution: the value, (channels, pixels), and how well it fits.
        flipped: how many units changed sides.
        unsettled: for each reading, how many output channels still misfit.
    """

    solution: RowSolution
    flipped: int
    unsettled: tuple[int, ...]


def settle(
    readings: Sequence[Reading],
    rounding: float,
    stop: Stop | None = None,
    entries: Entries | None = None,
    close: Close | None = None,
) -> Settled:
    """Solve for what these layers read, and settle the units of the gates above them.

    Args:
        readings: of layers whose groups are alike.
        rounding: unit roundoff of the gradients.
        stop: asked between rounds.
        entries: of the value, known from elsewhere; for layers of one group.
        close: says more of the value where weight gradients leave it open.

    Raises:
        StoppedError: the work was stopped.
    """
    groups = readings[0].reader.groups
    gates = {id(reading.gate): reading.gate for reading in readings if reading.gate is not None}
    before = {key: gate.active.clone() for key, gate in gates.items()}
    for _ in range(_ROUNDS):
        solution = _solve(readings, groups, rounding, stop, entries)
        solution = solution if close is None else close(solution)
        changed = False
        for reading, sigmas in zip(readings, solution.misfits, strict=True):
            bad = (sigmas > MISFIT).nonzero()[:, 0]
            if reading.gate is not None and reading.whole is not None and len(bad):
                changed |= _read_off(reading, reading.gate, reading.whole, bad, solution)
        if not changed:
            break
    else:
        solution = _solve(readings, groups, rounding, stop, entries)
        solution = solution if close is None else close(solution)
    flipped = sum(int((gate.active != before[key]).sum()) for key, gate in gates.items())
    return Settled(solution, flipped, tuple(int((sigmas > MISFIT).sum()) for sigmas in solution.misfits))


def _solve(
    readings: Sequence[Reading], groups: int, rounding: float, stop: Stop | None, entries: Entries | None
) -> RowSolution:
    parts = []
    for group in range(groups):
        rows = []
        for reading in readings:
            size = reading.reader.outputs // groups
            chosen = slice(group * size, (group + 1) * size)
            seen = reading.reader.seen
            matrix = reading.reader.rows(reading.delta_now()[chosen])[:, seen]
            rows.append(Rows(matrix, reading.gradient[chosen].transpose(1, 2)[:, seen]))
        parts.append(solve_rows(rows, rounding, stop, entries))
    if groups == 1:
        return parts[0]
    return RowSolution(
        torch.cat([part.value for part in parts]),
        torch.cat([part.std for part in parts]),
        tuple(torch.cat(each) for each in zip(*(part.misfits for part in parts), strict=True)),
        tuple(max(each) for each in zip(*(part.relative for part in parts), strict=True)),
        min(part.rank for part in parts),
        max(part.condition for part in parts),
        min(part.equations for part in parts),
    )


def _read_off(reading: Reading, gate: Gate, whole: torch.Tensor, bad: torch.Tensor, solution: RowSolution) -> bool:
    """Settle the units of output channels that misfit; whether any changed sides."""
    reader = reading.reader
    size = reader.outputs // reader.groups
    changed = False
    for group in range(reader.groups):
        chosen = bad[(bad >= group * size) & (bad < (group + 1) * size)]
        if not len(chosen):
            continue
        each = reader.channels // reader.groups
        patches = reader.patches(solution.value[group * each : (group + 1) * each]).flatten(0, 1)
        for channel in chosen.tolist():
            few = len(bad) <= _FEW * reader.outputs
            now = _units(patches, reading.gradient[channel].flatten(), whole[channel], gate, channel, few)
            changed |= bool((now != gate.active[channel]).any())
            gate.active[channel] = now
    return changed


def _units(
    patches: torch.Tensor, gradient: torch.Tensor, whole: torch.Tensor, gate: Gate, channel: int, few: bool
) -> torch.Tensor:
    """(positions,) which units of an output channel were active.

    Units that are certain stay as they are, which leaves fewer to be told.

    Args:
        patches: (equations, positions) what each tap reads.
        gradient: (equations,) of the channel's weight.
        whole: (positions,) delta if all units were active.
        gate: the units.
        channel: which of its rows.
        few: whether few channels misfit, so that single units may be to blame; else it may be another sample, whose
            units must not be pieced together one by one.
    """
    open_ = ~gate.sure[channel] & (whole != 0)
    before = gate.active[channel]
    if len(patches) < _TO_SPARE * int(open_.sum()):
        return _one_by_one(patches, gradient, whole, before, open_)
    at_once = _all_at_once(patches, gradient, whole, before, open_)
    if not few:
        return at_once
    # Smooth inputs leave differences between neighbouring units hardly determined, and then all at once misses.
    ways = at_once, _one_by_one(patches, gradient, whole, before, open_)
    return min(ways, key=lambda now: float((gradient - patches @ (whole * now)).square().sum()))


def _all_at_once(
    patches: torch.Tensor, gradient: torch.Tensor, whole: torch.Tensor, active: torch.Tensor, open_: torch.Tensor
) -> torch.Tensor:
    """Every open unit's delta by least squares, and from it the unit."""
    now = active.clone()
    rest = gradient - patches @ (whole * (now & ~open_))
    delta = torch.linalg.lstsq(patches[:, open_], rest[:, None], driver="gelsy").solution[:, 0]
    now[open_] = delta / whole[open_] > 0.5
    return now


def _one_by_one(
    patches: torch.Tensor, gradient: torch.Tensor, whole: torch.Tensor, active: torch.Tensor, open_: torch.Tensor
) -> torch.Tensor:
    """Units changed one at a time, each the one that brings the misfit down most, as long as that is by much."""
    now = active.clone()
    lengths = patches.square().sum(0) * whole.square()
    rest = gradient - patches @ (whole * now)
    for _ in range(_FLIPS):
        steps = whole * torch.where(now, -1.0, 1.0)
        power = rest.square().sum()
        left = (power - 2 * steps * (patches.T @ rest) + lengths).masked_fill(~open_, torch.inf)
        best = int(left.argmin())
        if float(left[best]) > _WORTH_IT * float(power):
            break
        rest = rest - patches[:, best] * steps[best]
        now[best] = ~now[best]
    return now
