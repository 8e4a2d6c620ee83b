"""The race on the page: small, clean payloads; thinning that keeps what matters; titles that state the finding."""

import dataclasses
import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.components import RaceData, Track
from dashboard.components.solver_race.thinning import rounded, thin_frames, thin_lambdas
from dashboard.sections.failures import race as section
from gradinv_core import capture_gradients, mixup_label
from gradinv_core.datasets import load_dataset
from gradinv_core.experiments.build import build_public_network
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.server.attack import attack_label
from gradinv_core.label_recovery.paper_search import Ending
from gradinv_core.label_recovery.race import RaceVerdict, race, verdict

PAYLOAD_LIMIT = 200_000  # characters


@pytest.fixture(scope="module")
def attack():
    network = build_public_network(Scenario(network="lenet_sigmoid", stage="mixup-epoch-80"), 10)
    image, _ = load_dataset("digits", 32)[3]
    return attack_label(
        network, capture_gradients(network.model, image, mixup_label(3, 6, 10, ratio=0.65, epsilon=0.1))
    )


@pytest.fixture(params=[True, False], ids=["bounds", "no bounds"])
def shown(request, attack, monkeypatch):
    """What the section hands to the figure, and what raced."""
    handed = []
    monkeypatch.setattr(section, "solver_race", lambda data, key: handed.append((data, key)))
    racers = race(attack.head, bounded=request.param)
    section.show(attack, racers, bounded=request.param, dark=False)
    (data, key), *rest = handed
    assert (key, rest) == ("race", [])
    return data, racers, request.param


def test_the_payload_is_small_and_clean(shown):
    payload = shown[0].payload()
    text = json.dumps(payload, allow_nan=False)
    assert len(text) < PAYLOAD_LIMIT
    assert payload == json.loads(text)
    swarm = payload["tracks"][3]
    assert len(swarm["path"]) <= 80
    assert max(len(frame) for frame in swarm["path"]) <= 60
    for track in payload["tracks"]:
        assert len(track["path"]) == len(track["losses"]) == len(track["moves"]) == len(track["counts"])
        for scales, losses in zip(track["path"], track["losses"], strict=True):
            assert len(scales) == len(losses)
            assert all(scale == float(f"{scale:.6g}") for scale in scales)


def test_every_frame_begins_with_its_leader_and_the_last_one_is_kept(shown):
    data, racers, _ = shown
    sent, swarm = data.payload()["tracks"][3], racers[3]
    assert sent["counts"][0] == swarm.counts[0]
    assert sent["counts"][-1] == swarm.counts[-1]
    for count, scales in zip(sent["counts"], sent["path"], strict=True):
        frame = swarm.counts.index(count)
        assert scales[0] == float(f"{swarm.path[frame][swarm.losses[frame].argmin()]:.6g}")


def test_the_path_of_lbfgs_is_not_thinned(shown):
    data, racers, _ = shown
    sent, lbfgs = data.payload()["tracks"][2], racers[2]
    assert sent["moves"] == [str(move) for move in lbfgs.moves]
    assert [scale for (scale,) in sent["path"]] == rounded(np.concatenate(lbfgs.path))
    assert sent["end_loss"] > 0


def test_the_same_race_has_the_same_signature_whatever_it_took(shown, attack):
    data, racers, bounded = shown
    again = race(attack.head, bounded=bounded)
    tracks = [section._track(racer, verdict(racer, attack.recovery), attack.recovery, misled=False) for racer in again]
    other = RaceData(**{**vars(data), "tracks": tracks, "dark": True})
    assert other.payload()["signature"] == data.payload()["signature"]
    assert RaceData(**{**vars(data), "title": "another"}).payload()["signature"] != data.payload()["signature"]
    assert [racer.end for racer in again] == [racer.end for racer in racers]


def test_bounds_are_drawn_where_the_searches_had_them(shown):
    data, _, bounded = shown
    assert (data.swarm_bound, data.lbfgs_bound) == ((50, 100) if bounded else (None, None))
    assert ("Only bounds keep" in data.caption) is not bounded


def test_thinning_keeps_ends_and_beginnings():
    counts, moves = [10 * (index + 1) for index in range(400)], ["step"] * 400
    moves[0], moves[200] = "start", "restart"
    kept = thin_frames(counts, moves, 80)
    assert len(kept) <= 80
    assert len(kept) > 40
    assert {0, 199, 200, 399} <= set(kept)
    assert kept == sorted(kept)
    assert thin_frames(counts[:50], moves[:50], 80) == list(range(50))
    crowded = thin_frames(counts, ["start"] + ["restart"] * 399, 80)
    assert len(crowded) <= 80
    assert {0, 399} <= set(crowded)


