"""What protects: how much the server still recovers from defended gradients, measured while the class watches."""

import streamlit as st

from dashboard.controls import choose_scenario
from dashboard.layout.page import complain, page_frame
from dashboard.layout.story import step
from dashboard.pages import PROTECTION
from dashboard.sections.protection import answer, stored_curves, sweep
from dashboard.sections.protection import limits as honest_frame

with page_frame(
    "What protects",
    "The same client and the same server as in the Lab, many times over. Here the question is which measures keep the "
    "label and the picture secret, and from which strength on.",
    "One attack may be lucky, and one picture easy. A measure protects if attacks fail again and again, with other "
    "pictures and other networks.",
    ("Gradient", "Soft label", "Share", "Feature", "Head", "Outer product", "λ (lambda)", "PSNR"),
):
    chosen = choose_scenario(PROTECTION)
    complain(chosen.sentences)
    answer.show()
    step(1, "The sweep", sweep.SENTENCE, sweep.EXPLANATION)
    sweep.show(chosen)
    step(2, "All defences", stored_curves.SENTENCE, stored_curves.EXPLANATION)
    stored_curves.show(dark=st.context.theme.type == "dark")
    step(3, "What this proves, and what not", honest_frame.SENTENCE, honest_frame.EXPLANATION)
    honest_frame.show()
