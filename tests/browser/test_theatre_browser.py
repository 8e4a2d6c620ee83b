"""The reconstruction theatre in a real browser: a search is started, watched, stopped, resumed and played back."""

import re

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

ENDLESS = "?network=lenet_tanh&iterations=20000"
SHORT = "?network=lenet_tanh&iterations=100&run=one"
FOUR = "?network=lenet_tanh&label=mixup&iterations=100&run=comparison"


def panel(page):
    return page.get_by_test_id("stExpander").filter(has_text="Gradient matching, the usual attack")


def open_panel(page):
    """The search's part of the page, whether or not it was open, once the exact route has drawn the page again."""
    expect(page.get_by_role("heading", name="The server is at work")).to_have_count(0)
    box = panel(page)
    if not box.get_by_test_id("stExpanderDetails").is_visible():
        box.locator("summary").click()
    box.get_by_role("button", name="Start", exact=True).wait_for()
    return box


@pytest.fixture
def start(settle):
    """Function that starts a search once the page is at rest: a click into the moment of a redraw would be lost."""

    def click(box) -> None:
        settle(box.page)
        box.get_by_role("button", name="Start", exact=True).click()
        expect(box.get_by_role("button", name="Stop")).to_be_visible()

    return click


def seen(box) -> tuple[str, str]:
    """The picture a search shows now, and its progress in words."""
    return (
        box.get_by_test_id("frame-image").get_attribute("src"),
        box.get_by_test_id("stProgress").inner_text(),
    )


def stop(box) -> None:
    """Stop the search, and wait for the page to say so; `make bench` tells how long that takes."""
    box.get_by_role("button", name="Stop").click()
    expect(box.get_by_role("button", name="Start", exact=True)).to_be_visible()


def finished(box) -> None:
    expect(box.get_by_test_id("player-title")).to_have_text(re.compile("^Finished after"))


def curve(box, name: str) -> str:
    return box.locator(f"[data-curve={name}] output").inner_text()


@pytest.fixture
def endless(shared_page):
    """The part of a page that starts an endless search: one tab for all tests, which stop what they start."""
    return open_panel(shared_page(ENDLESS))


@pytest.fixture
def done(shared_page):
    """The part of a page on which a short search has come to its end: one tab for all tests."""
    box = panel(shared_page(SHORT))
    finished(box)
    return box


def test_a_search_is_started_watched_stopped_and_resumed_from_its_address(endless, start, open_page, settle):
    page, box = endless.page, endless
    start(box)
    box.get_by_test_id("frame-image").wait_for()
    first = seen(box)
    expect(box.get_by_test_id("frame-image")).not_to_have_attribute("src", first[0])
    expect(box.get_by_test_id("stProgress")).not_to_have_text(first[1])
    assert "of 20,000, loss" in seen(box)[1]
    page.wait_for_url("**run=one**")

    # Something else on the page changes: the search does not care.
    page.get_by_role("radio", name="upload").click()
    page.get_by_test_id("stFileUploader").wait_for()
    expect(box.get_by_role("button", name="Stop")).to_be_visible()
    page.get_by_role("radio", name="dataset", exact=True).click()

    expect(box.get_by_role("button", name="Stop")).to_be_visible()
    settle(page)
    stop(box)
    expect(box.get_by_test_id("player-title")).to_have_text(re.compile("^Stopped after [0-9,]+ iterations"))
    expect(box.get_by_test_id("stProgress")).to_have_count(0)
    assert box.get_by_role("button", name="Go on").is_enabled()

    again = open_page(page.url[page.url.index("?") :])
    box = panel(again)
    expect(box.get_by_role("button", name="Stop")).to_be_visible()
    box.get_by_test_id("frame-image").wait_for()
    assert "of 20,000" in seen(box)[1]
    stop(box)


def test_stop_answers_again_and_again(endless, start, benchmark):
    """`make bench` says how soon, click to Start button, while the search computes beside the page."""
    endless.page.get_by_test_id("stMetric").filter(has_text="PSNR").first.wait_for()  # the exact route is done
    progress = endless.get_by_test_id("stProgress")

    def begin():
        start(endless)
        expect(progress).to_contain_text("of 20,000, loss")
        expect(progress).not_to_have_text(progress.inner_text())  # in full swing

    benchmark.pedantic(stop, args=(endless,), setup=begin, rounds=4)


