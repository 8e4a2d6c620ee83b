"""Defend a gradient, and see what is left: for a server that does not know of the defence, and for one that does.

Run it with: python assets/examples/defended.py
"""

from gradinv_core import capture_gradients, recover_label, smooth_label
from gradinv_core.aware import recover_defended
from gradinv_core.datasets import load_dataset
from gradinv_core.defences import apply_defences, read_defences
from gradinv_core.diagnosis import diagnose
from gradinv_core.errors import GradientInversionError
from gradinv_core.networks import build_network, observe_head

model = build_network("lenet_sigmoid", classes=10, seed=0)
image, target = load_dataset("photographs", size=32)[0]
label = smooth_label(target, classes=10, epsilon=0.1)
gradients = capture_gradients(model, image, label)

for text in ("", "clip:0.1", "prune:0.5", "clip:1~gaussian:0.0001", "gaussian:0.1", "withhold head"):
    defences = read_defences(text)
    sent = apply_defences(model, gradients, defences, image=image, seed=0)
    print(f"\n{text or 'no defence'}")
    print(f"  diagnosis: {diagnose(model, sent).title}")
    for server, attack in (
        ("not told", lambda: recover_label(*observe_head(model, sent)[:2])),  # noqa: B023 - called at once
        ("told", lambda: recover_defended(model, sent, defences)),  # noqa: B023
    ):
        try:
            answer = attack()
        except GradientInversionError as error:
            print(f"  {server}: nothing. {error}")
            continue
        error = float((answer.label - label).abs().max())
        print(f"  {server}: {answer.status}, off by {error:.1e} at most")
