"""The page under a finger: swipes scroll, taps choose, and what is to be hit is large enough."""

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

LAMBDA = "lambda-cursor"
SIZES = """parts => parts.filter(part => part.offsetParent).map(part => {
  const { width, height } = (part.querySelector('button') ?? part).getBoundingClientRect();
  return [width, height];
})"""


@pytest.fixture
def phone(open_page):
    return open_page(width=390, height=844, touch=True)


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
