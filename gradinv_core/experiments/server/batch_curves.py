"""The landscape over lambda of every sample of a batch, once it is taken apart: each as if it had been sent alone."""

from __future__ import annotations

import torch

from gradinv_core.batch_recovery import BatchRecovery
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.experiments.server.lambda_curve import LambdaCurve, loss_curve
from gradinv_core.head import factor_heads, find_head
from gradinv_core.label_recovery import LabelRecovery, Status

__all__ = ["batch_curves"]


def batch_curves(network: PublicNetwork, recovery: BatchRecovery) -> tuple[LambdaCurve | None, ...]:
    """One curve for each answer; None for those that are not settled.

    Args:
        network: the public network.
        recovery: what the server made of the batch.
    """
    layer = network.model.get_submodule(find_head(network.model))
    weight = layer.get_parameter("weight").detach().double().cpu()
    bias = layer.get_parameter("bias").detach().double().cpu() if layer.bias is not None else None
    return tuple(
        _curve(answer, weight, bias) if answer.status is Status.UNIQUE else None for answer in recovery.answers
    )


def _curve(answer: LabelRecovery, weight: torch.Tensor, bias: torch.Tensor | None) -> LambdaCurve:
    """Of one answer, around the gradient that its sample would have sent: ``(p - y) x^T``."""
    logits = weight @ answer.feature + (0.0 if bias is None else bias)
    residual = torch.softmax(logits, 0) - answer.label
    gradient = torch.outer(residual, answer.feature)
    head = factor_heads(weight.numpy(), gradient.numpy()[None], None if bias is None else bias.numpy())
    return loss_curve(head, answer)
