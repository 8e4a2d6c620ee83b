"""Which units were active under an average over several positions, above a 1x1 convolution (our derivation).

Without padding no tap tells positions apart. Still every row of the 1x1 convolution's gradient, over what arrives at
its output channel, is the sum of the inputs x[:, p] at the positions where its unit was active:

    dL/dW[o, :] / c[o] = sum over p of active[o, p] x[:, p].

So the columns of active units are the vectors of noughts and ones in a space of P dimensions, and each is settled by
its entries in P rows: all 2^P are tried (Slawski, Hein and Lutsik 2013), and exactly P must be left over. They come in
no order. What they hand down to the next layer, whose kernel reaches into padding, puts them in order: each lies in the
span of the gradient of just those taps that read a pixel at its position.
"""

from __future__ import annotations

from itertools import product
from math import prod

import torch
from scipy.linalg import qr
from torch import nn

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.graph.pooled_gate import leading_directions
from gradinv_core.image_recovery.graph.reader import Reader, reader_of_node
from gradinv_core.image_recovery.graph.signs import Reading
from gradinv_core.image_recovery.graph.structure import Plan, gated_layers

__all__ = ["columns_of_units", "in_order", "layer_that_orders"]

_MOST_POSITIONS = 9  # 2^P vectors are tried
_STRONG = 0.3  # of what typically arrives: channels that the vectors are tried on
_WEAKEST = 1e-6  # ... and below which a channel's units cannot be told, and do not matter
_BINARY = 0.1  # a vector is one of noughts and ones if no entry is further from both
_INSIDE = 0.1  # of a vector's length, that it may stick out of a span in which it lies


def layer_that_orders(plan: Plan, gate: int) -> int | None:
    """The layer next but one below a pooled ReLU, if a 1x1 convolution stands between and its padding tells positions.

    Args:
        plan: of the network.
        gate: index of the ReLU, whose output goes nowhere but into an average.

    Returns:
        Its index; None where something else stands there.
    """
    below = gated_layers(plan, gate)
    if len(below) != 1 or not 1 < prod(plan.nodes[gate].shape[1:]) <= _MOST_POSITIONS:
        return None
    layer = plan.nodes[below[0][0]]
    source = layer.inputs[0]
    inner = gated_layers(plan, source) if isinstance(plan.nodes[source].module, nn.ReLU) else []
    if len(inner) != 1 or len(plan.users[source]) != 1:
        return None
    if not _reads_one_position(reader_of_node(plan.nodes, below[0][0])):
        return None
    reader = reader_of_node(plan.nodes, inner[0][0])
    held = reader.taps < reader.pixels
    return inner[0][0] if len(held.T.unique(dim=0)) == held.shape[1] else None


def _reads_one_position(reader: Reader) -> bool:
    return reader.groups == 1 and torch.equal(reader.taps, torch.arange(reader.pixels)[None])


def columns_of_units(reading: Reading, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(channels, positions) which units were active, and (positions, inputs) what the layer read, in any common order.

    Args:
        reading: of the 1x1 convolution right below the units.
        name: of the units' layer, for the message.

    Raises:
        NoExactRouteError: the gradient is not that of so many positions, or several choices of units explain it.
    """
    assert reading.whole is not None  # noqa: S101 - it has a gate
    positions, arriving = reading.reader.pixels, reading.whole.mean(1)
    told = arriving.abs() > _WEAKEST * float(arriving.abs().mean())
    sums = reading.gradient[:, :, 0] / torch.where(told, arriving, 1.0)[:, None] * told[:, None]
    strong = sums[arriving.abs() > _STRONG * float(arriving.abs().mean())]
    basis = leading_directions(strong, positions)
    if basis.shape[1] < positions:
        raise _refusal(positions, name)
    pivots = torch.from_numpy(qr(basis.T.numpy(), pivoting=True)[2][:positions].copy()).long()
    tried = torch.tensor(list(product((0.0, 1.0), repeat=positions)), dtype=torch.float64)[1:]
    vectors = basis @ torch.linalg.lstsq(basis[pivots], tried.T, driver="gelsd").solution
    left = torch.minimum(vectors.abs(), (vectors - 1).abs()).amax(0) < _BINARY
    if int(left.sum()) != positions:
        raise _refusal(positions, name)
    read = torch.linalg.lstsq(vectors[:, left].round(), strong, driver="gelsd").solution
    shares = torch.linalg.lstsq(read.T, sums.T, driver="gelsd").solution.T
    return shares > 0.5, read


def in_order(reading: Reading, name: str) -> torch.Tensor:
    """(positions,) which of the columns stands at each position.

    Args:
        reading: of the layer that orders, its delta in the columns' order.
        name: of the units' layer, for the message.

    Raises:
        NoExactRouteError: the columns do not fit the positions.
    """
    held = reading.reader.taps < reading.reader.pixels
    delta = reading.delta / reading.delta.norm(dim=0).clamp(min=1e-300)
    seen = torch.zeros_like(held)
    for tap, places in enumerate(held):
        if bool(places.any()):
            basis = leading_directions(reading.gradient[:, :, tap], int(places.sum()))
            seen[tap] = (delta - basis @ (basis.T @ delta)).norm(dim=0) < _INSIDE
    fits = (seen[:, None] == held[:, :, None]).all(0)  # (positions, columns)
    if not bool((fits.sum(0) == 1).all() & (fits.sum(1) == 1).all()):
        raise _refusal(held.shape[1], name)
    return fits.long().argmax(1)


def _refusal(positions: int, name: str) -> NoExactRouteError:
    return NoExactRouteError(
        f"no exact route to the image is known for this gradient: which units of {name} were active at which of the "
        f"{positions} positions under its average, the gradients of the layers below it do not settle. Label and "
        f"feature are recovered all the same."
    )
