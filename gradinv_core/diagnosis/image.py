"""Why the layers did not give the picture exactly: flat units, or fewer equations than unknowns."""

from __future__ import annotations

import torch
from torch import nn

from gradinv_core.diagnosis.cause import Cause, Diagnosis
from gradinv_core.diagnosis.front_door import diagnose
from gradinv_core.diagnosis.slopes import slopes_above, weakest_layer
from gradinv_core.errors import NoExactRouteError
from gradinv_core.gradients import GradientsLike
from gradinv_core.image_recovery.chain import Link, network_chain
from gradinv_core.image_recovery.result import ImageRecovery, LayerRecovery
from gradinv_core.label_recovery import Status
from gradinv_core.wrappers import unwrapped

__all__ = ["diagnose_image"]

_MANY_FLAT = 0.1  # share of flat units that explains errors in a layer whose equations are enough
_FLAT = 1e-2  # slope beside the activation's steepest, below which a unit is called flat


def diagnose_image(
    model: nn.Module,
    gradients: GradientsLike,
    recovery: ImageRecovery | None,
    input_shape: tuple[int, ...],
    *,
    head: str | None = None,
) -> Diagnosis:
    """Say what kept the picture from coming out exactly, from what the server holds.

    Args:
        model: the network, with the weights the client used.
        gradients: as they arrived, anything that `read_gradients` takes.
        recovery: what `reconstruct_image` found by the analytic route; None where that knew no way.
        input_shape: (channels, height, width).
        head: as in `diagnose`.

    Returns:
        The cause: that of the label attack if there is one which the layers did not mend, else that of the first layer
        on the way down that is not exact.
    """
    model = unwrapped(model)
    of_label = diagnose(model, gradients, head=head)
    settled = recovery is not None and (
        not recovery.rests_on_label or (recovery.label is not None and recovery.label.status is Status.UNIQUE)
    )
    if of_label.cause is not Cause.NONE and not settled:
        return of_label
    if Cause.TRAINING_BATCH_NORM in of_label.traces:
        return Diagnosis(
            Cause.TRAINING_BATCH_NORM,
            f"Every channel's weights are at right angles to their gradient (cosine "
            f"{of_label.measures['scale invariance']:.0e}), which only batch norm in training mode forces: it took the "
            f"sample's own statistics, which the server does not know.",
            of_label.measures,
            of_label.traces,
        )
    if recovery is None or not recovery.layers:
        return Diagnosis(Cause.NO_CHAIN, _why_no_chain(model, input_shape), of_label.measures, of_label.traces)
    weak = weakest_layer(recovery)
    if weak is None:
        return Diagnosis(Cause.NONE, recovery.reason, of_label.measures, of_label.traces)
    return _of_layer(weak, _links(model, input_shape), recovery, of_label)


def _of_layer(layer: LayerRecovery, links: list[Link], recovery: ImageRecovery, of_label: Diagnosis) -> Diagnosis:
    """Flat units above it, or too few equations in it; no units are looked at where there is no chain of them."""
    slopes, silent = slopes_above(layer.name, links, recovery) if links else (torch.zeros(0), False)
    flat = float((slopes < _FLAT).double().mean()) if len(slopes) else 0.0
    measures = dict(of_label.measures) | {
        "unknowns": float(layer.unknowns),
        "rank": float(layer.rank),
        "error": layer.error,
        "flat units": flat,
    }
    determined = layer.rank >= layer.unknowns  # then its equations are enough, and errors are what spoils them
    if not silent and (flat > 0.5 or (determined and flat > _MANY_FLAT)):
        return Diagnosis(
            Cause.SATURATED,
            f"{flat:.0%} of the units above layer {layer.name} sit where their activation is flat: rounding drowns "
            f"what they say of its {layer.unknowns:,} inputs.",
            measures,
            of_label.traces,
        )
    reason = f"{flat:.0%} of the units above it are silent, and " if silent else ""
    return Diagnosis(
        Cause.RANK_DEFICIENT,
        f"In layer {layer.name} {reason}the equations determine {layer.rank:,} of {layer.unknowns:,} inputs.",
        measures,
        of_label.traces,
    )


def _links(model: nn.Module, input_shape: tuple[int, ...]) -> list[Link]:
    """The network as a chain; empty where it is none: there the picture came another way."""
    try:
        return network_chain(model, input_shape)
    except NoExactRouteError:
        return []


def _why_no_chain(model: nn.Module, input_shape: tuple[int, ...]) -> str:
    try:
        network_chain(model, input_shape)
    except NoExactRouteError as error:
        return error.sentence
    return "No gradient reaches the layers below the head."
