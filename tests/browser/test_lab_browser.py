"""The Lab in a real browser: figures, slider, address, uploads, both themes, a phone."""

import math
import re

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

JUMP = "jump-to-recovered"


def bars(page) -> dict[int, float]:
    rects = page.get_by_test_id("pseudo-label").locator("rect[data-class]").all()
    return {int(rect.get_attribute("data-class")): float(rect.get_attribute("data-value")) for rect in rects}


def candidate(page) -> float:
    return float(page.get_by_test_id("lambda-cursor").get_attribute("data-scale"))


def redrawn(page) -> None:
    """Let the browser draw the frame that the last event asked for."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def decibels(page) -> float:
    metric = page.get_by_test_id("stMetric").filter(has_text="PSNR")
    return float(metric.get_by_test_id("stMetricValue").inner_text().split()[0])


def upload(page, name: str, data: bytes) -> None:
    page.get_by_role("radio", name="upload").click()
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(
        {"name": name, "mimeType": "image/jpeg", "buffer": data}
    )


@pytest.fixture
def lab(shared_page, wear):
    """The default Lab, λ where the server found it: one tab for all tests that leave it as they found it."""
    page = shared_page()
    wear(page, "light")
    jump = page.get_by_test_id(JUMP)
    if jump.is_enabled():  # it is not where λ is there already
        jump.click()
    redrawn(page)
    return page


def test_the_first_view_shows_the_whole_story_solved(shared_page):
    page = shared_page()
    expect(page.locator(".js-plotly-plot")).to_have_count(5)
    expect(page.get_by_test_id("scrubber-title")).to_have_text(re.compile("One λ fits: −"))
    expect(page.get_by_test_id("stMetricValue")).to_have_count(13)
    assert decibels(page) > 100
    # The player starts on the last frame and does not move by itself.
    expect(page.get_by_test_id("frame-count")).to_have_text("3 / 3")
    assert page.get_by_test_id("frame-play").get_attribute("aria-label") == "Play"
    assert page.get_by_test_id("loss-curve").locator("path").count() >= 4
    assert page.locator("[data-testid=true-scale]").count() == page.locator("[data-testid=found-scale]").count() == 1


def test_the_mouse_moves_the_bars_without_asking_the_server(lab):
    start, found = bars(lab), candidate(lab)
    sent = len(lab.sent)
    assert sent
    lab.get_by_test_id("lambda-slider").scroll_into_view_if_needed()
    box = lab.get_by_test_id("lambda-slider").bounding_box()
    lab.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    lab.mouse.down()
    redrawn(lab)
    assert candidate(lab) > 1
    assert bars(lab) != start
    assert math.isclose(sum(bars(lab).values()), 1, abs_tol=1e-6)
    assert lab.get_by_test_id("readout-feasible").inner_text() in {"yes", "no"}

    drawn = lab.evaluate_handle("() => ({ frames: 0 })")
    lab.get_by_test_id("lambda-cursor").evaluate(
        "(cursor, drawn) => new MutationObserver(() => drawn.frames++).observe(cursor, { attributes: true })", drawn
    )
    for step in range(60):
        lab.mouse.move(box["x"] + (0.2 + 0.6 * step / 60) * box["width"], box["y"] + box["height"] / 2)
    assert drawn.evaluate("drawn => drawn.frames") > 30  # it follows; moves that fall into one frame share it
    lab.mouse.up()

    lab.get_by_test_id(JUMP).click()
    redrawn(lab)
    assert candidate(lab) == found
    assert bars(lab) == start
    assert len(lab.sent) == sent


def test_the_keyboard_moves_the_bars_and_crosses_the_gap(lab):
    slider = lab.get_by_test_id("lambda-slider")
    before = candidate(lab)
    slider.focus()
    lab.keyboard.press("ArrowRight")
    redrawn(lab)
    assert before < candidate(lab) < -1
    lab.keyboard.press("End")
    redrawn(lab)
    assert candidate(lab) == pytest.approx(1e6)
    lab.keyboard.press("Home")
    redrawn(lab)
    assert candidate(lab) == pytest.approx(-1e6)
    # Out there every share lies within 1e-6 of [0, 1], yet further outside than the gradient's rounding explains.
    assert lab.get_by_test_id("readout-feasible").inner_text() == "no"
    assert "lambda −1.0\u00a0×\u00a010⁶" in slider.get_attribute("aria-valuetext")
    # No label has |lambda| < 1: the slider steps from -1 to 1.
    slider.evaluate("range => { range.value = -0.2; range.dispatchEvent(new Event('input')); }")
    redrawn(lab)
    seen = [candidate(lab)]
    while seen[-1] < 0 and len(seen) < 30:
        lab.keyboard.press("ArrowRight")
        redrawn(lab)
        seen.append(candidate(lab))
    assert seen[-2:] == [-1, 1]


def test_the_curve_tells_exact_values_under_the_pointer(lab):
    lab.get_by_test_id("loss-curve").hover(position={"x": 200, "y": 100})
    text = lab.get_by_test_id("curve-tooltip").inner_text()
    assert text.startswith("λ = −")
    assert "scale-free loss" in text
    assert "valid label" in text


def test_the_slider_stays_where_it_is_when_something_else_changes(lab, settle):
    lab.get_by_test_id("lambda-slider").focus()
    lab.keyboard.press("PageUp")
    redrawn(lab)
    kept = candidate(lab)
    for source, shown in (("upload", "stFileUploader"), ("dataset", "strip-choice")):
        lab.get_by_role("radio", name=source, exact=True).click()
        lab.get_by_test_id(shown).first.wait_for(state="attached")
        settle(lab)
        assert candidate(lab) == kept


def test_an_address_restores_a_scenario_and_a_widget_changes_the_address(open_page):
    page = open_page("?dataset=digits&image=7&label=mixup&partner=3&v=1")
    number = page.get_by_role("spinbutton", name="Picture number")
    expect(number).to_have_value("7")
    expect(page.get_by_role("combobox", name="Softening")).to_have_value("mixup")
    page.get_by_test_id("strip-choice").nth(2).check(force=True)
    page.wait_for_url("**image=2&**")
    expect(number).to_have_value("2")
    page.go_back()
    expect(number).to_have_value("7")
    page.wait_for_url("**image=7&**")


def test_hostile_addresses_and_files_are_refused_in_sentences_and_the_page_goes_on(open_page):
    page = open_page("?network=%3Cimg%20src=x%3E&epsilon=much")
    assert page.get_by_test_id("stAlert").filter(has_text="The address asks for").count() == 2
    page.wait_for_function("() => location.search === ''")
    sentence = page.get_by_test_id("stAlert").filter(has_text="got something else")
    upload(page, "page.png", b"<svg onload=alert(1)>" * 50)
    expect(sentence).to_be_visible()
    assert decibels(page) > 100
    page.get_by_role("button", name="Remove page.png").or_(page.get_by_test_id("stFileUploaderDeleteBtn")).first.click()
    expect(sentence).to_have_count(0)
    assert not page.get_by_test_id("stException").count()


def test_an_ambiguous_gradient_is_a_picture_of_everything_that_fits(open_page):
    page = open_page("?label=custom&shares=0.1,0.15,0.1,0.1,0.3,0.05,0.1,0.1")
    expect(page.get_by_test_id("scrubber-title")).to_have_text(re.compile("^Many λ fit: from −.* to −"))
    hatched = page.get_by_test_id("loss-curve").locator("rect.open")
    assert hatched.count() == len(hatched.all()) > 0
    low, high = (float(hatched.first.get_attribute(name)) for name in ("data-low", "data-high"))
    assert low <= candidate(page) <= high
    fill = "rect => getComputedStyle(rect).fill"
    bar = page.get_by_test_id("pseudo-label").locator("rect[data-class]").first
    assert "hatch" in bar.evaluate(fill)
    expect(page.get_by_role("button", name="Jump to best guess")).to_be_disabled()
    page.get_by_test_id("lambda-slider").focus()
    page.keyboard.press("Home")
    redrawn(page)
    assert "hatch" not in bar.evaluate(fill)
    expect(page.get_by_test_id("stAlert").filter(has_text="Ambiguous.")).to_be_visible()
    expect(page.get_by_role("heading", name="The picture leaks; only its brightness is open")).to_be_visible()


def test_of_a_thousand_classes_those_with_the_mass_have_bars_and_the_rest_say_what_they_share(open_page):
    page = open_page("?classes=1000&v=1")
    slider, total = page.get_by_test_id("lambda-slider"), page.get_by_test_id("other-classes-total")
    expect(total).to_have_text(re.compile("^together "))
    for key in ("Home", "End"):
        slider.focus()
        page.keyboard.press(key)
        redrawn(page)
        assert sum(bars(page).values()) > 0.9
    slider.evaluate("range => { range.value = 0; range.dispatchEvent(new Event('input')); }")
    redrawn(page)
    hidden = 1000 - len(bars(page))
    mean = float(page.get_by_test_id("other-classes").get_attribute("data-value"))
    assert hidden * mean + sum(bars(page).values()) == pytest.approx(1, abs=1e-4)
    together = float(total.text_content().split()[1].replace("−", "-"))
    assert together == pytest.approx(hidden * mean, rel=0.06)


def test_the_player_steps_by_keyboard_and_by_button(lab):
    picture = lab.get_by_test_id("frame-image")
    lab.get_by_test_id("frame-slider").focus()
    lab.keyboard.press("Home")
    assert picture.get_attribute("data-frame") == "0"
    lab.get_by_test_id("frame-next").click()
    assert picture.get_attribute("data-frame") == "1"
    lab.get_by_test_id("frame-play").evaluate(
        "button => { window.said = []; new MutationObserver(() => window.said.push(button.getAttribute('aria-label')))"
        ".observe(button, { attributes: true }); }"
    )
    lab.get_by_test_id("frame-play").click()
    lab.wait_for_function(
        "() => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]"
        ".some(part => part.shadowRoot.querySelector('[data-testid=frame-image]')?.dataset.frame === '2')"
    )
    assert "Pause" in lab.evaluate("() => window.said")  # one frame may be over before a slow test can look
    expect(lab.get_by_test_id("frame-play")).to_have_attribute("aria-label", "Play")


def test_the_keyboards_first_stop_leads_to_lambda_and_figures_follow_the_systems_colours(lab):
    lab.evaluate("() => { document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0); }")
    lab.get_by_test_id("skip-to-lambda").focus()
    lab.keyboard.press("Enter")
    expect(lab.get_by_test_id("lambda-slider")).to_be_focused()
    for scheme in ("dark", "light"):
        lab.emulate_media(color_scheme=scheme)
        lab.wait_for_function(
            """scheme => {
                const { color, colorScheme } = getComputedStyle(document.querySelector('[data-testid=stApp]'));
                const figures = [...document.querySelectorAll('.js-plotly-plot')];
                return colorScheme === scheme && figures.length
                  && figures.every(figure => figure.querySelector('text')?.style.fill === color);
            }""",
            arg=scheme,
        )


def test_a_term_is_marked_where_it_is_first_used_and_a_class_in_every_figure(lab):
    lab.wait_for_function("() => [...(CSS.highlights.get('gradinv-word') ?? [])].some(word => String(word) === 'λ')")
    bars = lab.get_by_test_id("pseudo-label")
    bars.scroll_into_view_if_needed()
    bars.locator("rect[data-class='0']").hover(force=True)
    expect(bars.locator("rect.marked")).to_have_attribute("data-class", "0")
    expect(lab.locator(".gradinv-class-mark")).to_have_count(3)  # prediction, gradient, label
    lab.mouse.move(2, 2)
    expect(lab.locator(".gradinv-class-mark")).to_have_count(0)
