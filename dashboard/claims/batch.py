"""What the page says of a gradient of several samples."""

from dashboard.claims.claim import Claim, Kind
from dashboard.claims.plain_words import in_words, of_error
from gradinv_core.batch_recovery import BatchRecovery
from gradinv_core.experiments.server.batch import BatchAttack

__all__ = ["headline", "labels", "outcome", "pictures"]

_LEADS_BACK = 1e-3  # relative error of a feature, up to which a picture is the one that made it


def outcome(answers: BatchRecovery) -> Claim:
    """The server's own sentence about the whole batch."""
    kind = Kind.BATCH_APART if answers.unique == len(answers) > 0 else Kind.BATCH_TOGETHER
    return Claim(kind, in_words(answers.message), {"unique": answers.unique, "answers": len(answers)})


def labels(answers: BatchRecovery) -> str:
    """The finding over the labels."""
    return f"{answers.unique} of {len(answers)} soft labels are settled"


def pictures(attack: BatchAttack) -> Claim | None:
    """How the pictures came about, and whether they lead back to the gradient; None before they were tried."""
    if attack.why_none is not None:
        return Claim(Kind.BATCH_BARRED, of_error(attack.why_none))
    found = attack.pictures
    if found is None:
        return None
    if found.images is None:
        return Claim(Kind.BATCH_BARRED, in_words(found.reason))
    borne_out = found.settled and max(found.agreement) <= _LEADS_BACK
    return Claim(Kind.BATCH_PICTURES if borne_out else Kind.BATCH_SEARCHED, in_words(found.reason))


def headline(answers: BatchRecovery, pictures: int) -> str:
    """The verdict: how many labels and pictures one gradient gave away."""
    seen = f"{answers.unique} soft labels" if answers.unique != 1 else "One soft label"
    shown = f" and {pictures} pictures" if pictures > 1 else ""
    return f"{seen}{shown} are read off this one gradient of several pictures"
