"""The demonstration: three clicks from a picture to a leak and a defence, each by live computation."""

import io

import pytest
from PIL import Image

PAGE = "app_pages/demo.py"


def run(page_or_widget):
    page = page_or_widget.run()
    assert not page.exception
    return page


def pictures(page):
    return next(html.proto.body for html in page.get("html") if "the device and the server" in html.proto.body)


def test_nothing_has_arrived_before_the_gradient_is_sent(lab):
    page = lab(PAGE)
    assert "Nothing received yet." in pictures(page)
    assert not page.info
    assert not page.warning


def test_one_click_leaks_the_picture_and_another_begins_anew(lab):
    page = lab(PAGE)
    run(page.button(key="demo send").click())
    assert "Rebuilt by the server." in pictures(page)
    assert page.warning[0].value.startswith("**The picture leaks.**")
    assert page.query_params["sent"] == "yes"
    run(page.button(key="demo again").click())
    assert "Nothing received yet." in pictures(page)


@pytest.mark.parametrize(
    ("defence", "leaks"), [("clip", True), ("noise", True), ("more-noise", False), ("sparse", False)]
)
def test_a_defence_is_switched_on_and_holds_or_fails(lab, defence, leaks):
    page = lab(PAGE, sent="yes", defence=defence)
    said = page.warning if leaks else page.info
    assert len(said) == 1
    assert ("leaks" in said[0].value) == leaks
    assert ("Nothing could be rebuilt" in pictures(page)) != leaks


def test_an_address_that_makes_no_sense_shows_the_beginning(lab):
    page = lab(PAGE, picture="999", defence="magic", sent="perhaps", photo="yes")
    assert "Nothing received yet." in pictures(page)


def test_a_photo_of_ones_own_leaks_too_and_a_file_that_is_none_is_refused(lab):
    page = lab(PAGE)
    page.file_uploader[0].upload("own.png", b"no picture")
    run(page)
    assert "expected" in page.warning[0].value
    file = io.BytesIO()
    Image.new("RGB", (40, 40), (200, 30, 90)).save(file, "PNG")
    page.file_uploader[0].upload("own.png", file.getvalue())
    run(page)
    assert page.query_params["photo"] == "yes"
    assert not page.warning
    run(page.button(key="demo send").click())
    assert "leaks" in page.warning[0].value
