"""What may be said of the pictures of a batch, and of where the way down to them ends."""

from __future__ import annotations

from collections.abc import Sequence

from gradinv_core.batch_recovery.pictures.result import BatchLayer

__all__ = ["contradicts", "reason_for", "signs_stay_open", "some_stay_open", "too_few"]

_TIMES_APART = 100.0  # rounding, or the head's noise, times this: no batch misses its own product by as much
_TO_SPARE = 1.5  # equations for each unknown, from which a fit to rounding could not be by choice
_OFF = 0.1  # relative error of a feature from which a picture is not borne out


def reason_for(
    layers: Sequence[BatchLayer], noise: float, how: str, agreement: Sequence[float], replayed: float
) -> str:
    """How the pictures came about, or where the way ended, and what the replay says.

    Args:
        layers: what was read.
        noise: of the gradient, relative; rounding at least.
        how: what the first layer gave, in a sentence.
        agreement: of each picture, see `BatchPictures`; empty without.
        replayed: likewise.
    """
    parts = []
    if layers:
        exact = all(
            layer.misfit <= _TIMES_APART * noise
            and not layer.unsettled
            and layer.equations >= _TO_SPARE * layer.unknowns
            for layer in layers
        )
        samples = len(layers[0].inputs)
        whose = {1: "the sample", 2: "both samples"}.get(samples, f"all {samples} samples")
        count = sum(layer.name.count(",") + 1 for layer in layers)
        parts.append(
            f"The weight {'gradients' if count > 1 else 'gradient'} of {count} {'layers' if count > 1 else 'layer'} "
            f"below the last {'give what they read' if count > 1 else 'gives what it reads'} of {whose}"
            f"{', exactly but for rounding' if exact else ''}."
        )
    parts.append(how)
    if agreement:
        parts.append(
            f"Sent through the network, the pictures lead to the features that the last layer gave away to "
            f"{max(agreement):.1e}, and to the gradient that came to {replayed:.1e}."
        )
        off = sum(each > _OFF for each in agreement)
        if off:
            parts.append(f"{off} of {len(agreement)} pictures are not borne out by their feature.")
    return " ".join(parts)


def too_few(names: str, equations: int, samples: int, unknowns: int) -> str:
    """A layer's gradient has not as many equations as its input's channel has unknowns in all samples."""
    return (
        f"the gradient of layer {names} has {equations:,} equations for the {samples} x {unknowns:,} unknowns of each "
        f"of its input's channels, too few for {samples} samples."
    )


def some_stay_open(names: str, rank: int, samples: int, unknowns: int) -> str:
    """It has as many, and they are not independent."""
    return (
        f"the gradient of layer {names} determines {rank:,} of the {samples} x {unknowns:,} unknowns of each of its "
        f"input's channels; where too few units are active, some stay open."
    )


def signs_stay_open(names: str) -> str:
    """It has hardly more, and units above it could have been active or not."""
    return f"which units above layer {names} were active in which sample, its few equations do not settle."


def contradicts(names: str, samples: int, misfit: float, channels: int) -> str:
    """It is not that of such a batch at all."""
    besides = f", besides {channels:,} output channels that do not fit at all" if channels else ""
    return (
        f"{names}: expected a weight gradient of {samples} samples as the layers above tell it, got one that differs "
        f"by {misfit:.1%}{besides}; the pictures end here."
    )