def test_a_crowd_keeps_the_same_particles_and_a_sweep_its_order():
    losses = np.linspace(2.0, 1.0, 500)
    losses[123] = 0.0
    crowd = thin_lambdas(losses, 60, crowd=True)
    assert (len(crowd), crowd[0]) == (60, 123)
    losses[7], losses[11] = -1.0, np.nan
    later = thin_lambdas(losses, 60, crowd=True)
    assert later[0] == 7
    np.testing.assert_array_equal(crowd[1:], later[1:])
    sweep = thin_lambdas(losses, 160, crowd=False)
    assert (sweep[0], sweep[-1]) == (0, 499)
    assert list(sweep) == sorted(sweep)
    assert thin_lambdas(np.zeros(0), 60, crowd=True).size == 0
    assert list(thin_lambdas(np.zeros(3), 60, crowd=False)) == [0, 1, 2]


def test_numbers_are_rounded_and_what_is_not_finite_is_left_out():
    assert rounded(np.array([1.23456789, -1e30, np.inf, np.nan])) == [1.23457, -1e30, None, None]
    assert rounded(np.array([1.23456789e-12]), losses=True) == [1.23e-12]


def test_a_racer_that_went_nowhere_still_has_a_row():
    track = Track(
        "closed-form", "closed form", "", (), (), (), (), None, 0, "–", "nowhere", "found nothing", "", "", "none"
    )
    payload = track.payload()
    assert (payload["path"], payload["end"], payload["end_loss"]) == ([], None, None)


def test_titles_count_who_found_it_and_who_knew(shown, attack):
    data, racers, bounded = shown
    verdicts = [verdict(racer, attack.recovery) for racer in racers]
    knew = sum(racer.knows for racer in racers)
    assert knew == 2
    assert data.title.startswith("Three of four solvers found λ, two knew")
    assert data.title.endswith("one stopped at a wrong one") is not bounded
    assert section.finding(racers, [RaceVerdict.RIGHT] * 4, settled=True) == "All four solvers found λ, two knew"
    assert section.finding(racers, [RaceVerdict.NOTHING] * 4, settled=True) == "No solver found λ by this curve alone"
    assert section.finding(racers, verdicts, settled=False).startswith("Many λ fit. None of four solvers say so")


def test_who_gave_up_is_told_apart_from_who_stopped(attack):
    found, lbfgs = attack.recovery, race(attack.head)[2]

    def words(ending, end):
        racer = dataclasses.replace(lbfgs, ending=ending, end=end)
        return section._verdict(racer, verdict(racer, found), found)

    elsewhere = 2 * found.scale
    assert words(Ending.CONVERGED, found.scale) == ("the exact λ", "right")
    assert words(Ending.CONVERGED, elsewhere) == ("stopped at a wrong λ", "wrong")
    assert words(Ending.OUT_OF_STEPS, elsewhere) == ("gave up: stuck at a wrong λ", "none")
    assert words(Ending.OUT_OF_STEPS, found.scale) == ("the exact λ, though its steps ran out", "right")
    assert words(Ending.OUT_OF_BOUND, elsewhere) == ("gave up: out of bound", "none")
    assert words(Ending.OUT_OF_BOUND, found.scale) == ("gave up, though its best was the exact λ", "none")


def test_the_section_draws_itself():
    def page():
        from dashboard.sections.failures import race as section
        from gradinv_core import capture_gradients, mixup_label
        from gradinv_core.datasets import load_dataset
        from gradinv_core.experiments.build import build_public_network
        from gradinv_core.experiments.scenario import Scenario
        from gradinv_core.experiments.server.attack import attack_label
        from gradinv_core.label_recovery.race import race

        network = build_public_network(Scenario(network="lenet_sigmoid", head_bias=True), 10)
        image, _ = load_dataset("digits", 32)[0]
        attack = attack_label(network, capture_gradients(network.model, image, mixup_label(3, 6, 10, ratio=0.65)))
        section.show(attack, race(attack.head), bounded=True, dark=True)

    drawn = AppTest.from_function(page, default_timeout=60).run()
    assert not drawn.exception
    assert "The exact λ comes from the gradient of the bias" in drawn.markdown[0].value
