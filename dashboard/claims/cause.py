"""A named cause in the page's words. Where the server cannot tell two reasons apart, both are said."""

from dashboard.claims.plain_words import in_words
from dashboard.drawing.number_text import percent, plain
from gradinv_core.diagnosis import Cause, Diagnosis

__all__ = ["NO_FORMAT", "VANISHED", "named"]

VANISHED = (
    "Every entry of the last layer's gradient is zero. Either the network already predicts its label to the last "
    "digit, or what it sees is all zeros, or the entries were set to zero on the way. Nothing can be read from it."
)
"""The sentence where there is nothing."""

NO_FORMAT = (
    "Either this label follows no pattern that the server knows, or the gradient is not that of one plain training "
    "step: class weights, another loss, a temperature, several local steps, two heads and missing entries look like "
    "this."
)
"""Where λ is told, and the label it means has no known form."""

_UNSTEADY = "A layer in which errors grow"
_TITLES = {
    Cause.BATCH: "A batch instead of one sample, or a changed gradient",
    Cause.STRUCTURELESS: "A label without structure, or a gradient with gaps",
    Cause.OTHER_LOSS: "Another loss than cross-entropy, or a changed gradient",
    Cause.TEMPERATURE: "A temperature in the loss, or a changed gradient",
}
_MESSAGES = {
    Cause.VANISHED: VANISHED,
    Cause.STRUCTURELESS: "At no λ do the classes agree, and the gradient is clean: either the label follows no pattern "
    "that the server knows, or parts of the gradient were left out on the way.",
}


def named(found: Diagnosis) -> tuple[str, str]:
    """Title and sentence of a diagnosis."""
    if found.cause is Cause.RANK_DEFICIENT and found.measures.get("rank", 0) >= found.measures.get("unknowns", 1):
        return _UNSTEADY, (
            f"A layer has enough equations for all its {found.measures['unknowns']:,.0f} inputs, but some hang "
            f"together so closely that rounding grows in them: they are known to "
            f"{plain(found.measures['error'], 2)} of their size."
        )
    message = _MESSAGES.get(found.cause) or _with_numbers(found) or in_words(found.message)
    return _TITLES.get(found.cause, in_words(found.title)), message


def _with_numbers(found: Diagnosis) -> str:
    """The sentences whose numbers the page writes its own way; empty for all others."""
    measures = found.measures
    if found.cause is Cause.BATCH and "samples" in measures:
        return (
            f"The last layer's gradient has {measures['samples']:.0f} directions; the untouched gradient of one sample "
            f"has one. Several samples were added up, or its entries were changed."
        )
    if found.cause is Cause.WEIGHT_DECAY:
        return (
            f"What the last layer's gradient holds beside its one direction is {plain(measures['weight decay'], 2)} "
            f"times the layer's own weights: weight decay was added to it."
        )
    if found.cause is Cause.RANK_DEFICIENT and "rank" in measures:
        known = f"{measures['rank']:,.0f} of its {measures['unknowns']:,.0f} inputs"
        if "silent" in found.message:
            share = percent(measures["flat units"])
            return f"{share} of the units above one layer are silent, so its equations determine {known}."
        return f"The equations of one layer determine {known}."
    if found.cause is Cause.NOISY and 0 < measures.get("noise", 0) < 1:
        return (
            f"{plain(100 * measures['noise'], 2)} % of the last layer's gradient lies outside the one direction of a "
            f"single sample, more than rounding leaves. Noise this large fits a range of answers."
        )
    if found.cause is Cause.TRAINING_BATCH_NORM and "scale invariance" in measures:
        return (
            f"Every channel's weights are at right angles to their gradient (cosine "
            f"{plain(measures['scale invariance'], 1)}), which only batch norm in training mode forces: it took the "
            f"sample's own statistics, which the server does not know."
        )
    return ""
