"""The core's sentences in the page's words: what it says to programmers is never shown to those who read the page."""

import re
from typing import Any

from dashboard.drawing.number_text import plain
from gradinv_core.errors import (
    ClassCountError,
    DatasetUnavailableError,
    GradientInversionError,
    ImageFileError,
    LabelError,
    NoExactRouteError,
    NonFiniteError,
    OptionError,
    RankError,
    ShapeError,
    TensorFileError,
)

__all__ = ["CONTRADICTION", "in_words", "of_error", "speaks_to_programmers"]

_OPTION = re.compile(r"(;[^;.]*|\b)[a-z_]+=['\"]?[\w.]+['\"]?")  # such as gradient_scale='unknown'
_EXPONENT = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?e[-+]?\d+\b")
_MINUS = re.compile(r"(?<![\w.)\]])-(?=\d)")
_PERCENT = re.compile(r"(?<=\d)%")
_NAMED_TWICE = re.compile(r"\blayers? (?=layer\d)")  # modules of residual networks are called so themselves
_FOR_PROGRAMMERS = re.compile(
    r"\b[a-z]+_[a-z_]+\b|\bLabel_|\.weight\b|\.bias\b|\bnn\.|[a-z_]+=['\"]|: expected |\bNaN\b|<\w+ error|\d[eE][-+]\d"
)

CONTRADICTION = (
    "The layers' equations contradict each other: this is not the untouched gradient of one picture, or the label "
    "read off it is not the right one. Only a search is left."
)
"""Where a layer's gradient is not what the layers above it say."""

_TRANSLATIONS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), words)
    for pattern, words in (
        (
            r"label_format .*expected at least (?P<needed>\d+) classes, got (?P<classes>\d+)",
            "With {classes} classes too few can agree: λ is found and checked by classes that share a value, and that "
            "takes {needed}. A bias in the last layer would tell λ at once.",
        ),
        (
            r"gradients: expected an entry \S+ for the last layer|hold no entry \S+: the last layer",
            "The last layer's gradient was not sent. Label and feature are read off it, so there is nothing to begin "
            "with.",
        ),
        (r"gradients: expected an entry", "The gradient of one layer was not sent, and this attack needs it."),
        (
            r"was not sent, and the exact route needs that of the positions",
            "The gradient of the patch layer or of the learned positions was not sent, and the exact route needs both. "
            "Gradient matching does with those that were sent.",
        ),
        (
            r"no gradient reaches the patches",
            "No gradient reaches the patches of the picture, as it is while the last layer's weights are zero.",
        ),
        (
            r"summed over the patches, that of \S+ differs",
            "The gradient of the learned positions is not that of the patches: positions are used elsewhere too, or "
            "the gradient was changed on the way. Only a search is left.",
        ),
        (
            r"cuts the picture into (?P<count>\d+) patches, but no learned position",
            "This network cuts the picture into {count} patches and learns no position for each of them, so nothing "
            "that was sent is the gradient of every patch alone: no exact route to the picture is known. Label and "
            "feature leak all the same.",
        ),
        (
            r"the gradient of layer \S+ was not sent",
            "The gradient of one layer was not sent, and the exact route needs that of every layer. Gradient matching "
            "does with those that were sent.",
        ),
        (
            r"weight_grad: expected the gradient of one sample.* (?P<share>\d+)% of its norm",
            "The last layer's gradient is far from one outer product: what is left over is {share} % of its size. It "
            "is that of several pictures, or it was changed on the way.",
        ),
        (
            r"gradients: expected the last layer of one sample.* misses that by (?P<share>\d+)%",
            "The last layer's gradient is not that of one picture, also where nothing was cut out of it: what is left "
            "over is {share} % of its size. Several pictures, or other changes, look like this.",
        ),
        (
            r"bias_grad: expected the gradient of the same sample",
            "The gradients of the last layer's weights and of its bias contradict each other: one of them was changed, "
            "or they are not those of one picture.",
        ),
        (r"gradient \S+: expected the product|label and feature: expected|gradient \S+: expected one", CONTRADICTION),
        (
            r"gradient: expected one that is not zero",
            "Every number that was sent is zero, so there is nothing to work with.",
        ),
        (
            r"loss: expected a finite number",
            "The search met a number that is infinite: try another seed, or start from another picture.",
        ),
        (
            r"(label_mode|terms): expected .* was not sent",
            "The last layer was not sent, and this search reads something off it. Search with a learned label.",
        ),
        (r"defences: expected at most (?P<most>\d+)", "There is room for {most} defences at a time: leave one out."),
        (
            r"privacy budget: expected the package",
            "The budget is not counted here: that takes the package Opacus, which this computer does not have.",
        ),
        (
            r"(?P<title>[\w-]+) has to be downloaded once",
            "{title} has to be downloaded once, and that does not work now: this computer is not connected to the "
            "internet, or the place it comes from does not answer. Choose a dataset without “(download)”, or connect "
            "and try again.",
        ),
        (
            r"layer \S+: expected at least one active unit",
            "In one layer no unit is active, so no gradient reaches the layers below it.",
        ),
        (
            r"too badly conditioned",
            "Some equations of this network are so alike that rounding drowns the answer. Gradient matching needs "
            "none of them.",
        ),
        (
            r"has [\d,]+ equations for the [\d,]+ unknowns of each of its input's channels",
            "No exact route to the picture is known for a network of this kind: in one of its layers the gradient has "
            "fewer equations than the walk back through it needs. Label and feature leak all the same.",
        ),
        (
            r"layer \S+ is an? (?P<kind>\w+)\. Label and feature",
            "No exact route to the picture is known for a network of this kind: it is no plain chain of layers that "
            "can be undone one after the other. Label and feature leak all the same.",
        ),
        (
            r"no exact route to the image is known for this network yet: .*\bmax pool\b",
            "No exact route to the picture is known for a network of this kind: one of its max pools drops all but the "
            "largest of a few numbers, and it stands where the walk back cannot do without the others. Label and "
            "feature leak all the same.",
        ),
        (
            r"no exact route to the image is known for this network yet: ",
            "No exact route to the picture is known for a network of this kind: one of its operations has no rule to "
            "be walked back through. Label and feature leak all the same.",
        ),
    )
)

