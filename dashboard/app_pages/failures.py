"""The failures: where the attack breaks, why, and which solver would have known."""

import streamlit as st

from dashboard import cache
from dashboard.controls import Choice, choose_scenario
from dashboard.frame import complain, page_frame
from dashboard.sections import examples, race, reason
from dashboard.sections.view import step

_PAGE = "failures"


def show_failures(choice: Choice) -> None:
    """Draw what becomes of one scenario."""
    scenario, own_image = choice.scenario, choice.own_image
    classes = cache.class_count(scenario, choice.images)
    dark = st.context.theme.type == "dark"
    step(1, "What goes wrong", reason.SENTENCE, reason.EXPLANATION)
    reason.show(cache.diagnosis(scenario, classes, own_image))
    step(
        2,
        "The race",
        "The paper looks for λ by searching. A search can stop in the wrong place, or never arrive.",
        "λ is the one number that the gradient leaves open: the factor between the two lists it is a product of.",
    )
    bounded = st.toggle(
        "Keep to the paper's bounds",
        value=True,
        key="race bounds",
        help="The paper's L-BFGS gives up beyond 100, its swarm beyond 50. Without bounds they go on to a million.",
    )
    attack = cache.label_attack(scenario, classes, own_image)
    race.show(attack, cache.solver_race(scenario, classes, own_image, bounded), bounded=bounded, dark=dark)


with page_frame(
    "Where the attack breaks",
    "The same client and the same server as in the Lab. Here the question is when the server fails, and whether it "
    "would notice.",
    "An answer that is wrong without a warning is worse than none: both attacker and defender would trust it.",
):
    examples.show()
    chosen = choose_scenario(_PAGE)
    complain(chosen.sentences)
    show_failures(chosen)
