"""How long label recovery takes, on heads of real networks. Run with ``make bench``; nothing is asserted about time."""

import pytest
import torch
from network_gradients import untrained_samples

from gradinv_core import recover_label, recover_labels

SIZES = {"C=10": ("lenet_sigmoid", 10), "C=100": ("lenet_sigmoid", 100), "C=1000": ("resnet50", 1000)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("solver", ["auto", "scan"])
def test_recover_label(benchmark, size, solver):
    network, classes = SIZES[size]
    views = [sample.view for sample in untrained_samples(network, classes, 8)]

    def recover():
        for view in views:
            recover_label(view.weight, view.weight_grad, solver=solver)

    benchmark.extra_info["samples per round"] = len(views)
    benchmark.pedantic(recover, rounds=3 if (solver, size) == ("scan", "C=1000") else 12, warmup_rounds=1)


@pytest.mark.parametrize("way", ["recover_labels", "loop of recover_label"])
def test_a_thousand_samples(benchmark, way):
    views = [sample.view for sample in untrained_samples("lenet_sigmoid", 10, 80)]
    weight = views[0].weight
    grads = torch.stack([view.weight_grad for view in views[:20]] * 50)
    if way == "recover_labels":
        benchmark.pedantic(recover_labels, (weight, grads), rounds=5, warmup_rounds=1)
    else:
        benchmark.pedantic(lambda: [recover_label(weight, grad) for grad in grads], rounds=3, warmup_rounds=1)
