"""The settings of gradient matching on the page, which fit into its address next to the scenario.

Fewer than the library has: a class needs six knobs, not fourteen.
"""

from dataclasses import dataclass, replace

from gradinv_core.experiments.settings import number, one_of, setting, whole

__all__ = ["LABEL_CHOICES", "MOST_ITERATIONS", "SearchSettings"]

LABEL_CHOICES = ("recovered", "true", "hard", "learned")
MOST_ITERATIONS = 20_000


@dataclass(frozen=True)
class SearchSettings:
    """One gradient matching.

    Attributes:
        label: which label the search computes gradients with: "recovered" by the attack, the "true" one, "hard" (the
            class iDLG names) or "learned" along with the picture.
        optimizer: "signed adam", "adam" or "lbfgs".
        distance: between gradients: "cosine" or "l2".
        iterations: 1 to `MOST_ITERATIONS`.
        total_variation: weight of the smoothness prior, 0 to 10.
        start: from "noise", or from the picture the "exact" route rebuilt.
        run: what to start as soon as the page opens: "no", "one" search, or the "comparison" of the four labels.
    """

    label: str = setting(
        "recovered",
        "matchlabel",
        one_of(LABEL_CHOICES),
        "Label",
        "The search compares gradients, and a gradient needs a label. The server recovered one above. Earlier attacks "
        "guess a single class (iDLG), or search for the label along with the picture (DLG). A real server does not "
        "know the true one; it shows how much a perfect label would help.",
    )
    optimizer: str = setting(
        "signed adam",
        "optimizer",
        one_of(("signed adam", "adam", "lbfgs")),
        "Optimizer",
        "The rule by which the pixels take a step. Adam adapts each pixel's step; on signs, it looks at directions "
        "only, as the paper does. L-BFGS learns the curvature.",
    )
    distance: str = setting(
        "cosine",
        "distance",
        one_of(("cosine", "l2")),
        "Distance",
        "How two gradients are compared: by the angle between them, or by the length of their difference.",
    )
    iterations: int = setting(
        600,
        "iterations",
        whole(1, MOST_ITERATIONS),
        "Iterations",
        "Small steps of the search. Each costs about two training steps of the network; the paper takes 4,800.",
    )
    total_variation: float = setting(
        0.01,
        "smoothness",
        number(0.0, 10.0),
        "Smoothness",
        "Weight of a prior belief: neighbouring pixels are alike (total variation). None says nothing, too much paints "
        "everything flat.",
    )
    start: str = setting(
        "noise",
        "start",
        one_of(("noise", "exact")),
        "Start from",
        "Random pixels, or the picture that the exact route rebuilt, to polish it.",
    )
    run: str = setting("no", "run", one_of(("no", "one", "comparison")))

    @property
    def resting(self) -> "SearchSettings":
        """The same settings, with nothing to start."""
        return replace(self, run="no")
