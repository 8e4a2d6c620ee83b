"""A named cause in the page's words. Where the server cannot tell two reasons apart, both are said."""

from dashboard.claims.server import in_words
from gradinv_core.diagnosis import Cause, Diagnosis

__all__ = ["VANISHED", "named"]

VANISHED = (
    "Every entry of the last layer's gradient is zero. Either the network already predicts its label to the last "
    "digit, or what it sees is all zeros, or the entries were set to zero on the way. Nothing can be read from it."
)
"""The sentence where there is nothing."""

_TITLES = {
    Cause.BATCH: "A batch instead of one sample, or a changed gradient",
    Cause.STRUCTURELESS: "A label without structure, or a gradient with gaps",
}
_MESSAGES = {
    Cause.VANISHED: VANISHED,
    Cause.STRUCTURELESS: "No λ makes the classes agree, and the gradient is clean: either the label follows no pattern "
    "that the server knows, or parts of the gradient were left out on the way.",
}


def named(found: Diagnosis) -> tuple[str, str]:
    """Title and sentence of a diagnosis."""
    message = _MESSAGES.get(found.cause, in_words(found.message))
    if found.cause is Cause.BATCH and "samples" in found.measures:
        message = (
            f"The last layer's gradient has {found.measures['samples']:.0f} directions; the untouched gradient of one "
            f"sample has one. Several samples were added up, or its entries were changed."
        )
    return _TITLES.get(found.cause, in_words(found.title)), message