def test_go_on_begins_where_the_search_was_stopped(endless, start):
    box = endless
    start(box)
    box.get_by_test_id("frame-image").wait_for()
    stop(box)
    title = box.get_by_test_id("player-title")
    expect(title).to_have_text(re.compile("^Stopped after"))
    done = int(re.search(r"after ([0-9,]+) iterations", title.inner_text()).group(1).replace(",", ""))
    box.get_by_role("button", name="Go on").click()
    progress = box.get_by_test_id("stProgress").filter(has_text="of 20,000, loss")
    progress.wait_for()
    reached = int(re.search(r"Iteration ([0-9,]+) of", progress.inner_text()).group(1).replace(",", ""))
    assert reached >= done
    stop(box)


def test_a_finished_search_is_played_back_by_keyboard_and_its_curves_follow(done):
    page, box = done.page, done
    picture, slider = box.get_by_test_id("frame-image"), box.get_by_test_id("frame-slider")
    last = int(picture.get_attribute("data-frame"))
    assert last > 10
    end = picture.get_attribute("src"), curve(box, "loss"), curve(box, "PSNR")
    sent = len(page.sent)
    slider.focus()
    page.keyboard.press("Home")
    assert picture.get_attribute("data-frame") == "0"
    start = picture.get_attribute("src"), curve(box, "loss"), curve(box, "PSNR")
    assert all(before != after for before, after in zip(start, end, strict=True))
    assert float(start[2].split()[0]) < float(end[2].split()[0])
    page.keyboard.press("ArrowRight")
    assert picture.get_attribute("data-frame") == "1"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    play = box.get_by_test_id("frame-play")
    expect(play).to_have_attribute("aria-label", "Pause")
    expect(picture).not_to_have_attribute("data-frame", "0")
    page.keyboard.press("Space")
    expect(play).to_have_attribute("aria-label", "Play")
    page.keyboard.press("End")
    assert picture.get_attribute("data-frame") == str(last)
    # From the buttons, too; and no key asked the server.
    play.focus()
    page.keyboard.press("ArrowLeft")
    assert picture.get_attribute("data-frame") == str(last - 1)
    assert len(page.sent) == sent


def test_a_click_on_a_curve_goes_to_that_moment(done):
    plot = done.locator("[data-curve=loss] .plot")
    plot.scroll_into_view_if_needed()
    size = plot.bounding_box()
    plot.click(position={"x": size["width"] / 2, "y": size["height"] / 2})
    middle, last = (
        int(done.get_by_test_id("frame-image").get_attribute("data-frame")),
        int(done.get_by_test_id("frame-slider").get_attribute("max")),
    )
    assert abs(middle / last - 0.5) < 0.1


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_four_labels_stand_side_by_side(shared_page, wear, settle, width, scheme):
    page = shared_page(FOUR)
    page.set_viewport_size({"width": width, "height": 900})
    wear(page, scheme)
    row = page.get_by_role("group", name="the same search with four labels")
    heading = page.get_by_role("heading", name=re.compile("^The recovered label"))
    heading.wait_for()
    settle(page)
    expect(row.locator("img")).to_have_count(5)
    widths = row.locator("img").evaluate_all("images => images.map(image => image.getBoundingClientRect().width)")
    assert min(widths) > 80
    overflow = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    page.wait_for_url("**run=comparison**")


def test_an_exact_picture_is_rebuilt_while_the_page_is_there_and_its_layers_are_played_back(open_page):
    page = open_page("?network=lenet_sigmoid&label=mixup%2Bsmoothing&seed=3")
    # The rest of the story does not wait for the picture.
    assert page.get_by_test_id("stMetric").filter(has_text="Largest error").is_visible()
    metric = page.get_by_test_id("stMetric").filter(has_text="PSNR").first
    metric.wait_for()
    assert float(metric.get_by_test_id("stMetricValue").inner_text().split()[0]) > 80
    expect(page.get_by_role("heading", name="All 4 layers leak exactly")).to_be_visible()
    row = page.get_by_role("group", name="the client's picture and the server's")
    expect(row.locator("img")).to_have_count(3)
    player = page.get_by_test_id("frame-player")
    expect(player.get_by_test_id("frame-count")).to_have_text("4 / 4")
    pictures = [player.get_by_test_id(name) for name in ("frame-image", "frame-truth", "frame-deviation")]
    shown = []
    player.get_by_test_id("frame-slider").focus()
    for _ in range(4):
        assert all(picture.is_visible() for picture in pictures)
        shown.append(tuple(picture.get_attribute("src") for picture in pictures))
        page.keyboard.press("ArrowLeft")
    assert len(set(shown)) == 4
    expect(player.get_by_test_id("frame-title")).to_have_text(re.compile("feature", re.IGNORECASE))
