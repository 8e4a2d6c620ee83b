"""Who can open the page, and what is said of it."""

import pytest

from dashboard.controls.photo import camera_allowed
from dashboard.start.reach import is_this_machine, who_can_open


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("127.8.8.8", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("lab.example.org", False),
        ("", False),
    ],
)
def test_an_address_is_this_machine_alone_or_it_is_not(host, here):
    assert is_this_machine(host) is here


def test_what_serving_to_others_means_is_said_with_the_address_to_open():
    words = who_can_open("192.168.1.5", 8600)
    assert "http://192.168.1.5:8600/" in words
    assert "without a password" in words
    assert "https" in words
    assert "http://lab.example.org:80/deep/path/\n" in who_can_open("lab.example.org", 80, "/deep/path/")
    assert "http://[fe80::1]:80/\n" in who_can_open("fe80::1", 80)
    everybody = who_can_open("0.0.0.0", 8501)
    assert ":8501/" in everybody
    assert "0.0.0.0" not in everybody


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        (None, True),
        ("http://localhost:8501/", True),
        ("http://127.0.0.1:8501/?v=1", True),
        ("https://school.example/gradinv/", True),
        ("http://192.168.1.5:8501/", False),
        ("http://school.example/", False),
    ],
)
def test_browsers_give_the_camera_to_https_and_to_the_own_computer(url, allowed):
    assert camera_allowed(url) is allowed
