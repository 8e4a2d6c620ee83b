"""What somebody reads who waits in line, and how often the page looks again."""

from types import SimpleNamespace

import pytest

from dashboard.background.crew import Place
from dashboard.layout import waiting
from dashboard.layout.waiting import in_line, pace


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (None, ""),
        (Place(0, None), "Next in line"),
        (Place(0, 0.2), "Next in line, about 1 s"),
        (Place(1, 7.1), "2nd in line, about 8 s"),
        (Place(2, None), "3rd in line"),
        (Place(10, 60.0), "11th in line, about 60 s"),
        (Place(20, 60.0), "21st in line, about 60 s"),
    ],
)
def test_the_place_in_words(place, words):
    assert in_line(SimpleNamespace(place=lambda: place)) == words


def test_the_more_people_the_longer_between_two_looks(monkeypatch):
    looks = []
    for seated in (0, 10, 30, 1000):
        monkeypatch.setattr(waiting, "the_room", lambda seated=seated: SimpleNamespace(seated=seated))
        looks.append(pace())
    assert looks == sorted(looks)
    assert (looks[0], looks[-1]) == (0.5, 3.0)
