"""Worlds in which the server's assumptions are wrong: other losses, scales, steps, layouts, precisions, batches.

A world plays one client in plain torch and autograd and returns what the server would hold, the true label beside it,
and, where there is one, the option that would tell the server the truth. Nothing here uses the code under test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from drawn_heads import Head, Label, draw_head, one_hot, smooth
from played_step import Played, Update, gradients, multiplied, named, under
from torch.nn import functional
from wrong_losses import LOSSES, cross_entropy, temperature_cross_entropy

__all__ = ["WORLDS", "play"]


_RATES = (1e-3, 0.05, 0.3)  # of local steps: hardly moving, usual, and until the label is learned

World = Callable[[Head, Label, np.random.Generator], Played]


def play(name: str, head: Head, label: Label, rng: np.random.Generator) -> Played:
    """Play the world of that name."""
    return WORLDS[name](head, label, rng)


def times(factor: float, head: Head, label: Label, rng: np.random.Generator) -> Played:
    """The gradient of cross-entropy, multiplied. A negative factor is what the difference of two checkpoints shows."""
    honest = under(cross_entropy, head, label, rng)
    weight_grad, bias_grad = multiplied(honest.weight_grad, factor), multiplied(honest.bias_grad, factor)
    if factor > 0:
        options = {"gradient_scale": "unknown"}
        return replace(honest, weight_grad=weight_grad, bias_grad=bias_grad, options=options)
    before, sent = named(head.weight, head.bias), named(weight_grad, bias_grad)
    after = {name: before[name] + sent[name] for name in before}
    return replace(honest, weight_grad=weight_grad, bias_grad=bias_grad, update=Update(before, after, -factor))


def weight_decay(strength: float, head: Head, label: Label, rng: np.random.Generator) -> Played:
    """The decay of the optimiser left inside the gradient."""
    honest, rate = under(cross_entropy, head, label, rng), 0.1
    before, sent = named(head.weight, head.bias), named(honest.weight_grad, honest.bias_grad)
    decayed = {name: sent[name] + strength * before[name] for name in before}
    after = {name: before[name] - rate * decayed[name] for name in before}
    update = Update(before, after, rate, weight_decay=strength)
    return replace(honest, weight_grad=decayed["weight"], bias_grad=decayed.get("bias"), update=update)


def local_steps(steps: int, head: Head, label: Label, rng: np.random.Generator) -> Played:
    """Several steps of the head alone, over a frozen body, sent as their mean gradient."""
    rate, now = float(rng.choice(_RATES)), head
    for _ in range(steps):
        weight_grad, bias_grad = gradients(now, lambda z: cross_entropy(z, label.values[None].to(z.dtype)))
        bias = None if now.bias is None or bias_grad is None else now.bias - rate * bias_grad
        now = replace(now, weight=now.weight - rate * weight_grad, bias=bias)
    before, after = named(head.weight, head.bias), named(now.weight, now.bias)
    mean = {name: (before[name] - after[name]) / (rate * steps) for name in before}
    update = Update(before, after, rate, steps)
    return Played(head.weight, mean["weight"], head.bias, mean.get("bias"), label.values, update=update)


def class_weights(smoothed_index: bool, head: Head, label: Label, rng: np.random.Generator) -> Played:
    """Class weights of `torch.nn.functional.cross_entropy`, with a soft label or with smoothing of an index.

    With an index, torch divides by the weight of the target: the scale of the gradient is then unknown as well.
    """
    classes = len(label.values)
    weights = torch.from_numpy(rng.uniform(0.2, 3.0, classes).astype(np.float32))
    if not smoothed_index:
        weighted = partial(functional.cross_entropy, weight=weights)
        return under(weighted, head, label, rng, class_weights=weights)
    epsilon = label.epsilon or 0.1
    weight_grad, bias_grad = gradients(
        head,
        lambda z: functional.cross_entropy(z, torch.tensor([label.target]), weight=weights, label_smoothing=epsilon),
    )
    options = {"class_weights": weights, "gradient_scale": "unknown"}
    truth = smooth(label.target, classes, epsilon)
    return Played(head.weight, weight_grad, head.bias, bias_grad, truth, options)


def margin(head: Head, label: Label, _rng: np.random.Generator) -> Played:
    """The multi-class hinge: its rows add up to zero as those of cross-entropy do."""
    target = torch.tensor([label.target])
    weight_grad, bias_grad = gradients(head, lambda z: functional.multi_margin_loss(z, target))
    return Played(head.weight, weight_grad, head.bias, bias_grad, one_hot(label.target, len(label.values)))


def prior_adjusted(head: Head, label: Label, rng: np.random.Generator) -> Played:
    """Logit adjustment for long tails: the logarithms of class frequencies are added before the softmax."""
    prior = torch.from_numpy(np.log(rng.dirichlet(np.ones(len(label.values)))).astype(np.float32))
    return under(lambda z, y: functional.cross_entropy(z + prior, y), head, label, rng)


def distilled(head: Head, label: Label, rng: np.random.Generator) -> Played:
    """Distillation at temperature 4, and cross-entropy with the label beside it."""
    teacher = torch.softmax(torch.from_numpy(rng.standard_normal(len(label.values)).astype(np.float32)), 0)[None]

    def loss(logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return 0.7 * temperature_cross_entropy(4.0, logits, teacher) + 0.3 * cross_entropy(logits, values)

    return under(loss, head, label, rng)


def heads_averaged(head: Head, label: Label, rng: np.random.Generator) -> Played:
    """Two heads whose logits are averaged; the server looks at one."""
    other = head.with_layer(rng)
    beside = functional.linear(other.feature[None], other.weight, other.bias)
    return under(lambda z, y: functional.cross_entropy((z + beside) / 2, y), head, label, rng)


def heads_with_two_labels(head: Head, label: Label, rng: np.random.Generator) -> Played:
    """Two heads, a label for each, and the mean of their losses: half a gradient for the one that is looked at."""
    return under(lambda z, y: functional.cross_entropy(z, y) / 2, head, label, rng, gradient_scale="unknown")


def rows_dropped(head: Head, label: Label, rng: np.random.Generator) -> Played:
    """A tenth of the classes, at least one, set to zero."""
    honest = under(cross_entropy, head, label, rng)
    kept = torch.ones(len(label.values))
    kept[torch.from_numpy(rng.choice(len(kept), max(1, len(kept) // 10), replace=False))] = 0
    bias_grad = None if honest.bias_grad is None else honest.bias_grad * kept
    return replace(honest, weight_grad=honest.weight_grad * kept[:, None], bias_grad=bias_grad)


def transposed(square: bool, head: Head, label: Label, rng: np.random.Generator) -> Played:
    """Kernels stored as (features, classes), as other frameworks do; square ones do not show it in their shape."""
    if square:
        classes = len(label.values)
        head = draw_head(head.family, classes, head.bias is not None, rng, features=classes)
    honest = under(cross_entropy, head, label, rng)
    return replace(honest, weight=honest.weight.T.contiguous(), weight_grad=honest.weight_grad.T.contiguous())


def in_half(dtype: torch.dtype, upcast: bool, head: Head, label: Label, rng: np.random.Generator) -> Played:
    """The whole step in a short floating-point type, sent in that type or converted to float32 before."""
    bias = None if head.bias is None else head.bias.to(dtype)
    short = replace(head, weight=head.weight.to(dtype), bias=bias, feature=head.feature.to(dtype))
    step = under(cross_entropy, short, label, rng)
    if not upcast:
        return step
    parts = (step.weight, step.weight_grad, step.bias, step.bias_grad)
    return Played(*(None if part is None else part.float() for part in parts), label.values)


def autocast(dtype: torch.dtype, head: Head, label: Label, _rng: np.random.Generator) -> Played:
    """Mixed precision: layer, feature and residual are rounded, their product is not, so that it is of rank one."""
    bias = None if head.bias is None else head.bias.to(dtype)
    logits = functional.linear(head.feature[None].to(dtype), head.weight.to(dtype), bias).float().requires_grad_()
    (residual,) = torch.autograd.grad(cross_entropy(logits, label.values[None].float()), logits)
    rounded = residual[0].to(dtype).float()
    weight_grad = torch.outer(rounded, head.feature.to(dtype).float())
    return Played(head.weight, weight_grad, head.bias, None if head.bias is None else rounded, label.values)


def averaged(samples: int, same: bool, alike: bool, head: Head, label: Label, rng: np.random.Generator) -> Played:
    """The mean gradient of a batch; ``alike`` features differ by a ten-thousandth, as under a smooth network."""
    steps = [under(cross_entropy, head, label, rng)]
    for _ in range(samples - 1):
        other = head.with_feature(rng)
        if alike:
            other = replace(head, feature=head.feature + 1e-4 * other.feature)
        steps.append(under(cross_entropy, other, label if same else label.of_another_class(rng), rng))
    weight_grad = torch.stack([step.weight_grad for step in steps]).mean(0)
    bias_grads = [step.bias_grad for step in steps if step.bias_grad is not None]
    bias_grad = torch.stack(bias_grads).mean(0) if bias_grads else None
    truth = torch.stack([step.label for step in steps]).mean(0)
    return Played(head.weight, weight_grad, head.bias, bias_grad, truth)


def one_logit(head: Head, label: Label, _rng: np.random.Generator) -> Played:
    """Two classes as one logit under a sigmoid; the label's entries stay those of "no" and "yes"."""
    bias = None if head.bias is None else head.bias[1:] - head.bias[:1]
    single = replace(head, weight=head.weight[1:] - head.weight[:1], bias=bias)
    yes = label.values[1:].float()[None]
    weight_grad, bias_grad = gradients(single, lambda z: functional.binary_cross_entropy_with_logits(z, yes))
    return Played(single.weight, weight_grad, single.bias, bias_grad, label.values)


