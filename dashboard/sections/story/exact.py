"""The exact route's result: three pictures, the numbers that judge them, the layers, and the film."""

from dataclasses import replace

import streamlit as st
import torch

from dashboard import cache
from dashboard.claims import Kind
from dashboard.claims import picture as claims
from dashboard.claims.picture import Rebuilt
from dashboard.components import Trace, frame_player
from dashboard.drawing.number_text import plain, tex
from dashboard.drawing.pictures import deviation_picture, picture_source
from dashboard.drawing.theme import palette
from dashboard.layout.picture_row import Picture, picture_row
from dashboard.layout.playback_button import offer_playback
from dashboard.layout.story import finding, formulas, number, numbers, say
from dashboard.sections.story.film import REAL_ERROR, Film, layer_curves, layer_frames, short
from dashboard.sections.story.layers import show_layers
from dashboard.sections.story.plan import film_plan, on_plan
from dashboard.sections.story.view import LabView
from gradinv_core.experiments.client.layer_inputs import true_inputs
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.metrics import psnr, ssim

__all__ = ["show", "show_formulas"]

_EACH = 1200  # milliseconds of a layer in a film to take along
_WITHIN = (
    "Of all pixels, those no further from the truth than two of the server's own error bars. Honest bars hold about "
    "95 %. An error bar is a standard deviation: how far off the server says a pixel may be."
)


def show(view: LabView, task: cache.PictureTask, recovery: ImageRecovery) -> None:
    """Draw the result.

    Args:
        view: the solved scenario.
        task: it was played on.
        recovery: the server's answer.
    """
    rebuilt, truth = Rebuilt(view.server, recovery), view.truth
    true, image = truth.image, rebuilt.shown
    decibels, similarity = psnr(image, true), ssim(image, true)
    finding(claims.finding(rebuilt, truth).text)
    st.markdown(claims.route(rebuilt, truth).text)
    if (below := claims.below(rebuilt, truth)) is not None:
        say(below)
    whose = "What the client had." if truth.pictures == 1 else f"The average of the {truth.pictures} pictures."
    pictures = [
        Picture(picture_source(true.double()), whose, truth=True),
        Picture(picture_source(image), "What the server rebuilt from the gradient."),
    ]
    bars = claims.bars(rebuilt, truth)
    shown = claims.bars_shown(rebuilt)
    if shown and rebuilt.std is not None:
        pictures.append(_error_bars(rebuilt.std, bars[0].text, view.dark))
    st.html(picture_row(pictures, "the client's picture and the server's"))
    for note in (claims.outside(rebuilt), None if shown else bars[0]):
        if note is not None and note.text:
            st.caption(note.text)
    with numbers():
        number(
            "PSNR", f"{plain(decibels, 3)} dB", "Peak signal-to-noise ratio; from 40 dB on the eye sees no difference."
        )
        number("SSIM", f"{similarity:.4f}", "Structural similarity: 1 for identical pictures.")
        for within in bars[1:]:
            number("Within the error bars", within.text, _WITHIN)
        number("Time", _duration(recovery.seconds), "From the gradient to the picture, on one processor core.")
    seen = true_inputs(task.network.model, true, {step.layer or "" for step in recovery.steps})
    show_layers(view, task, recovery, exact=claims.layers(rebuilt, truth, seen).kind is Kind.LAYERS_LEAK)
    private = task.question.private
    frames, curves = cache.film(task.key, view.dark, lambda: _film(view, task, recovery), private=private)
    if len(frames) > 1:
        frame_player(
            frames,
            key="player",
            title=_film_finding(curves),
            curves=curves,
            plan=film_plan(task.parts()),
            axis="from the feature (left) back to the picture (right)",
        )
        offer_playback(frames, "exact playback", _EACH)


def show_formulas(view: LabView, recovery: ImageRecovery) -> None:
    """The numbers under the formulas."""
    true, image = view.truth.image, Rebuilt(view.server, recovery).shown
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
    if any(layer.kind.startswith("patches") for layer in recovery.layers):
        formulas(
            r"\Delta = \frac{\partial L}{\partial P}",
            r"\frac{\partial L}{\partial W} = \Delta^{\top} X",
        )
        st.markdown(
            "A transformer adds a learned position, a row of $P$, to every patch $X W^{\\top}$. So the gradient of the "
            "positions is the gradient at the patches, and the patch layer's own is a *linear* system for $X$."
        )
    formulas(rf"\text{{PSNR}} = {tex(decibels)}\ \text{{dB}}", rf"\max |\hat x - x| = {tex(largest, 3)}")


def _film(view: LabView, task: cache.PictureTask, recovery: ImageRecovery) -> Film:
    rebuilt = Rebuilt(view.server, recovery)
    steps = short(recovery.steps)
    seen = true_inputs(task.network.model, view.truth.image, {step.layer or "" for step in steps})
    truths = [seen.get(step.layer or "") for step in steps]
    # The first and the last step need no name; and the film ends in the picture as it is shown.
    truths[0], truths[-1] = view.truth.feature, view.truth.image
    steps[-1] = replace(steps[-1], value=rebuilt.shown, std=rebuilt.std)
    if not claims.bars_shown(rebuilt):  # what is not worth showing at the picture is not worth showing on the way there
        steps = [replace(step, std=None) for step in steps]
    frames = on_plan(layer_frames(steps, truths, dark=view.dark), steps, task.parts())
    return frames, layer_curves(steps, truths)


def _film_finding(curves: list[Trace]) -> str:
    real = next((curve.texts for curve in curves if curve.name == REAL_ERROR), None)
    if real is None:
        return "Layer by layer, from the feature to the picture"
    return f"Off by {real[0]} at the feature, by {real[-1]} at the picture"


def _error_bars(std: torch.Tensor, caption: str, dark: bool) -> Picture:
    colours = palette(dark)
    return Picture(
        deviation_picture(std, float(std.max()), colours.background, colours.recovered),
        caption,
        "The standard deviation of every pixel, which the server works out without knowing the truth. "
        "Stronger colour, less sure.",
    )


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 0.95 else f"{seconds:.1f} s"
