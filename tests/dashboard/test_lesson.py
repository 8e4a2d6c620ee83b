"""The lesson: every step is entered, predicted right and wrong, and answered by what its own scenario gives."""

from dataclasses import replace

import pytest

from dashboard.sections.lesson import answers
from dashboard.sections.lesson.defence_table import DefenceRow, Gained, best_of
from dashboard.sections.lesson.steps import STEPS
from dashboard.sections.shared.material import Material
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.likeness import Likeness

PAGE = "app_pages/lesson.py"
PLACES = range(len(STEPS))


def run(page_or_widget):
    page = page_or_widget.run()
    assert not page.exception
    return page


def open_step(lab, place):
    page = lab(PAGE, step=str(place + 1))
    assert page.header[0].value == STEPS[place].title
    return page


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"step {place + 1}")
def test_a_step_asks_before_it_shows_and_tells_a_right_from_a_wrong_prediction(lab, place):
    page = open_step(lab, place)
    said = len(page.info) + len(page.warning)
    material = Material(STEPS[place].scenario, dark=False)
    right = STEPS[place].answer(material).choice
    question = page.radio[0]
    assert question.label == STEPS[place].question
    assert question.value is None
    assert right in range(len(question.options))
    run(question.set_value((right + 1) % len(question.options)))
    assert page.warning[0].value.startswith("**Not quite: ")
    run(page.radio[0].set_value(right))
    assert page.info[0].value.startswith("**Right.** ")
    assert len(page.info) + len(page.warning) > said


def test_no_step_answers_before_it_is_asked(lab):
    for place in (3, 8, 11):
        page = open_step(lab, place)
        assert not page.info
        assert not page.dataframe
        assert any(caption.value == "The figure comes with the answer." for caption in page.caption)


def test_next_and_back_lead_through_the_lesson_and_keep_what_was_predicted(lab):
    page = lab(PAGE)
    run(page.radio[0].set_value(1))
    run(page.button(key="lesson next").click())
    assert page.query_params["step"] == "2"
    assert page.header[0].value == STEPS[1].title
    assert page.radio[0].value is None
    run(page.button(key="lesson back").click())
    assert page.radio[0].value == 1
    assert page.info[0].value.startswith("**Right.**")


@pytest.mark.parametrize(("step", "place"), [("0", 0), ("13", 11), ("-2", 0), ("three", 0), ("²", 0), ("9999999", 0)])
def test_an_address_that_names_no_step_leads_to_the_nearest(lab, step, place):
    assert lab(PAGE, step=step).header[0].value == STEPS[place].title


def test_the_end_counts_the_predictions(lab):
    page = open_step(lab, len(STEPS) - 1)
    run(page.radio[0].set_value(0))
    run(page)
    (progress,) = page.get("progress")
    ended = "Step 12 of 12. **The end.** Of 12 questions you answered 1, and predicted 0 right."
    assert progress.proto.text == ended
    run(page.button(key="lesson again").click())
    assert page.header[0].value == STEPS[0].title
    run(page.button(key="lesson next").click())
    assert page.query_params["step"] == "2"


def test_the_scenario_of_the_lab_is_still_there_afterwards(lab):
    page = lab(image="5", seed="3")
    page.switch_page(PAGE)
    run(page)
    page.switch_page("app_pages/lab.py")
    run(page)
    assert page.query_params["image"] == "5"
    assert page.query_params["seed"] == "3"


@pytest.mark.parametrize(
    ("question", "changed", "choice"),
    [
        (answers.rows_pulled_up, Scenario(dataset="digits", augmentation="mixup"), 1),
        (answers.which_class, Scenario(dataset="digits", image=7, augmentation="none", target=4), 4),
        (answers.curve_dips, Scenario(dataset="digits", augmentation="custom", shares="0.4, 0.3, 0.2, 0.1"), 1),
        (answers.label_error, Scenario(dataset="digits", defences="gaussian:0.003"), 2),
        (answers.both_shares, Scenario(dataset="digits", augmentation="mixup", defences="gaussian:0.003"), 2),
        (answers.through_the_bias, Scenario(dataset="digits"), 1),
        (answers.feature_comes_along, Scenario(dataset="digits", defences="gaussian:0.003"), 2),
        (answers.picture_quality, Scenario(defences="prune:0.9"), 2),
        (answers.noise_holds, Scenario(), 0),
        (answers.equations_enough, Scenario(network="lenet_relu"), 0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_answers_follow_the_scenario(question, changed, choice):
    assert question(Material(changed, dark=False)).choice == choice


def test_the_best_defence_hides_the_picture_and_keeps_most_of_the_gradient():
    def row(title, untold, told, kept):
        return DefenceRow(title, Gained("read", untold), Gained("read", told), kept)

    rows = [
        row("none", Likeness.SAME, Likeness.SAME, 1.0),
        row("loud", Likeness.NOT, Likeness.NOT, 0.2),
        row("fair", Likeness.FAINT, Likeness.NOT, 0.8),
        row("weak", Likeness.RECOGNISABLE, Likeness.RECOGNISABLE, 0.9),
        row("known", Likeness.NOT, Likeness.CLOSE, 0.95),  # holds only while nobody knows
    ]
    assert best_of(rows) == 2
    assert best_of([rows[0], rows[3]]) == 1


def test_steps_play_what_a_scenario_can_be():
    assert len(STEPS) == 12
    assert all(step.scenario == replace(step.scenario).played for step in STEPS)