WORLDS: dict[str, World] = {
    "honest": partial(under, cross_entropy),
    **{name: partial(under, loss) for name, loss in LOSSES.items()},
    "margin": margin,
    "prior_adjusted": prior_adjusted,
    "class_weights_soft": partial(class_weights, False),
    "class_weights_index": partial(class_weights, True),
    "accumulated_4": partial(times, 0.25),
    "amp_65536": partial(times, 65536.0),
    "sign_flipped": partial(times, -1.0),
    "update_rate_0.1": partial(times, -0.1),
    **{f"steps_{steps}": partial(local_steps, steps) for steps in (2, 5, 20, 100)},
    "temperature_2": partial(under, partial(temperature_cross_entropy, 2.0), temperature=2.0),
    "temperature_4": partial(under, partial(temperature_cross_entropy, 4.0), temperature=4.0),
    "temperature_4_bare": partial(
        under, lambda z, y: functional.cross_entropy(z / 4, y), temperature=4.0, gradient_scale="unknown"
    ),
    "distilled": distilled,
    "heads_averaged": heads_averaged,
    "heads_two_labels": heads_with_two_labels,
    "rows_dropped": rows_dropped,
    "transposed": partial(transposed, False),
    "transposed_square": partial(transposed, True),
    "bf16": partial(in_half, torch.bfloat16, False),
    "bf16_upcast": partial(in_half, torch.bfloat16, True),
    "bf16_autocast": partial(autocast, torch.bfloat16),
    "fp16": partial(in_half, torch.float16, False),
    "fp16_upcast": partial(in_half, torch.float16, True),
    "fp16_autocast": partial(autocast, torch.float16),
    "decay_5e-4": partial(weight_decay, 5e-4),
    "decay_1e-2": partial(weight_decay, 1e-2),
    "batch_2_same": partial(averaged, 2, True, False),
    "batch_2_other": partial(averaged, 2, False, False),
    "batch_4_same": partial(averaged, 4, True, False),
    "batch_4_other": partial(averaged, 4, False, False),
    "alike_2_same": partial(averaged, 2, True, True),
    "alike_2_other": partial(averaged, 2, False, True),
    "one_logit": one_logit,
}
