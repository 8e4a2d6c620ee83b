"""A mixture as an equation of pictures: first plus second makes what the network sees."""

from html import escape

import torch

from dashboard.drawing.number_text import percent
from dashboard.drawing.pictures import picture_source
from gradinv_core.experiments.client.training_step import ClientStep

__all__ = ["mixture_row"]

_GRID = (
    "display: grid; grid-template-columns: 1fr auto 1fr auto 1fr; gap: 0.4rem clamp(0.3rem, 1.5vw, 0.9rem); "
    "align-items: center; max-width: 46rem"
)
_PICTURE = "display: block; width: 100%; aspect-ratio: 1; image-rendering: pixelated; border-radius: 0.3rem"
_SIGN = "font-size: 1.6rem; line-height: 1"
_CAPTION = "align-self: start; text-align: center; font-size: 0.9rem; line-height: 1.35"


def mixture_row(client: ClientStep, class_names: list[str]) -> str:
    """HTML of the row.

    Args:
        client: a step with two pictures.
        class_names: (C,) names.
    """
    if client.partner is None or client.partner_target is None:
        raise ValueError("a mixture has two pictures")
    first, second = class_names[client.target], class_names[client.partner_target]
    signs = [_cell("+"), _cell("=")]
    pictures = [
        _picture(client.original, f"first picture: {first}"),
        _picture(client.partner, f"second picture: {second}"),
        _picture(client.sample.image, f"their mixture: {first} and {second}"),
    ]
    captions = [f"{percent(client.share)} “{first}”", f"{percent(1 - client.share)} “{second}”", "the mixture"]
    upper = pictures[0] + signs[0] + pictures[1] + signs[1] + pictures[2]
    lower = "<span></span>".join(f'<div style="{_CAPTION}">{escape(text)}</div>' for text in captions)
    return f'<div style="{_GRID}" data-testid="mixture">{upper}{lower}</div>'


def _picture(image: torch.Tensor, description: str) -> str:
    return f'<img src="{picture_source(image)}" alt="{escape(description)}" style="{_PICTURE}">'


def _cell(sign: str) -> str:
    return f'<span style="{_SIGN}">{sign}</span>'
