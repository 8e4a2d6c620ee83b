"""The failures: where the attack breaks, through which window it still looks, and which solver would have known."""

import streamlit as st

from dashboard import cache
from dashboard.controls import Choice, choose_scenario
from dashboard.frame import complain, page_frame
from dashboard.sections import race, reason, refusal, windows
from dashboard.sections.view import step
from gradinv_core.errors import GradientInversionError

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
        "Four windows on λ",
        "λ is the one number that the last layer's gradient leaves open. It can leak in four ways.",
        "λ is the factor between the two lists that the gradient is a product of: twice the one and half the other "
        "look the same.",
    )
    try:
        attack = cache.label_attack(scenario, classes, own_image)
        found = cache.windows(scenario, classes, own_image)
    except GradientInversionError as error:
        refusal.say("No window opens on this gradient.", error)
    else:
        true_scale = cache.client_step(scenario, classes, own_image).scale_of(attack.head.row_gradient[0])
        same_row = found.row == int(attack.head.row[0])
        windows.show(found, true_scale=true_scale if same_row else None, dark=dark)
    step(
        3,
        "The race",
        "The paper looks for λ by searching. A search can stop in the wrong place, or never arrive.",
        "Four solvers start on the same curve. Ours look at every λ and can tell whether the answer is the only one; "
        "the paper's stop at the first that looks good.",
    )
    bounded = st.toggle(
        "Keep to the paper's bounds",
        value=True,
        key="race bounds",
        help="The paper's L-BFGS gives up beyond 100, its swarm beyond 50. Without bounds they go on to a million.",
    )
    try:
        attack = cache.label_attack(scenario, classes, own_image)
        racers = cache.solver_race(scenario, classes, own_image, bounded)
    except GradientInversionError as error:
        refusal.say("Nobody starts.", error)
        return
    race.show(attack, racers, bounded=bounded, dark=dark)


with page_frame(
    "Where the attack breaks",
    "The same client and the same server as in the Lab. Here the question is when the server fails, and whether it "
    "would notice.",
    "An answer that is wrong without a warning is worse than none: both attacker and defender would trust it.",
):
    st.page_link("app_pages/gallery.py", label="Examples are in the gallery", icon=":material/gallery_thumbnail:")
    chosen = choose_scenario(_PAGE)
    complain(chosen.sentences)
    show_failures(chosen)
