"""The exact route's result: three pictures, the numbers that judge them, the layers, and the film."""

from dataclasses import replace

import streamlit as st
import torch

from dashboard import cache
from dashboard.client_layers import true_inputs
from dashboard.components import Curve, frame_player
from dashboard.frames import REAL_ERROR, layer_curves, layer_frames
from dashboard.number_text import percent, plain, tex
from dashboard.pictures import deviation_picture, picture_source
from dashboard.sections import strip
from dashboard.sections.picture_row import Picture, picture_row
from dashboard.sections.view import LabView, finding, formulas, number, numbers
from dashboard.theme import palette
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.label_recovery import Status
from gradinv_core.metrics import cosine_similarity, psnr, ssim

__all__ = ["show", "show_formulas"]

_SAME_PICTURE = 0.9999  # cosine similarity from which two pictures differ in brightness alone
_SAME_TO_THE_EYE, _CLOSE, _RECOGNISABLE = 40.0, 30.0, 20.0  # decibels
_SIGMAS = 2.0
_HONEST = 0.85  # share of pixels within that many error bars from which they are worth believing
_WITHIN = (
    "Of all pixels, those no further from the truth than two of the server's own error bars. Honest bars hold about "
    "95 %. An error bar is a standard deviation: how far off the server says a pixel may be."
)


def show(view: LabView, stage: cache.Stage, job: int, recovery: ImageRecovery) -> None:
    """Draw the result.

    Args:
        view: the solved scenario.
        stage: it was played on.
        job: number of the job that found it.
        recovery: the server's answer.
    """
    true, image, settled = view.client.sample.image, _shown(view, recovery), _settled(view, recovery)
    decibels, similarity = psnr(image, true), ssim(image, true)
    same = cosine_similarity(recovery.image.flatten(), true.flatten()) >= _SAME_PICTURE
    open_brightness = same and not settled
    finding("The picture leaks; only its brightness is open" if open_brightness else _quality(decibels, recovery, true))
    st.markdown(recovery.reason)
    if settled and not view.settled and recovery.label is not None:
        below = recovery.label.message.replace("lambda", "λ")
        if view.tampered:
            words = "The layers below agree on one λ all the same; the label it means need not be the client's."
            st.warning(f"**Not to be trusted.** {view.diagnosis.title}. {words}")
        else:
            st.info(f"**Settled after all.** What the last layer left open, those below it decide. {below}")
    pictures = [
        Picture(picture_source(true.double()), "What the client had.", truth=True),
        Picture(picture_source(image), "What the server rebuilt from the gradient."),
    ]
    if recovery.std is not None:
        pictures.append(_error_bars(recovery.std, view.dark))
    st.html(picture_row(pictures, "the client's picture and the server's"))
    with numbers():
        number(
            "PSNR", f"{plain(decibels, 3)} dB", "Peak signal-to-noise ratio; from 40 dB on the eye sees no difference."
        )
        number("SSIM", f"{similarity:.4f}", "Structural similarity: 1 for identical pictures.")
        if recovery.std is not None:
            number("Within the error bars", percent(_share_within(recovery, true)), _WITHIN)
        number("Time", _duration(recovery.seconds), "From the gradient to the picture, on one processor core.")
    strip.show_layers(view, stage.network, recovery)
    frames, curves = cache.film(job, view.dark, lambda: _film(view, stage, recovery), private=view.scenario.own_photo)
    if len(frames) > 1:
        frame_player(
            frames,
            key="player",
            title=_film_finding(curves),
            curves=curves,
            axis="from the feature (left) back to the picture (right)",
        )


def show_formulas(view: LabView, recovery: ImageRecovery) -> None:
    """The numbers under the formulas."""
    true, image = view.client.sample.image, _shown(view, recovery)
    largest = float((image.double() - true.double()).abs().max())
    decibels = psnr(image, true)
    if any(layer.kind.startswith("convolution") for layer in recovery.layers):
        formulas(
            r"W_\ell \ast h_{\ell-1} + b_\ell = z_\ell",
            r"\frac{\partial L}{\partial W_\ell} = h_{\ell-1} \star \delta_\ell",
        )
        st.markdown(
            "A convolution's input stands in two systems of *linear* equations: what came out of the layer, and what "
            "its weights' gradient is. Each equation counts by its own noise; the solution comes with error bars."
        )
    formulas(rf"\text{{PSNR}} = {tex(decibels)}\ \text{{dB}}", rf"\max |\hat x - x| = {tex(largest, 3)}")


def _film(view: LabView, stage: cache.Stage, recovery: ImageRecovery) -> cache.Film:
    seen = true_inputs(stage.network.model, view.client.sample.image, {step.layer or "" for step in recovery.steps})
    steps, truths = list(recovery.steps), [seen.get(step.layer or "") for step in recovery.steps]
    # The first and the last step need no name; and the film ends in the picture as it is shown.
    truths[0], truths[-1] = view.client.truth.feature, view.client.sample.image
    steps[-1] = replace(steps[-1], value=_shown(view, recovery))
    return layer_frames(steps, truths, dark=view.dark), layer_curves(steps, truths)


def _film_finding(curves: list[Curve]) -> str:
    real = next((curve.texts for curve in curves if curve.name == REAL_ERROR), None)
    if real is None:
        return "Layer by layer, from the feature to the picture"
    return f"Off by {real[0]} at the feature, by {real[-1]} at the picture"


def _settled(view: LabView, recovery: ImageRecovery) -> bool:
    """Whether one lambda fits: the layers below the head may settle what the head alone leaves open."""
    return recovery.label.status is Status.UNIQUE if recovery.label is not None else view.settled


def _shown(view: LabView, recovery: ImageRecovery) -> torch.Tensor:
    """The picture (3, h, w); where its brightness is open, darkened until its brightest pixel is white."""
    image = recovery.image
    return image if _settled(view, recovery) else image / image.max().clamp(min=1.0)


def _quality(decibels: float, recovery: ImageRecovery, true: torch.Tensor) -> str:
    if decibels >= _SAME_TO_THE_EYE:
        return "Recovered: the eye sees no difference"
    if decibels >= _CLOSE:
        words = "Recovered but for small differences"
    else:
        words = "Recognisable" if decibels >= _RECOGNISABLE else "Not recovered"
    honest = recovery.std is not None and _share_within(recovery, true) >= _HONEST
    return f"{words}, and the server's error bars say so" if honest else words


def _error_bars(std: torch.Tensor, dark: bool) -> Picture:
    colours, largest = palette(dark), float(std.max())
    return Picture(
        deviation_picture(std, largest, colours.background, colours.recovered),
        f"How unsure the server is, pixel by pixel: up to {plain(largest, 2)}.",
        "The standard deviation of every pixel, which the server works out without knowing the truth. "
        "Pixels run from 0 to 1. Stronger colour, less sure.",
    )


def _share_within(recovery: ImageRecovery, true: torch.Tensor) -> float:
    if recovery.std is None:
        raise ValueError("no error bars")
    return float(((recovery.image - true.double()).abs() <= _SIGMAS * recovery.std).double().mean())


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 0.95 else f"{seconds:.1f} s"
