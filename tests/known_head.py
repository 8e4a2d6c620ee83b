"""Heads with a known answer, built without any of the code under test."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class KnownHead:
    """What the client knows (everything) and what it sends (weight_grad)."""

    weight: torch.Tensor
    weight_grad: torch.Tensor
    bias: torch.Tensor | None
    bias_grad: torch.Tensor | None
    label: np.ndarray
    feature: np.ndarray
    residual: np.ndarray
    probabilities: np.ndarray

    def scale(self, row: int) -> float:
        """True lambda for that row, from the residual as the client's arithmetic computed it."""
        return 1 / float(self.residual[row])


def soft_label(kind: str, classes: int, rng: np.random.Generator) -> np.ndarray:
    first, second = rng.choice(classes, 2, replace=False)
    epsilon = rng.uniform(0.01, 0.5) if "smoothing" in kind else 0.0
    ratio = rng.uniform(0.5, 0.95) if "mixup" in kind else 1.0
    if kind == "dirichlet":
        return rng.dirichlet(np.ones(classes))
    label = np.full(classes, epsilon / classes)
    label[first] += (1 - epsilon) * ratio
    label[second] += (1 - epsilon) * (1 - ratio)
    return label


def known_head(
    kind: str = "mixup+smoothing",
    classes: int = 10,
    features: int = 128,
    *,
    seed: int = 0,
    logit_scale: float = 1.0,
    noise: float = 0.0,
    head_bias: bool = False,
    dtype: torch.dtype = torch.float32,
    factor: float = 1.0,
    signed: bool = False,
) -> KnownHead:
    """A head whose gradient autograd computes, in float32 unless told otherwise."""
    rng = np.random.default_rng(seed)
    weight = torch.tensor(logit_scale * rng.normal(size=(classes, features)) * 1.4 / features**0.5).to(dtype)
    feature = rng.normal(size=features)
    x = torch.tensor(feature if signed else np.maximum(feature, 0)).to(dtype)
    bias = torch.tensor(rng.normal(size=classes) * 0.3).to(dtype) if head_bias else None
    label = torch.tensor(soft_label(kind, classes, rng)).to(dtype)
    leaves = [weight.clone().requires_grad_(True)] + ([bias.clone().requires_grad_(True)] if head_bias else [])
    logits = leaves[0] @ x + (leaves[1] if head_bias else 0)
    loss = -(label * torch.log_softmax(logits, 0)).sum()
    # The client's own residual p - y, in its own arithmetic: d loss / d logits.
    residual, *grads = torch.autograd.grad(loss, [logits, *leaves])
    grads = [factor * g for g in grads]
    if noise:
        std = noise * float(grads[0].square().mean().sqrt())
        grads = [g + torch.tensor(rng.normal(size=tuple(g.shape)) * std).to(dtype) for g in grads]
    return KnownHead(
        weight,
        grads[0],
        bias,
        grads[1] if head_bias else None,
        label.double().numpy(),
        x.double().numpy(),
        residual.double().numpy(),
        torch.softmax(logits.detach().double(), 0).numpy(),
    )
