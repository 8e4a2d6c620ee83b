"""Step 6: the picture itself, and how it was rebuilt."""

from collections.abc import Callable

import streamlit as st
import torch

from dashboard.components import Frame, frame_player
from dashboard.number_text import plain, tex
from dashboard.pictures import enlarge, layer_picture
from dashboard.sections.view import LabView, mathematics, number, numbers, step
from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.metrics import psnr, ssim

__all__ = ["show"]


def show(view: LabView, recover: Callable[[], ImageRecovery]) -> None:
    """Draw the step.

    Args:
        view: the solved scenario.
        recover: runs the server's image attack; may raise `NoExactRouteError`.
    """
    step(6, "The picture", "From the feature, the server tries to walk back through the layers to the pixels.")
    try:
        recovery = recover()
    except NoExactRouteError as error:
        sentence = str(error)
        st.info(sentence[:1].upper() + sentence[1:], icon=":material/block:")
        return
    true = view.client.sample.image
    decibels, similarity = psnr(recovery.image, true), ssim(recovery.image, true)
    st.subheader(_finding(decibels))
    left, right = st.columns(2, gap="large")
    left.image(enlarge(true, 480), caption="What the client had.", width="stretch")
    right.image(enlarge(recovery.image, 480), caption="What the server rebuilt from the gradient.", width="stretch")
    with numbers():
        number(
            "PSNR", f"{plain(decibels, 3)} dB", "Peak signal-to-noise ratio; from 40 dB on the eye sees no difference."
        )
        number("SSIM", f"{similarity:.4f}", "Structural similarity: 1 for identical pictures.")
        number("Method", recovery.method, recovery.reason)
    frames = _frames(recovery)
    if len(frames) > 1:
        frame_player(frames, key="player", title="Layer by layer, from the feature to the picture")
    with mathematics():
        st.latex(
            r"\frac{\partial L}{\partial W_\ell} = \delta_\ell\, h_{\ell-1}^{\top} \quad\Rightarrow\quad "
            r"h_{\ell-1} = \frac{1}{\lVert \delta_\ell \rVert^2} "
            r"\left(\frac{\partial L}{\partial W_\ell}\right)^{\!\top} \delta_\ell"
        )
        largest = float((recovery.image.double() - true.double()).abs().max())
        st.latex(rf"\text{{PSNR}} = {tex(decibels)}\ \text{{dB}}, \qquad \max |\hat x - x| = {tex(largest, 3)}")


def _finding(decibels: float) -> str:
    if decibels >= 40:
        return "Recovered: the eye sees no difference"
    if decibels >= 20:
        return "Recognisable"
    return "Not recovered"


def _frames(recovery: ImageRecovery) -> list[Frame]:
    return [Frame(layer_picture(step.value), step.title, _size(step.value)) for step in recovery.steps]


def _size(value: torch.Tensor) -> str:
    shape = " × ".join(str(side) for side in value.shape)
    return f"{value.numel():,} numbers ({shape})." if value.ndim > 1 else f"{value.numel():,} numbers."
