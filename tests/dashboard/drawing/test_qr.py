"""QR codes: the figure of the standard, module for module; and what an independent reader has read.

The reader was jsQR 1.4 (github.com/cozmo/jsQR), which decoded codes of versions 1 to 20, among them those whose digests
stand here.
"""

from hashlib import sha256

import numpy as np
import pytest

from dashboard.drawing.qr import LONGEST, qr_modules, qr_svg
from dashboard.drawing.qr.modules import _masked

# "QR Code Symbol" in version 1, level M, mask 5: figure 1 of ISO/IEC 18004:2015.
STANDARD = (
    "111111100001101111111",
    "100000101001101000001",
    "101110101110101011101",
    "101110101010001011101",
    "101110100000101011101",
    "100000100010101000001",
    "111111101010101111111",
    "000000001100100000000",
    "100000101111011001110",
    "100010001110001000111",
    "011101111001100100010",
    "110100001011010100110",
    "011111111110001011011",
    "000000001000000010110",
    "111111100111111000110",
    "100000100010011011100",
    "101110100000111000111",
    "101110100100001010100",
    "101110100100101010011",
    "100000100001110111100",
    "111111101011001010010",
)
READ = {
    "http://192.168.1.20:8501/lesson?step=4&code=K7QMX": "60fb94cac0776bce",
    "http://192.168.1.20:8501/?dataset=digits&image=7&label=mixup&controls=hidden&v=1": "36d01d120ebb3fe2",
    "λ" * (LONGEST // 2): "e2704b166c217631",
}


def lines(modules):
    return ["".join("01"[int(dark)] for dark in row) for row in modules]


def test_the_figure_of_the_standard_is_drawn():
    assert lines(_masked("QR Code Symbol")[5]) == list(STANDARD)


@pytest.mark.parametrize(("text", "digest"), READ.items(), ids=["lesson", "scenario", "longest"])
def test_what_an_independent_reader_has_read_stays_as_it_is(text, digest):
    assert sha256(np.packbits(qr_modules(text)).tobytes()).hexdigest()[:16] == digest


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match=f"expected a text of at most {LONGEST} bytes, got {LONGEST + 1}"):
        qr_modules("a" * (LONGEST + 1))


def test_the_picture_has_a_light_rim_and_a_name():
    svg = qr_svg("QR Code Symbol", 'to "it"')
    assert 'viewBox="0 0 29 29"' in svg
    assert 'aria-label="to &quot;it&quot;"' in svg
    assert svg.count("h1v1h-1z") == int(qr_modules("QR Code Symbol").sum())
