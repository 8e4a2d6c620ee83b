"""Signs tell which classes a label raises, and no more."""

import pytest
import torch

from gradinv_core.aware import recover_defended
from gradinv_core.defences import Clip, Sign
from gradinv_core.label_recovery import Status


@pytest.mark.parametrize("head_bias", [False, True])
@pytest.mark.parametrize("after", [(), (Clip(0.1),)])
def test_the_raised_classes_share_the_label(step, head_bias, after):
    for seed in range(8):
        one = step("lenet_sigmoid", seed, head_bias=head_bias)
        defences = [Sign(), *after]
        answer = recover_defended(one.model, one.sent(*defences), defences)
        raised = (one.truth.label > one.truth.probabilities).double()
        torch.testing.assert_close(answer.label, raised / raised.sum())
        assert torch.equal(answer.feature, one.truth.feature.sign())
        assert answer.status is Status.AMBIGUOUS
        assert answer.message.startswith("Only signs were sent.")
        assert answer.solver == "signs"
        assert answer.candidates[0].label is answer.label or torch.equal(answer.candidates[0].label, answer.label)


def test_a_bias_settles_the_sign_even_where_most_classes_are_raised(step):
    """By the rule of thumb alone the label would be turned around."""
    one = step("lenet_tanh", head_bias=True)
    residual = torch.tensor([0.9] + [-0.1] * 9)
    gradients = {"7.weight": torch.outer(residual, one.truth.feature.float()), "7.bias": residual}
    sent = {name: gradient.sign() for name, gradient in gradients.items()}
    answer = recover_defended(one.model, sent, [Sign()])
    assert torch.equal(answer.label > 0, residual < 0)
    assert torch.equal(answer.feature, one.truth.feature.sign())
