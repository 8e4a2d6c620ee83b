"""Pictures from strangers: every format, every oddity, every attack we could think of."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gradinv_core.errors import ImageFileError, OptionError
from gradinv_core.image_files import LARGEST_BYTES, read_image, read_image_sizes


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def two_colours(width: int = 20, height: int = 20) -> Image.Image:
    """Left half blue, right half yellow."""
    picture = Image.new("RGB", (width, height), (0, 0, 255))
    picture.paste((255, 255, 0), (width // 2, 0, width, height))
    return picture


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises a large picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_format(kind: str) -> None:
    image = read_image(encoded(two_colours(), kind), 16)
    assert image.shape == (3, 16, 16)
    assert image.dtype == torch.float32
    assert 0 <= float(image.min()) <= float(image.max()) <= 1
    torch.testing.assert_close(image[:, 8, 1], torch.tensor([0.0, 0.0, 1.0]), atol=0.05, rtol=0)
    torch.testing.assert_close(image[:, 8, 14], torch.tensor([1.0, 1.0, 0.0]), atol=0.05, rtol=0)


def test_a_picture_of_the_right_size_comes_back_exactly() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    expected = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    assert torch.equal(read_image(encoded(Image.fromarray(pixels)), 24), expected)


def test_the_middle_square_is_cut_out() -> None:
    picture = Image.new("RGB", (60, 20), "red")
    picture.paste((0, 255, 0), (20, 0, 40, 20))
    image = read_image(encoded(picture), 20)
    assert float(image[1].min()) == 1.0
    assert float(image[0].max()) == 0.0


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "I", "LA"])
def test_grey_pictures_have_three_equal_channels(mode: str) -> None:
    white = {"I;16": 65535, "I": 65535, "1": 1, "LA": (255, 255)}.get(mode, 255)
    picture = Image.new(mode, (12, 12), 0)
    picture.paste(white, (6, 0, 12, 12))  # type: ignore[arg-type]
    if mode == "P":
        picture.putpalette([value for grey in range(256) for value in (grey, grey, grey)])
    image = read_image(encoded(picture, "TIFF" if mode == "I" else "PNG") if mode != "LA" else _opaque(picture), 12)
    assert image.shape == (3, 12, 12)
    assert torch.equal(image[0], image[1])
    assert torch.equal(image[0], image[2])
    assert (float(image.min()), float(image.max())) == (0.0, 1.0)


def _opaque(picture: Image.Image) -> bytes:
    picture.putalpha(255)
    return encoded(picture)


def test_sixteen_bits_keep_their_depth() -> None:
    levels = np.arange(64, dtype=np.uint16).reshape(8, 8) * 3 + 1000
    image = read_image(encoded(Image.fromarray(levels)), 8)
    torch.testing.assert_close(image[0].double(), torch.from_numpy(levels / 65535.0), atol=1e-7, rtol=0)


def test_thirty_two_bits_and_fractions_are_refused() -> None:
    with pytest.raises(ImageFileError, match="image file: expected 8 or 16 bits per channel, got 32"):
        read_image(encoded(Image.fromarray(np.full((9, 9), 70_000, dtype=np.int32)), "TIFF"), 8)
    with pytest.raises(ImageFileError, match="image file: expected whole numbers as pixels, got fractions"):
        read_image(encoded(Image.fromarray(np.full((9, 9), np.nan, dtype=np.float32)), "TIFF"), 8)


def test_cmyk_photographs_are_converted() -> None:
    image = read_image(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"), 8)
    torch.testing.assert_close(image[:, 4, 4], torch.tensor([1.0, 0.0, 0.0]), atol=0.05, rtol=0)


@pytest.mark.parametrize(("alpha", "expected"), [(0, [1.0, 1.0, 1.0]), (255, [1.0, 0.0, 0.0]), (51, [1.0, 0.8, 0.8])])
def test_transparency_shows_white_paper(alpha: int, expected: list[float]) -> None:
    image = read_image(encoded(Image.new("RGBA", (16, 16), (255, 0, 0, alpha))), 8)
    torch.testing.assert_close(image[:, 3, 3], torch.tensor(expected), atol=0.01, rtol=0)


def test_a_transparent_palette_entry_shows_white_paper() -> None:
    picture = Image.new("P", (16, 16), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    assert float(read_image(encoded(picture, "GIF", transparency=0), 8).min()) == 1.0


def test_the_orientation_a_camera_noted_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by a quarter turn clockwise to see it upright
    image = read_image(encoded(two_colours(), "JPEG", exif=exif, quality=95), 16)
    assert float(image[2, 1].mean()) > 0.9  # blue, once left, is now on top
    assert float(image[2, 14].mean()) < 0.1


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_broken_camera_note_does_not_cost_the_picture() -> None:
    data = encoded(two_colours(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f" + b"\xff" * 40)
    assert read_image(data, 16).shape == (3, 16, 16)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_only_the_first_frame_is_read(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("white", "black", "black")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert float(read_image(data, 8).min()) > 0.99


def test_the_smallest_picture_that_is_taken() -> None:
    assert read_image(encoded(two_colours(8, 8)), 32).shape == (3, 32, 32)


@pytest.mark.parametrize(("width", "height"), [(7, 100), (100, 7), (1, 1)])
def test_tiny_pictures(width: int, height: int) -> None:
    with pytest.raises(
        ImageFileError, match=rf"image file: expected at least 8 x 8 pixels, got {width} x {height}; choose"
    ):
        read_image(encoded(Image.new("RGB", (width, height))), 8)


@pytest.mark.parametrize(
    ("width", "height"), [(6400, 6400), (12_000, 12_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)]
)
def test_huge_dimensions_are_refused_before_anything_is_decoded(width: int, height: int) -> None:
    start = time.perf_counter()
    with pytest.raises(ImageFileError, match="image file: expected at most 40 megapixels, got more; make the picture"):
        read_image(png_claiming(width, height), 8)
    assert time.perf_counter() - start < 1


def test_a_small_file_with_many_pixels_is_refused() -> None:
    bomb = encoded(Image.new("1", (8000, 8000)), "PNG")
    assert len(bomb) < 20_000
    with pytest.raises(ImageFileError, match="expected at most 40 megapixels"):
        read_image(bomb, 8)


def test_a_large_photograph_is_still_taken() -> None:
    assert read_image(encoded(Image.new("RGB", (6000, 4000), "teal"), "JPEG"), 32).shape == (3, 32, 32)


def test_large_files_are_refused_unseen() -> None:
    with pytest.raises(ImageFileError, match="image file: expected at most 20 MB, got 21 MB; make the picture smaller"):
        read_image(encoded(two_colours()) + bytes(LARGEST_BYTES + 1024**2), 8)


def test_an_empty_file() -> None:
    with pytest.raises(ImageFileError, match="image file: expected a picture, got an empty file; choose another one"):
        read_image(b"", 8)


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\xff\xff\xff\xffWEBPVP8X",
        b"II*\x00\xff\xff\xff\xff",
        b"%PDF-1.7 not a picture",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(Image.new("RGB", (16, 16)), "PPM"),
        encoded(Image.new("RGB", (16, 16)), "ICO"),
    ],
    ids=["text", "png header", "gif header", "webp header", "tiff header", "pdf", "postscript", "svg", "ppm", "ico"],
)
def test_files_that_are_no_such_picture(data: bytes) -> None:
    with pytest.raises(
        ImageFileError, match="image file: expected a PNG, JPEG, WEBP, BMP, GIF or TIFF picture, got someth"
    ):
        read_image(data, 8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_truncated_pictures(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(ImageFileError, match=r"image file: expected (an intact|a PNG, JPEG)"):
        read_image(data[: len(data) // 2], 8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"]))
@pytest.mark.filterwarnings("ignore")  # Pillow may also warn about what it met on the way
def test_flipped_bytes_give_a_picture_or_a_sentence(data: st.DataObject, kind: str) -> None:
    original = bytearray(encoded(two_colours(), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = read_image(bytes(original), 8)
    except ImageFileError:
        return  # one sentence, and no other kind of error
    assert image.shape == (3, 8, 8)
    assert bool(((image >= 0) & (image <= 1)).all())


@given(data=st.binary(max_size=300))
@pytest.mark.filterwarnings("ignore")
def test_random_bytes_give_a_sentence(data: bytes) -> None:
    with pytest.raises(ImageFileError, match="image file: expected"):
        read_image(data, 8)


def test_a_size_that_makes_no_sense_is_not_blamed_on_the_file() -> None:
    with pytest.raises(OptionError, match="size: expected a whole number of pixels"):
        read_image(encoded(two_colours()), 0)


def phone_file(main: bytes, *others: bytes) -> bytes:
    """What a phone's picture begins with: the box that names its format."""
    brands = b"".join(others)
    return struct.pack(">I", 16 + len(brands)) + b"ftyp" + main + bytes(4) + brands + bytes(500)


