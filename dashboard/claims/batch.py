"""What the page says of a gradient of several samples."""

from dashboard.claims.claim import Claim, Kind
from dashboard.claims.plain_words import in_words
from gradinv_core.batch_recovery import BatchRecovery

__all__ = ["headline", "labels", "outcome"]


def outcome(answers: BatchRecovery) -> Claim:
    """The server's own sentence about the whole batch."""
    kind = Kind.BATCH_APART if answers.unique == len(answers) > 0 else Kind.BATCH_TOGETHER
    return Claim(kind, in_words(answers.message), {"unique": answers.unique, "answers": len(answers)})


def labels(answers: BatchRecovery) -> str:
    """The finding over the labels."""
    return f"{answers.unique} of {len(answers)} soft labels are settled"


def headline(answers: BatchRecovery, pictures: int) -> str:
    """The verdict: how many labels and pictures one gradient gave away."""
    seen = f"{answers.unique} soft labels" if answers.unique != 1 else "One soft label"
    shown = f" and {pictures} pictures" if pictures > 1 else ""
    return f"{seen}{shown} are read off this one gradient of several pictures"
