"""The failures: where the attack breaks, through which window it still looks, and which solver would have known."""

import streamlit as st

from dashboard import cache
from dashboard.address import SCENARIO
from dashboard.claims import Truth
from dashboard.claims.plain_words import in_words
from dashboard.controls import Choice, choose_scenario
from dashboard.layout.page import complain, page_frame
from dashboard.layout.story import step
from dashboard.pages import FAILURES, GALLERY
from dashboard.sections.failures import race, why, windows
from dashboard.sections.shared import reason, refusal
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.server.attack import LabelAttack
from gradinv_core.label_recovery.race import Racer


def show_failures(choice: Choice) -> None:
    """Draw what becomes of one scenario."""
    scenario, own_image, bounded = choice.scenario.played, choice.own_image, choice.scenario.bounded
    dark = st.context.theme.type == "dark"
    client = cache.scene(scenario, own_image).client
    attack: LabelAttack | None = None
    racers: tuple[Racer, ...] = ()
    error: GradientInversionError | None = None
    try:
        attack = cache.label_attack(scenario, own_image)
        racers = cache.solver_race(scenario, own_image, bounded)
    except GradientInversionError as raised:
        error = raised
    step(1, "What goes wrong", reason.SENTENCE, reason.EXPLANATION)
    task, diagnosis = cache.picture_task(scenario, own_image), cache.diagnosis(scenario, own_image)
    why.show(choice.scenario, task, Truth(client), diagnosis, attack, racers)
    step(
        2,
        "Four windows on λ",
        "λ is the one number that the last layer's gradient leaves open. It can leak in four ways.",
        "λ is the factor between the two lists that the gradient is a product of: twice the one and half the other "
        "look the same.",
    )
    found = None if attack is None else attack.windows
    if attack is None and error is not None:
        refusal.say("No window opens on this gradient.", error)
    elif attack is not None and found is None:
        st.info(f"No window can be asked. {in_words(attack.recovery.message)}", icon=":material/block:")
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
    st.toggle(**SCENARIO.named("bounded"))
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
    (
        "Gradient",
        "Soft label",
        "Share",
        "Feature",
        "Head",
        "Outer product",
        "λ (lambda)",
        "Pseudo-label",
        "The paper",
        "The paper's loss",
    ),
):
    GALLERY.link("Examples are in the gallery")
    chosen = choose_scenario(FAILURES)
    complain(chosen.sentences)
    show_failures(chosen)
