"""Augmentations change image and label together."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradinv_core.augmentation import AUGMENTATIONS, Augmentation, augment
from gradinv_core.errors import LabelError, NonFiniteError, OptionError, ShapeError
from gradinv_core.labels import check_soft_label, hard_label, mixup_label, smooth_label

FIRST = torch.full((3, 8, 12), 0.25)
SECOND = torch.full((3, 8, 12), 0.75)


def kinds_with(kind: str, **options: object) -> Augmentation:
    label = (0.5, 0.25, 0.25, 0.0) if kind == "custom" else None
    return Augmentation(kind, custom=label, **options)  # type: ignore[arg-type]


def test_none_leaves_a_hard_label_and_a_copy_of_the_image() -> None:
    sample = augment(FIRST, 2, None, None, 4, Augmentation())
    assert torch.equal(sample.label, hard_label(2, 4))
    assert torch.equal(sample.image, FIRST)
    assert sample.image.data_ptr() != FIRST.data_ptr()


def test_smoothing_leaves_the_image() -> None:
    sample = augment(FIRST, 2, None, None, 4, Augmentation("smoothing", epsilon=0.3))
    assert torch.equal(sample.label, smooth_label(2, 4, 0.3))
    assert torch.equal(sample.image, FIRST)


def test_custom_takes_the_label_as_given() -> None:
    sample = augment(FIRST, 2, None, None, 4, kinds_with("custom"))
    assert sample.label.tolist() == [0.5, 0.25, 0.25, 0.0]
    assert torch.equal(sample.image, FIRST)


@pytest.mark.parametrize(("kind", "epsilon"), [("mixup", 0.0), ("mixup+smoothing", 0.2)])
def test_mixup_blends_pixels_and_labels_by_the_same_ratio(kind: str, epsilon: float) -> None:
    sample = augment(FIRST, 0, SECOND, 3, 4, Augmentation(kind, epsilon=0.2, ratio=0.6))
    torch.testing.assert_close(sample.image, torch.full((3, 8, 12), 0.45))
    assert torch.equal(sample.label, mixup_label(0, 3, 4, 0.6, epsilon))


@given(ratio=st.floats(0, 1), seed=st.integers(0, 2**32), height=st.integers(1, 20), width=st.integers(1, 20))
def test_cutmix_label_is_the_exact_area_share(ratio: float, seed: int, height: int, width: int) -> None:
    first, second = torch.zeros(3, height, width), torch.ones(3, height, width)
    sample = augment(first, 0, second, 1, 2, Augmentation("cutmix", ratio=ratio), seed)
    pasted = sample.image[0] == 1
    assert float(sample.label[1]) == pytest.approx(float(pasted.double().mean()), abs=1e-12)
    # What was pasted is a full rectangle: as many pixels as its bounding box has.
    rows, columns = int(pasted.any(1).sum()), int(pasted.any(0).sum())
    assert rows * columns == int(pasted.sum())


def test_cutmix_rectangle_moves_with_the_seed_only() -> None:
    def image(seed: int) -> torch.Tensor:
        return augment(FIRST, 0, SECOND, 1, 2, Augmentation("cutmix", ratio=0.7), seed).image

    assert torch.equal(image(3), image(3))
    assert any(not torch.equal(image(3), image(seed)) for seed in range(4, 10))


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_every_kind_gives_a_float32_image_and_a_point_of_the_simplex(kind: str) -> None:
    sample = augment(FIRST.double(), 1, SECOND.double(), 2, 4, kinds_with(kind), seed=1)
    assert sample.image.dtype == torch.float32
    assert sample.image.shape == FIRST.shape
    assert torch.equal(check_soft_label(sample.label, 4), sample.label)


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_only_mixing_kinds_need_a_partner(kind: str) -> None:
    augmentation = kinds_with(kind)
    if augmentation.needs_partner:
        with pytest.raises(ShapeError, match=r"partner: expected a second image and its class for .*, got none"):
            augment(FIRST, 0, None, None, 4, augmentation)
    else:
        augment(FIRST, 0, None, None, 4, augmentation)


def test_partner_of_another_size() -> None:
    with pytest.raises(
        ShapeError, match=r"partner image: expected the shape of the first image \(3, 8, 12\), got \(3, 4"
    ):
        augment(FIRST, 0, torch.zeros(3, 4, 4), 1, 4, Augmentation("mixup"))


def test_partner_that_is_not_finite() -> None:
    with pytest.raises(NonFiniteError, match="partner image: expected finite values"):
        augment(FIRST, 0, SECOND * float("nan"), 1, 4, Augmentation("mixup"))


def test_unknown_kind() -> None:
    with pytest.raises(OptionError, match=r"augmentation: expected one of none, smoothing, .*, got 'cutout'"):
        Augmentation("cutout")


@pytest.mark.parametrize("name", ["epsilon", "ratio"])
def test_parameters_out_of_range(name: str) -> None:
    with pytest.raises(LabelError, match=f"{name}: expected a number between 0 and 1, got 1.5"):
        Augmentation("mixup", **{name: 1.5})  # type: ignore[arg-type]


def test_custom_labels_are_checked() -> None:
    with pytest.raises(LabelError, match="custom label: expected one number per class, got none"):
        Augmentation("custom")
    with pytest.raises(LabelError, match="label: expected entries that sum to 1, got 2"):
        Augmentation("custom", custom=(1.0, 1.0))
    with pytest.raises(ShapeError, match="label: expected 10 entries, one per class, got 4"):
        augment(FIRST, 0, None, None, 10, kinds_with("custom"))
