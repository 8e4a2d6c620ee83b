"""Whether error bars mean anything: they are worked out to first order, and noise, or a unit misread, can exceed it.

All of it is read off the recovery itself. A bar as wide as a pixel nobody knows anything of is no measurement; and bars
that rest on smoothness alone say how smooth pictures are, not how well this one is known.
"""

from __future__ import annotations

import torch

from gradinv_core.image_recovery.peel import Peeled

__all__ = ["why_no_bars"]

_WIDEST = 0.2  # of the range, root mean square; pixels anywhere in it, each as likely, have 0.29
_TORN = 10.0  # squared standard deviations per direction by which the equations object: units are on the wrong side
_SMOOTHED = 0.6  # share of the unknowns that smoothness decides, from which its bars were measured to be too narrow


def why_no_bars(std: torch.Tensor, spread: float, peeled: Peeled, noise_std: float) -> str:
    """Why no error bars are given although some were worked out; empty where they are.

    Args:
        std: (n,) standard deviations of the pixels.
        spread: from a pixel's smallest value to its largest.
        peeled: the way down to the picture.
        noise_std: of the noise in each gradient entry, 0 for none.
    """
    if peeled.objection > _TORN:
        no_picture = "no picture in the equations that keeps the range of pixels and the signs that units seem to have."
        if noise_std > 0:
            return f"No error bars: the noise is too large for them. It leaves {no_picture}"
        return f"No error bars: a unit near zero was taken for active, or silent, in error. There is {no_picture}"
    large = next((layer for layer in peeled.layers[:-1] if layer.estimated), None)
    if large is not None:
        return (
            f"No error bars: layer {large.name} has {large.unknowns:,} inputs, too many to be solved for at once. "
            f"Their errors hang together, which an estimate does not hold."
        )
    if noise_std == 0:
        return ""
    if peeled.smoothed > _SMOOTHED:
        return (
            f"No error bars: the noise is too large for them. It leaves {peeled.smoothed:.0%} of the picture to the "
            f"assumption that pictures are smooth, which tells nothing of its own error."
        )
    if float(std.square().mean().sqrt()) > _WIDEST * spread:
        return "No error bars: the noise is too large for them. They would be about as wide as the range of a pixel."
    return ""
