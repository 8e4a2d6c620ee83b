"""What the attack needs, and what the literature says about its limits: beside the results, not behind them."""

import streamlit as st

__all__ = ["EXPLANATION", "SENTENCE", "show"]

SENTENCE = "What stands on these pages is the worst case for the client. Know what it takes before you quote it."
EXPLANATION = "A worst case is the right case to plan a defence for, and the wrong one to scare people with."

_NEEDS = (
    (
        "Few samples in the gradient",
        "A gradient of one picture is one outer product in the last layer, that of a batch a sum of several. Behind "
        "ReLUs the zeros of the features take a small batch apart again; behind sigmoids, and beyond one picture less "
        "than there are classes, nothing does here. Several local steps are a sum over changing weights.",
    ),
    (
        "The exact weights",
        "The server sends the weights, so it has them. Somebody who sees gradients alone learns much less.",
    ),
    (
        "The gradient itself",
        "With secure aggregation the server sees the sum over many clients alone (Bonawitz et al., CCS 2017), which is "
        "as good as a large batch, as long as the server does not cheat with the weights it sends (Boenisch et al., "
        "EuroS&P 2023).",
    ),
    (
        "Known statistics of batch norm",
        "Without them the picture leaks much less (Huang et al., NeurIPS 2021). The label leaks all the same, as the "
        "gallery shows.",
    ),
    (
        "No noise to speak of",
        "Clipping alone protects nothing from a server that was told of it and knows how labels are made. Noise "
        "protects from a strength on that costs accuracy; a budget for it is counted over the whole training, not one "
        "step (Abadi et al., CCS 2016).",
    ),
    (
        "A network that is not too sure",
        "The better a network fits a picture, the smaller its gradient and the less of it rises above rounding.",
    ),
)
_CANNOT_KNOW = (
    "**What no attack can know.** A gradient that was multiplied by k < 1 is, in every layer, the honest gradient of "
    "another label: of a mixture of the label with the network's own prediction, (1 − k) p + k y. A server that knows "
    "neither the factor nor the label's format cannot tell the two apart, and neither can anybody else."
)


def show() -> None:
    """Draw it."""
    st.markdown("\n".join(f"- **{title}.** {words}" for title, words in _NEEDS))
    st.info(_CANNOT_KNOW, icon=":material/lock:")