@pytest.mark.parametrize(
    "data",
    [
        *(phone_file(brand) for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")),
        phone_file(b"mif1", b"miaf", b"heic"),
        phone_file(b"heic")[:16],
    ],
)
def test_a_phones_photo_is_named_and_the_way_out_is_told(data: bytes) -> None:
    with pytest.raises(
        ImageFileError,
        match="got a HEIC photo, as phones take them; export it as JPEG or PNG "
        r"\(on an iPhone, Settings > Camera > Formats > Most Compatible makes the next ones JPEG\)\.$",
    ):
        read_image(data, 32)


@pytest.mark.parametrize("data", [phone_file(b"avif"), phone_file(b"mif1", b"miaf", b"avif")])
def test_another_format_in_the_same_container_is_named_too(data: bytes) -> None:
    with pytest.raises(ImageFileError, match="got an AVIF picture; save it as JPEG or PNG"):
        read_image(data, 32)


@pytest.mark.parametrize("data", [phone_file(b"isom", b"mp41"), b"\xff\xff\xff\xffftyp", b"ftypheic" + bytes(50)])
def test_what_only_resembles_it_stays_something_else(data: bytes) -> None:
    with pytest.raises(ImageFileError, match="got something else; save the picture in one of these formats"):
        read_image(data, 32)


@pytest.mark.parametrize("kind", ["RGB", "L", "RGBA"])
def test_several_sizes_at_once_are_those_one_by_one(kind: str) -> None:
    data = encoded(two_colours(90, 70).convert(kind))
    together = read_image_sizes(data, (32, 64, 224))
    assert set(together) == {32, 64, 224}
    assert all(torch.equal(image, read_image(data, size)) for size, image in together.items())
