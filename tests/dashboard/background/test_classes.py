"""Classes: one vote for each student, answers when the teacher says, bounded and forgotten."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.background.classes import Classes, new_seat


def test_a_student_has_one_vote_and_may_change_it():
    classes = Classes()
    code, _ = classes.open()
    assert classes.enter(code, "a")
    assert classes.enter(code, "b")
    for seat, choice in (("a", 0), ("b", 2), ("a", 2)):
        classes.vote(code, seat, 3, choice)
    tally = classes.tally(code, 3)
    assert (tally.votes, tally.students) == (Counter({2: 2}), 2)
    assert classes.tally(code, 4).votes == Counter()


def test_a_vote_from_outside_counts_nothing():
    classes = Classes()
    code, _ = classes.open()
    classes.vote(code, "nobody", 0, 1)
    classes.vote("NOSUC", "nobody", 0, 1)
    assert classes.tally(code, 0).votes == Counter()
    assert classes.tally("NOSUC", 0).students == 0


@pytest.mark.parametrize(("question", "choice"), [(-1, 0), (64, 0), (0, -1), (0, 1000)])
def test_a_vote_that_cannot_be_is_refused(question, choice):
    with pytest.raises(ValueError, match="expected a question below 64 and a choice below 1000"):
        Classes().vote("ABCDE", "a", question, choice)


def test_only_the_key_reveals_and_closes():
    classes = Classes()
    code, key = classes.open()
    classes.reveal(code, "0" * 16, 0)
    assert not classes.is_revealed(code, 0)
    classes.reveal(code, key, 0)
    assert classes.is_revealed(code, 0)
    assert not classes.is_revealed(code, 1)
    classes.close(code, "0" * 16)
    assert classes.is_open(code)
    classes.close(code, key)
    assert not classes.is_open(code)
    assert classes.is_revealed(code, 1)  # nobody waits for a class that is gone


def test_classes_and_students_are_so_many_at_most():
    classes = Classes(classes=2, students=1)
    first, second = classes.open()[0], classes.open()[0]
    assert classes.enter(first, "a")
    assert not classes.enter(first, "b")
    assert classes.enter(first, "a")
    third, _ = classes.open()
    assert [classes.is_open(code) for code in (first, second, third)] == [True, False, True]


def test_a_class_that_rests_is_forgotten():
    time = [0.0]
    classes = Classes(now=lambda: time[0])
    early, late = classes.open()[0], classes.open()[0]
    time[0] = 7 * 3600.0
    assert classes.is_open(late)
    time[0] = 9 * 3600.0
    assert not classes.is_open(early)
    assert classes.is_open(late)


def test_many_may_vote_at_once():
    classes = Classes()
    code, _ = classes.open()

    def student(number):
        seat = new_seat()
        classes.enter(code, seat)
        for question in range(20):
            classes.vote(code, seat, question, number % 3)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(student, range(60)))
    assert all(classes.tally(code, question).votes == Counter({0: 20, 1: 20, 2: 20}) for question in range(20))
