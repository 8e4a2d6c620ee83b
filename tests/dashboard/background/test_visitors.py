"""Seats: so many visitors at a time, and what the others read."""

import pytest

from dashboard.background import visitors
from dashboard.background.visitors import Room, Seat, fitting


def test_a_room_gives_out_its_seats_and_takes_them_back():
    room = Room(2)
    first, second, third = (Seat(room) for _ in range(3))
    assert first.take()
    assert first.take()  # the same seat
    assert second.take()
    assert not third.take()
    first.free()
    first.free()
    assert third.take()
    assert room.seated == 2


@pytest.mark.parametrize(
    ("cores", "memory", "visitors"), [(2, None, 40), (2, 24 * 2**30, 40), (8, 4 * 2**30, 64), (1, 2**30, 1)]
)
def test_the_smaller_of_processor_and_memory_decides(cores, memory, visitors):
    assert fitting(cores, memory) == visitors


def test_a_full_server_says_so_and_opens_when_somebody_leaves(lab, monkeypatch):
    room = Room(1)
    assert room.enter()
    monkeypatch.setattr(visitors, "the_room", lambda: room)
    seat = Seat(room)
    monkeypatch.setattr(visitors, "_seat", lambda: seat)  # pages of earlier tests count as the same tab
    page = lab()
    assert page.title[0].value == "This server is full"
    assert not page.header
    room.leave()
    page.run()
    assert page.header
    assert room.seated == 1


@pytest.mark.parametrize(("asked", "seats"), [("7", 7), ("", None), ("none", None), ("0", None)])
def test_the_environment_may_say_how_many(monkeypatch, asked, seats):
    monkeypatch.setenv("GRADINV_VISITORS", asked)
    expected = seats or fitting(visitors.machine_cores(), visitors.machine_memory())
    assert visitors.the_room.__wrapped__().seats == expected
