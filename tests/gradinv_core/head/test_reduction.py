"""What is read off a gradient on a device is what NumPy reads, and only vectors leave the device."""

import numpy as np
import pytest
import torch

from gradinv_core import arrays
from gradinv_core.arrays import as_values, stays_on_its_device
from gradinv_core.errors import NonFiniteError, RankError, ShapeError
from gradinv_core.head.reduction import reduce_gradients
from gradinv_core.label_recovery import crowd, front_door, recover_label, recover_labels

COUNT = 9


@pytest.fixture(scope="module")
def heads(known_heads):
    """Weight, and gradients of many samples, in float64: plain, noisy, and zero."""
    weight, grads = known_heads
    rng = np.random.default_rng(5)
    grads[1] += 1e-4 * grads[1].std() * torch.from_numpy(rng.standard_normal(grads[1].shape))
    grads[2] = 0
    return weight, grads


@pytest.fixture(scope="module")
def known_heads():
    rng = np.random.default_rng(4)
    weight = torch.from_numpy(rng.standard_normal((12, 300)) / 300**0.5)
    features = torch.from_numpy(rng.uniform(size=(COUNT, 300)))
    labels = torch.full((COUNT, 12), 0.1 / 12, dtype=torch.float64)
    labels[:, 3] += 0.6
    labels[:, 7] += 0.3
    residuals = torch.softmax(features @ weight.T, 1) - labels
    return weight, residuals[:, :, None] * features[:, None, :]


@pytest.mark.parametrize("factor", [1.0, 1e-140])  # squares of the second vanish
@pytest.mark.parametrize("noise_std", [None, 1e-3])
def test_tensors_and_arrays_are_reduced_alike(factor, noise_std, heads):
    weight, grads = heads
    grads = grads.float().double() * factor  # no longer of rank one to the last digit
    here = reduce_gradients(grads.numpy(), weight.numpy(), noise_std)
    there = reduce_gradients(grads, weight.numpy(), noise_std)
    assert here.vanished.tolist() == [index == 2 for index in range(COUNT)]
    for name, one in here._asdict().items():
        other = getattr(there, name)
        assert isinstance(other, np.ndarray)
        assert other.size <= COUNT * 300  # vectors, and no matrix
        if name in ("residual", "row_noise"):  # differences that all but cancel
            np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-12)
        else:
            np.testing.assert_allclose(other, one, rtol=1e-10, atol=1e-14)


@pytest.fixture
def elsewhere(monkeypatch):
    """As if tensors on the CPU lay on another device."""
    for module in (arrays, front_door):
        monkeypatch.setattr(module, "stays_on_its_device", lambda values: isinstance(values, torch.Tensor))


@pytest.mark.parametrize(("precision", "off"), [(torch.float64, 1e-9), (torch.float32, 2**-23)])
def test_labels_from_a_device_are_those_of_one_by_one(precision, off, heads, monkeypatch):
    """To the rounding of what was sent: below it, the order of a sum decides where a flat misfit is least."""
    weight, grads = (part.to(precision) for part in heads)
    one_by_one = [recover_label(weight, grad) for grad in grads]
    for module in (arrays, front_door):
        monkeypatch.setattr(module, "stays_on_its_device", lambda values: isinstance(values, torch.Tensor))
    monkeypatch.setattr(crowd, "_PART_ENTRIES", 24)  # two heads in each part, so that several threads have some
    together = recover_labels(weight, grads)
    assert [answer.status for answer in together] == [answer.status for answer in one_by_one]
    assert sum(answer.status == "unique" for answer in together) >= COUNT - 2
    for one, other in zip(one_by_one, together, strict=True):
        torch.testing.assert_close(one.label, other.label, rtol=0, atol=off)
        torch.testing.assert_close(one.feature, other.feature, rtol=off, atol=1e-3 * off)


@pytest.mark.usefixtures("elsewhere")
def test_what_cannot_be_read_is_said_of_a_device_s_tensors_too(heads):
    weight, grads = heads
    broken = grads.clone()
    broken[4, 1, 1] = float("nan")
    with pytest.raises(NonFiniteError, match="weight_grad: expected finite numbers, got NaN or infinity"):
        recover_labels(weight, broken)
    batch = grads.clone()
    batch[5] = grads[5] + grads[6].flip(0)
    with pytest.raises(RankError, match=r"got one \(sample 5\) with"):
        recover_labels(weight, batch)
    with pytest.raises(ShapeError, match="expected 3 axes"):
        as_values(grads[0], "weight_grad", "samples classes features")
    with pytest.raises(ShapeError, match="weight_grad: expected at least one entry along each axis"):
        as_values(grads[:0], "weight_grad", "samples classes features")


def test_what_stays_on_its_device():
    assert not stays_on_its_device(torch.zeros(2))
    assert not stays_on_its_device(np.zeros(2))
    assert stays_on_its_device(torch.zeros(2, device="meta"))
    assert not stays_on_its_device(torch.zeros(2, dtype=torch.int64, device="meta"))


def test_blocks_are_as_large_as_memory_and_cache_allow():
    assert front_door._block(10 * 512, on_device=False) == 102
    assert front_door._block(1000 * 2048, on_device=False) == 8
    assert front_door._block(100_000 * 2048, on_device=False) == 1
    assert front_door._block(1000 * 2048, on_device=True) == 65
