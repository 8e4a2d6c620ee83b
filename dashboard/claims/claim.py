"""A claim: one sentence of the page about how an attack ended, with its kind, so that a test can hold it to account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Claim", "Kind"]


class Kind(StrEnum):
    """What a sentence asserts. Every kind has a checker in the tests, which knows the truth."""

    # Of the label. What the server says rests on its own results; kinds marked (truth) also compare with the client.
    UNIQUE = "unique"
    MISLED = "certain, and wrong"  # (truth)
    AVERAGE = "the average of several"  # (truth)
    FEATURE_ONLY = "feature known, label open"
    CHANGED = "the gradient was changed"
    SURE_NETWORK = "a sure network"
    NO_PATTERN = "no pattern, or changed"
    SERVER_SAYS = "what the server gives as its reason"
    LABEL_ERROR = "error of the label"  # (truth)
    RANGE = "what a class may get"
    RANGE_MISSED = "ranges that miss the truth"  # (truth)
    LABEL_GUESS = "a guess"
    FORMAT = "format"
    FORMAT_BELIEVED = "format of a wrong label"  # (truth)
    FORMAT_OPEN = "format not settled"
    LEAKED = "the way it leaked"
    NOT_LEAKED = "no way it leaked"
    # Of lambda.
    ONE_LAMBDA = "one lambda fits"
    LAMBDAS = "lambdas that fit"
    LAMBDA_MISSED = "lambdas that miss the truth"  # (truth)
    WINDOWS_ONE = "windows leave one lambda"
    WINDOWS_OPEN = "windows leave several"
    WINDOWS_NONE = "windows leave none"
    WINDOWS_MISSED = "windows that miss the truth"  # (truth)
    RACE = "who found lambda"
    RACE_MISLED = "a race for a wrong lambda"  # (truth)
    # Of the gradient and the feature.
    ONE_PATTERN = "rows share a pattern"
    MANY_PATTERNS = "rows do not share a pattern"
    FEATURE_KNOWN = "feature known"
    FEATURE_LIKELY = "feature as far as the gradient goes"
    FEATURE_OPEN = "feature but for a factor"
    FEATURE_ERROR = "error of the feature"  # (truth)
    PATTERN_EXACT = "pattern exact, size open"  # (truth)
    PATTERN_OFF = "pattern off"  # (truth)
    # Of the picture.
    SAME = "same to the eye"  # (truth)
    CLOSE = "close"  # (truth)
    RECOGNISABLE = "recognisable"  # (truth)
    FAINT = "faint"  # (truth)
    NOT = "not recovered"  # (truth)
    BRIGHTNESS_OPEN = "only brightness open"  # (truth)
    AVERAGE_PICTURE = "the average of several pictures"  # (truth)
    ROUTE = "an exact route"
    ASTRAY = "a route that went astray"  # (truth)
    BARRED = "no exact route"
    SETTLED_BELOW = "settled by the layers below"
    BARS = "error bars"
    BARS_WITHIN = "share within the error bars"  # (truth)
    NO_BARS = "no error bars"
    OUTSIDE = "pixels outside the range"
    LAYERS_LEAK = "layers leak exactly"
    LAYERS_COUNTED = "layers have enough equations"
    # Of several pictures in one step.
    BATCH_APART = "every sample of a batch read"  # (truth)
    BATCH_TOGETHER = "a batch that stays together"
    BATCH_PICTURES = "pictures of a batch that lead back to the gradient"  # (truth)
    BATCH_SEARCHED = "pictures of a batch that may be others"
    BATCH_BARRED = "no way to the pictures of a batch"
    # Of the page of failures.
    NOTHING_WRONG = "nothing went wrong"
    LABEL_LEAKS = "the label leaks"
    CAUSE = "a cause"
    CARD = "a card of the gallery"
    SEARCH_FAILED = "a search that failed"  # (truth of the exact solver)


@dataclass(frozen=True)
class Claim:
    """One sentence.

    Attributes:
        kind: what it asserts.
        text: in everyday words, Markdown allowed.
        details: numbers it asserts, by name.
        note: what it rests on, such as a condition or a named cause; empty without.
    """

    kind: Kind
    text: str
    details: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