_BY_KIND: tuple[tuple[type[GradientInversionError], str], ...] = (
    (ClassCountError, "There are too few classes for this attack."),
    (DatasetUnavailableError, "This dataset cannot be downloaded now. Choose another one."),
    (LabelError, "This is no label: its shares have to be 0 or more, and sum to 1."),
    (NoExactRouteError, "No exact route to the picture is known here. Label and feature may leak all the same."),
    (NonFiniteError, "Some numbers became infinite: the network's weights are too large to compute with."),
    (RankError, "This is not the untouched gradient of one picture, so the attack has nothing to hold on to."),
    (ShapeError, "Network and gradient do not fit together: their sizes differ."),
    (ImageFileError, "This file cannot be used as a picture."),
    (TensorFileError, "This file cannot be used as a gradient."),
    (OptionError, "These settings do not go together: change one of them."),
    (GradientInversionError, "This ended without a result: try other settings."),
)
"""For an error whose sentence is not known above; a subclass stands before its base."""


def in_words(text: str) -> str:
    """Sentences of the core in the page's words: its letter for lambda, its numbers, and no options of a program."""
    if speaks_to_programmers(text) and (known := _translated(text)):
        return known
    parts = re.split(r"(?<=[.!?])\s+", text)
    kept = [part for part in parts if not _OPTION.search(part)]
    text = " ".join(kept or [_OPTION.sub("", part) for part in parts])
    text = _NAMED_TWICE.sub("", text).replace("skips pixels", "passes over pixels")  # a skip is something else here
    text = text.replace("lambda", "λ").replace("Lambda", "λ").replace("-inf to inf", "−∞ to ∞")
    text = _EXPONENT.sub(lambda found: plain(float(found[0]), 2), text)
    return _PERCENT.sub(" %", _MINUS.sub("−", text))


def of_error(error: GradientInversionError) -> str:
    """What an error of the core means for somebody who reads the page: no name of an option, no parameter."""
    if known := _translated(str(error)):
        return known
    text = in_words(error.sentence)
    if not speaks_to_programmers(text):
        return text
    return next(words for kind, words in _BY_KIND if isinstance(error, kind))


def speaks_to_programmers(text: str) -> bool:
    """Whether a text holds something that only those who call the library know: an option, a parameter's name."""
    return _FOR_PROGRAMMERS.search(text) is not None


def _translated(text: str) -> str:
    for pattern, words in _TRANSLATIONS:
        if found := pattern.search(text):
            named: dict[str, Any] = found.groupdict()
            return words.format(**named)
    return ""
