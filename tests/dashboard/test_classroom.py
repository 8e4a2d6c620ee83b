"""A teacher's link locks and hides, and a class predicts together: two pages of one server, as in a classroom."""

import re

import pytest

from dashboard.address.classroom_settings import ClassroomSettings
from dashboard.address.search_settings import SearchSettings
from dashboard.address.sweep_settings import SweepSettings
from dashboard.background import classes
from dashboard.layout.invitation import link_for_a_class
from dashboard.layout.vote_bars import vote_bars
from dashboard.sections.lesson.steps import STEPS
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.settings import settings_of

LESSON = "app_pages/lesson.py"
URL = "http://192.168.1.20:8501/lesson"


@pytest.fixture(autouse=True)
def school(monkeypatch):
    """Classes of this test alone."""
    own = classes.Classes()
    for name in ("dashboard.layout.invitation", "dashboard.sections.lesson.poll"):
        monkeypatch.setattr(f"{name}.the_classes", lambda: own)
    return own


def run(page_or_widget):
    page = page_or_widget.run()
    assert not page.exception
    return page


def texts(page):
    return [element.value for kind in (page.caption, page.info, page.warning) for element in kind]


def test_a_locked_scenario_is_seen_and_cannot_be_changed(lab):
    page = lab(image="5", controls="locked")
    assert page.sidebar.number_input[0].value == 5
    widgets = [
        each
        for kind in ("selectbox", "slider", "select_slider", "number_input", "toggle", "multiselect")
        for each in getattr(page.sidebar, kind)
    ]
    assert len(widgets) > 10
    assert all(each.disabled for each in widgets)
    assert page.query_params["controls"] == "locked"
    page.switch_page("app_pages/lesson.py")
    run(page)
    assert page.query_params["controls"] == "locked"
    assert not [button for button in page.button if button.label == "For a class"]
    run(page.radio[0].set_value(0))
    (link,) = [each.proto for each in page.get("page_link") if "Play on" in each.proto.label]
    assert link.disabled  # the step's scenario is another one


def test_hidden_controls_hide_the_sidebar(lab):
    assert "stSidebar" in "".join(element.proto.body for element in lab(LESSON, controls="hidden").get("html"))


def test_a_word_that_makes_no_sense_is_named(lab):
    page = lab(LESSON, controls="gone", code="abc")
    assert any("controls “gone”, but it can only be shown, locked, hidden" in text for text in texts(page))
    assert any("the page shows no class instead" in text for text in texts(page))
    assert page.radio


def test_an_answer_may_wait_for_a_click(lab):
    page = lab(LESSON, answers="revealed")
    run(page.radio[0].set_value(1))
    assert not page.info
    run(page.button(key="reveal 0").click())
    assert page.info[0].value.startswith("**Right.**")


def test_a_class_predicts_and_the_teacher_reveals(lab, school):
    code, key = school.open()
    teacher = lab(LESSON, teacher=key, code=code)
    assert not teacher.radio  # it is the class that predicts
    assert any("**0** of 0" in element.value for element in teacher.markdown)
    students = [lab(LESSON, answers="revealed", code=code) for _ in range(2)]
    for student, choice in zip(students, (1, 2), strict=True):
        run(student.radio[0].set_value(choice))
        assert any("The answer comes when your teacher reveals it" in text for text in texts(student))
        assert student.query_params["seat"]
    run(teacher)
    assert any("**2** of 2" in element.value for element in teacher.markdown)
    run(teacher.button(key="reveal 0").click())
    assert teacher.info[0].value.startswith(f"**{STEPS[0].choices[1]}.**")
    right, wrong = map(run, students)
    assert right.info[0].value.startswith("**Right.**")
    assert wrong.warning[0].value.startswith("**Not quite: ")


def test_a_class_that_is_gone_keeps_nobody_from_learning(lab):
    page = lab(LESSON, answers="revealed", code="ABCDE")
    assert "Class ABCDE is full, was closed, or the server began anew" in page.warning[0].value
    run(page.radio[0].set_value(1))
    assert page.info[0].value.startswith("**Right.**")


def test_a_key_that_is_not_the_classes_leads_nothing(lab, school):
    code, _ = school.open()
    page = lab(LESSON, teacher="0" * 16, code=code)
    assert page.radio


def test_the_dialog_opens_a_class_and_makes_its_link(lab, school):
    page = lab(LESSON, step="2")
    run(page.button(key="for a class").click())
    run(page.button(key="invitation open").click())
    code = page.query_params["code"]
    assert school.is_led(code, page.query_params["teacher"])
    run(page.button(key="for a class").click())  # a test draws the whole page again, and so closes the dialog
    assert any(f"The class is **{code}**" in element.value for element in page.markdown)
    link = page.code[0].value
    assert link.endswith(f"?step=2&answers=revealed&code={code}")


def test_a_link_for_students_holds_the_scenario_and_no_key():
    settings = ClassroomSettings(controls="locked", code="ABCDE", teacher="0" * 16, seat="1" * 12, large=True)
    link = link_for_a_class(URL, {"step": "3", "large": "yes", "teacher": "0" * 16}, settings)
    assert link == f"{URL}?step=3&controls=locked&code=ABCDE"
    assert link_for_a_class(URL, {}, ClassroomSettings()) == URL


def test_the_bars_say_how_many_took_which_choice():
    html = vote_bars(["a <b>", "c"], {1: 3}, 1, dark=False)
    assert "a &lt;b&gt;" in html
    assert re.findall(r"words\">([^<]*)</div><b[^>]*>(\d+)</b>", html) == [("a &lt;b&gt;", "0"), ("c (right)", "3")]
    assert "words bar number" not in html
    assert "words bar number" in vote_bars([str(digit) for digit in range(10)], {}, None, dark=False)
    assert "width: 0.0%" in html
    assert "width: 100.0%" in html


def test_no_two_settings_share_a_name_in_the_address():
    kinds = (Scenario, SearchSettings, SweepSettings, ClassroomSettings)
    names = [declared.address for kind in kinds for declared in settings_of(kind).values()]
    names += ["step", "v"]
    assert len(names) == len(set(names))
