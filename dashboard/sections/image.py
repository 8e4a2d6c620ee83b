"""Step 6: the picture itself, and how it was rebuilt."""

from collections.abc import Callable

import streamlit as st
import torch

from dashboard.components import Frame, frame_player
from dashboard.number_text import plain, tex
from dashboard.pictures import enlarge, layer_picture
from dashboard.sections.view import LabView, finding, formulas, mathematics, number, numbers, step
from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.metrics import cosine_similarity, psnr, ssim

__all__ = ["show"]

_SENTENCE = "From the feature, the server tries to walk back through the layers to the pixels."
_EXPLANATION = "Each layer's gradient is a product, too: of what went into the layer, and of what it did to the loss."
_SAME_PICTURE = 0.9999  # cosine similarity from which two pictures differ in brightness alone


def show(view: LabView, recover: Callable[[], ImageRecovery]) -> None:
    """Draw the step.

    Args:
        view: the solved scenario.
        recover: runs the server's image attack; may raise `NoExactRouteError`.
    """
    step(
        6,
        "The picture",
        "From the feature, the server tries to walk back through the layers to the pixels.",
        _EXPLANATION,
    )
    try:
        recovery = recover()
    except NoExactRouteError as error:
        sentence = str(error)
        st.info(sentence[:1].upper() + sentence[1:], icon=":material/block:")
        return
    true = view.client.sample.image
    shown = recovery.image if view.settled else _within_range(recovery.image)
    decibels, similarity = psnr(shown, true), ssim(shown, true)
    same = cosine_similarity(recovery.image.flatten(), true.flatten()) >= _SAME_PICTURE
    finding("The picture leaks; only its brightness is open" if same and not view.settled else _quality(decibels))
    left, right = st.columns(2, gap="large")
    left.image(enlarge(true, 480), caption="What the client had.", width="stretch")
    right.image(enlarge(shown, 480), caption="What the server rebuilt from the gradient.", width="stretch")
    with numbers():
        number(
            "PSNR", f"{plain(decibels, 3)} dB", "Peak signal-to-noise ratio; from 40 dB on the eye sees no difference."
        )
        number("SSIM", f"{similarity:.4f}", "Structural similarity: 1 for identical pictures.")
        number("Method", recovery.method, recovery.reason)
    frames = _frames(recovery, shown)
    if len(frames) > 1:
        frame_player(frames, key="player", title="Layer by layer, from the feature to the picture")
    with mathematics():
        formulas(
            r"\frac{\partial L}{\partial W_\ell} = \delta_\ell\, h_{\ell-1}^{\top}",
            r"h_{\ell-1} = \frac{1}{\lVert \delta_\ell \rVert^2} "
            r"\left(\frac{\partial L}{\partial W_\ell}\right)^{\!\top} \delta_\ell",
        )
        largest = float((shown.double() - true.double()).abs().max())
        formulas(rf"\text{{PSNR}} = {tex(decibels)}\ \text{{dB}}", rf"\max |\hat x - x| = {tex(largest, 3)}")


def _quality(decibels: float) -> str:
    if decibels >= 40:
        return "Recovered: the eye sees no difference"
    if decibels >= 20:
        return "Recognisable"
    return "Not recovered"


def _within_range(image: torch.Tensor) -> torch.Tensor:
    """The image (3, h, w), darkened until its brightest pixel is white: no picture is brighter, the server knows."""
    return image / image.max().clamp(min=1.0)


def _frames(recovery: ImageRecovery, shown: torch.Tensor) -> list[Frame]:
    """The way back, ending in the picture as it is shown."""
    *before, last = recovery.steps
    pictures = [*((layer.value, layer.title) for layer in before), (shown, last.title)]
    return [Frame(layer_picture(value), title, _size(value)) for value, title in pictures]


def _size(value: torch.Tensor) -> str:
    shape = " × ".join(str(side) for side in value.shape)
    return f"{value.numel():,} numbers ({shape})." if value.ndim > 1 else f"{value.numel():,} numbers."
