"""Back and Forward in a real browser: one step each, on every page, and an own photo that goes along."""

import io

import pytest
import skimage.data
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

HEADINGS = {
    "Lab": "6 The picture",
    "Experiments": "2 Sample by sample",
    "Failures": "3 The race",
    "What protects": "1 The sweep",
}


@pytest.fixture
def walk(settle):
    """Function that goes somewhere and waits until the page is there: by the menu, or through the history."""

    def go(page, name: str, move=None) -> None:
        if move is None:
            page.get_by_role("link", name=name, exact=True).first.click()
        else:
            move()
        page.get_by_role("heading", name=HEADINGS[name]).wait_for()
        settle(page)

    return go


def photograph() -> bytes:
    """A real photograph, larger than the network's image and not square."""
    buffer = io.BytesIO()
    Image.fromarray(skimage.data.chelsea()).save(buffer, "jpeg", quality=90)
    return buffer.getvalue()


def where(page) -> str:
    return page.evaluate("() => location.pathname + location.search")


def softening(page):
    return page.get_by_role("combobox", name="Softening")


def choose(page, name: str, option: str) -> None:
    box = page.get_by_role("combobox", name=name)
    box.evaluate("box => box.scrollIntoView({ block: 'center' })")  # a list that is scrolled closes
    box.click()
    page.get_by_role("option", name=option, exact=True).click()


def test_back_and_forward_restore_page_and_scenario_in_one_step(open_page, walk, settle):
    page = open_page("?label=mixup&v=1")
    entries = page.evaluate("() => history.length")
    for name, path in (("What protects", "/protection"), ("Experiments", "/experiments"), ("Failures", "/failures")):
        walk(page, name)
        page.wait_for_function(f"() => location.pathname + location.search === '{path}?label=mixup&v=1'")
    assert page.evaluate("() => history.length") == entries + 3
    choose(page, "Softening", "CutMix")
    page.wait_for_function("() => location.search.includes('label=cutmix')")
    settle(page)

    walk(page, "Failures", page.go_back)
    expect(softening(page)).to_have_value("mixup")
    walk(page, "Experiments", page.go_back)
    assert where(page) == "/experiments?label=mixup&v=1"
    walk(page, "What protects", page.go_back)
    expect(softening(page)).to_have_value("mixup")
    walk(page, "Lab", page.go_back)
    expect(softening(page)).to_have_value("mixup")
    assert where(page) == "/?label=mixup&v=1"
    walk(page, "Failures", lambda: page.evaluate("() => history.go(4)"))
    expect(softening(page)).to_have_value("CutMix")


def test_an_empty_address_in_the_history_is_the_default_scenario(shared_page, walk, settle):
    page = shared_page()
    walk(page, "What protects")
    assert where(page) == "/protection"
    choose(page, "Softening", "mixup")
    page.wait_for_function("() => location.search.includes('label=mixup')")
    settle(page)
    walk(page, "Lab", lambda: page.evaluate("() => history.go(-2)"))
    expect(softening(page)).to_have_value("label smoothing")
    assert where(page) == "/"
    walk(page, "What protects", page.go_forward)
    expect(softening(page)).to_have_value("label smoothing")
    page.go_forward()
    expect(softening(page)).to_have_value("mixup")
    assert where(page) == "/protection?label=mixup&v=1"
    walk(page, "Lab", lambda: page.evaluate("() => history.go(-2)"))  # as the others expect this page


def test_an_own_photo_is_recovered_and_goes_along_and_a_reload_says_that_it_is_lost(open_page, walk, settle):
    page = open_page()
    page.get_by_role("radio", name="upload").click()
    expect(page.get_by_text("It stays in this tab only: all pages use it, and a reload forgets it.")).to_be_visible()
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(
        {"name": "own.jpg", "mimeType": "image/jpeg", "buffer": photograph()}
    )
    page.wait_for_function("() => location.search === '?photo=yes&v=1'")
    settle(page)
    named = page.get_by_text("Label: “your photo” 91 %.")
    expect(named).to_be_visible()
    likeness = page.get_by_test_id("stMetric").filter(has_text="PSNR").get_by_test_id("stMetricValue")
    assert float(likeness.inner_text().split()[0]) > 100
    assert not page.get_by_test_id("stAlertContentError").count()
    thumbnail = page.get_by_test_id("own-photo")
    for name in ("What protects", "Lab"):
        walk(page, name)
        expect(thumbnail).to_be_visible()
        assert where(page).endswith("?photo=yes&v=1")
    expect(named).to_be_visible()
    walk(page, "What protects", page.go_back)
    expect(thumbnail).to_be_visible()
    walk(page, "Lab", lambda: page.evaluate("() => history.go(-2)"))  # before there was a photo
    expect(page.get_by_text("Label: “astronaut” 91 %.")).to_be_visible()
    page.go_forward()
    expect(named).to_be_visible()

    page.reload()
    expect(page.get_by_test_id("stAlert").filter(has_text="this tab holds none: a reload forgets it")).to_be_visible()
    expect(page.get_by_text("Label: “astronaut” 91 %.")).to_be_visible()


def test_matching_unfolds_for_a_network_chosen_by_menu_and_stays_as_it_is_left(shared_page, walk, settle):
    page = shared_page()
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_hidden()
    choose(page, "Architecture", "AlexNet")
    expect(start).to_be_visible()
    settle(page)
    page.get_by_text("Gradient matching, the usual attack").click()
    expect(start).to_be_hidden()
    settle(page)
    choose(page, "Softening", "mixup")
    page.wait_for_function("() => location.search.includes('label=mixup')")
    settle(page)
    expect(page.get_by_role("heading", name="6 The picture")).to_be_visible()
    expect(start).to_be_hidden()
    walk(page, "Lab", lambda: page.evaluate("() => history.go(-2)"))  # as the others expect this page
    assert where(page) == "/"
