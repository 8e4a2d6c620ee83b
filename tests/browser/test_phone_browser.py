"""The Lab under a finger: it fits a phone, swipes scroll, taps choose, and what is to be hit is large enough."""

import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api")

LAMBDA = "lambda-cursor"
SIZES = """parts => parts.filter(part => part.offsetParent).map(part => {
  const { width, height } = (part.querySelector('button') ?? part).getBoundingClientRect();
  return [width, height];
})"""


@pytest.fixture
def phone(shared_page, wear):
    """The default Lab on a phone, λ where the server found it: one tab for all tests."""
    page = shared_page(width=390, height=844, touch=True)
    wear(page, "light")
    jump = page.get_by_test_id("jump-to-recovered")
    if jump.is_enabled():  # it is not where λ is there already
        jump.tap()
    redrawn(page)
    return page


def candidate(page) -> float:
    return float(page.get_by_test_id(LAMBDA).get_attribute("data-scale"))


def redrawn(page) -> None:
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def swipe(page, start, end, steps=12) -> None:
    """A finger that goes from one point to another, as the browser itself would report it."""
    session = page.context.new_cdp_session(page)

    def send(kind, *points):
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    send("touchStart", start)
    for step in range(1, steps + 1):
        send("touchMove", tuple(a + (b - a) * step / steps for a, b in zip(start, end, strict=True)))
        redrawn(page)
    send("touchEnd")
    redrawn(page)


def scrolled(page) -> float:
    return page.get_by_test_id("stMain").evaluate("main => main.scrollTop")


@pytest.mark.parametrize("part", ["loss-curve", "lambda-slider"])
def test_a_vertical_swipe_scrolls_and_leaves_lambda(phone, part):
    target = phone.get_by_test_id(part)
    target.scroll_into_view_if_needed()
    box, before, top = target.bounding_box(), candidate(phone), scrolled(phone)
    x, y = box["x"] + 0.7 * box["width"], box["y"] + box["height"] / 2
    swipe(phone, (x, y), (x, y - 250))
    assert candidate(phone) == before
    assert scrolled(phone) > top + 50


def test_a_sideways_swipe_and_a_tap_move_lambda(phone):
    curve = phone.get_by_test_id("loss-curve")
    curve.scroll_into_view_if_needed()
    box, before = curve.bounding_box(), candidate(phone)
    y = box["y"] + box["height"] / 2
    swipe(phone, (box["x"] + 0.6 * box["width"], y), (box["x"] + 0.9 * box["width"], y))
    swiped = candidate(phone)
    assert swiped > 1 > before
    curve.tap(position={"x": 0.2 * box["width"], "y": box["height"] / 2})
    redrawn(phone)
    assert candidate(phone) < -1


def test_what_explains_a_word_is_large_enough_for_a_finger(phone):
    sizes = phone.get_by_test_id("stTooltipHoverTarget").evaluate_all(SIZES)
    assert len(sizes) > 10
    assert min(min(size) for size in sizes) >= 24


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_without_scrolling_sideways(phone, wear, scheme, tmp_path):
    wear(phone, scheme)
    overflow = phone.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    slider = phone.get_by_test_id("lambda-slider")
    slider.scroll_into_view_if_needed()
    assert slider.bounding_box()["width"] <= 390
    before = candidate(phone)
    slider.tap(position={"x": 60, "y": 22})
    redrawn(phone)
    assert candidate(phone) < before
    shot = tmp_path / f"phone-{scheme}.png"
    phone.screenshot(path=shot)
    picture = Image.open(shot).convert("L")
    dark_page = picture.resize((1, 1)).getpixel((0, 0)) < 128
    assert dark_page == (scheme == "dark")
    assert len(picture.getcolors(256) or range(257)) > 50
