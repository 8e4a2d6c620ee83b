"""Files from strangers: pictures of every kind are taken, everything else costs one sentence and never the page."""

import io

import numpy as np
import pytest
from PIL import Image

from dashboard.claims.cause import VANISHED


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def tiny_png() -> bytes:
    return png(np.zeros((7, 7)))


def truncated_png() -> bytes:
    return png(np.random.default_rng(0).integers(0, 255, (64, 64, 3)))[:3000]


def huge_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (7000, 6000)).save(buffer, "png")
    return buffer.getvalue()


def test_a_gradient_of_zero_ends_the_story_in_a_sentence(with_upload):
    page = with_upload(png(np.zeros((40, 40, 3))))
    assert [warning.value for warning in page.warning] == [VANISHED]
    assert VANISHED.startswith("Every entry of the last layer's gradient is zero.")
    assert len(page.main.header) == 3
    assert not page.error


@pytest.mark.parametrize(
    "pixels",
    [np.full((40, 40), 99), np.full((40, 60, 4), 120), np.arange(64).reshape(8, 8)],
    ids=["grey", "transparent", "smallest"],
)
def test_any_picture_is_taken(numbers, with_upload, pixels):
    page = with_upload(png(pixels))
    assert not page.warning
    assert float(numbers(page)["PSNR"].split()[0]) > 80


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "got an empty file"),
        (b"MZ" + bytes(400), "got something else"),
        (b"<svg onload=alert(1)>" * 50, "got something else"),
        (tiny_png, "at least 8 x 8 pixels, got 7 x 7"),
        (huge_png, "at most 40 megapixels, got more"),
        (truncated_png, "got a damaged one"),
    ],
    ids=["empty", "program", "markup", "tiny", "huge", "truncated"],
)
def test_any_other_file_is_one_sentence_and_the_page_goes_on(numbers, with_upload, data, sentence):
    page = with_upload(data() if callable(data) else data)
    assert not page.error
    assert len(page.warning) == 1
    assert sentence in page.warning[0].value
    assert page.warning[0].value.endswith("; until then the page shows the dataset's picture.")
    assert float(numbers(page)["PSNR"].split()[0]) > 100
