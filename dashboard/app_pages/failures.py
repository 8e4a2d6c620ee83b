"""The failures: where the attack breaks, through which window it still looks, and which solver would have known."""

import streamlit as st

from dashboard import cache
from dashboard.address import widget_key
from dashboard.claims import Truth
from dashboard.controls import Choice, choose_scenario
from dashboard.frame import complain, page_frame
from dashboard.sections import race, reason, refusal, why, windows
from dashboard.sections.view import step
from dashboard.server_side import LabelAttack
from gradinv_core.errors import GradientInversionError
from gradinv_core.label_recovery.race import Racer

_PAGE = "failures"


def show_failures(choice: Choice) -> None:
    """Draw what becomes of one scenario."""
    scenario, own_image, bounded = choice.scenario.played, choice.own_image, choice.scenario.bounded
    classes = cache.class_count(scenario, choice.images)
    dark = st.context.theme.type == "dark"
    client = cache.client_step(scenario, classes, own_image)
    attack: LabelAttack | None = None
    racers: tuple[Racer, ...] = ()
    error: GradientInversionError | None = None
    try:
        attack = cache.label_attack(scenario, classes, own_image)
        racers = cache.solver_race(scenario, classes, own_image, bounded)
    except GradientInversionError as raised:
        error = raised
    step(1, "What goes wrong", reason.SENTENCE, reason.EXPLANATION)
    stage, diagnosis = cache.stage(scenario, classes, own_image), cache.diagnosis(scenario, classes, own_image)
    why.show(choice.scenario, stage, Truth(client), diagnosis, attack, racers)
    step(
        2,
        "Four windows on λ",
        "λ is the one number that the last layer's gradient leaves open. It can leak in four ways.",
        "λ is the factor between the two lists that the gradient is a product of: twice the one and half the other "
        "look the same.",
    )
    found = cache.windows(scenario, classes, own_image) if attack is not None else None
    if attack is None and error is not None:
        refusal.say("No window opens on this gradient.", error)
    elif attack is not None and found is None:
        st.info(f"No window can be asked. {attack.recovery.message}".replace("lambda", "λ"), icon=":material/block:")
    elif attack is not None and found is not None:
        true_scale = client.scale_of(attack.head.row_gradient[0])
        same_row = found.row == int(attack.head.row[0])
        windows.show(
            found,
            true_scale=true_scale if same_row else None,
            condition=attack.recovery.condition,
            dark=dark,
        )
    step(
        3,
        "The race",
        "The paper looks for λ by searching. A search can stop in the wrong place, or never arrive.",
        "Four solvers start on the same curve. Ours look at every λ and can tell whether the answer is the only one; "
        "the paper's stop at the first that looks good.",
    )
    st.toggle(
        "Keep to the paper's bounds",
        key=widget_key("bounded"),
        help="The paper's L-BFGS gives up beyond 100, its swarm beyond 50. Without bounds they go on to a million.",
    )
    if error is not None:
        refusal.say("Nobody starts.", error)
    if attack is None or error is not None:
        return
    race.show(
        attack,
        racers,
        bounded=bounded,
        true_scale=client.scale_of(attack.head.row_gradient[0]),
        dark=dark,
    )


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
