"""Sweeps: every place is a scenario the address can hold, and every point is judged by the truth, in a fixed order."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from dashboard.figures.sweep_axis import ticks
from gradinv_core.checkpoints import available_stages
from gradinv_core.datasets import load_dataset
from gradinv_core.defences import read_defences
from gradinv_core.errors import OptionError
from gradinv_core.experiments.scenario import OWN_CLASS, UNTRAINED, Scenario, from_query, to_query
from gradinv_core.experiments.sweep.parameters import SWEEP_PARAMETERS, sweep_positions
from gradinv_core.experiments.sweep.run import FAILED, Sweep, SweepPoint, play_point, repeat_scenario, run_sweep
from gradinv_core.experiments.sweep.summary import Kind, band, kind_of, summarise

SIXTY = SimpleNamespace(class_names=tuple(map(str, range(60))))
LENET = Scenario(network="lenet_sigmoid")
STARTS = (
    Scenario(),
    replace(LENET, defences="clip:1~gaussian:0.01~prune:0.5", aware=True, image=3, seed=7),
    Scenario(dataset="digits", network="lenet_sigmoid", stage="hard-epoch-40", augmentation="cutmix", target=3),
    Scenario(network="lenet_relu", augmentation="mixup+smoothing", classes=100, target=5, samples=2),
)


def sweep_of(scenarios, repeats=1, picture=False) -> Sweep:
    return Sweep(tuple(scenarios), repeats, picture)


def finished(sweep) -> list[SweepPoint]:
    points: list[SweepPoint] = []
    assert run_sweep(sweep, points.append, lambda: False) == len(points) == sweep.total
    return points


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", SWEEP_PARAMETERS)
def test_every_place_and_repeat_survives_the_address(name, start):
    positions = sweep_positions(name, start)
    assert 5 <= len(positions) <= 12 or (name == "stage" and len(positions) == len(available_stages(start.network)))
    for position in positions:
        for repeat in (0, 9):
            scenario = repeat_scenario(position.scenario, repeat, 256)
            assert from_query(to_query(scenario), available_stages) == (scenario, [])
    places = [position.place for position in positions]
    assert places in (sorted(places), sorted(places, reverse=True))
    assert len(set(places)) == len(places) == len(set(ticks([position.value for position in positions])))


@pytest.mark.parametrize("parameter", SWEEP_PARAMETERS.values(), ids=SWEEP_PARAMETERS.keys())
def test_every_parameter_explains_itself(parameter):
    assert parameter.explanation.endswith(".")
    assert parameter.title
    assert parameter.axis


def test_a_defence_keeps_its_place_and_the_others_stay():
    positions = sweep_positions("noise", replace(LENET, defences="clip:1~gaussian:0.5~prune:0.9"))
    assert positions[0].scenario.defences == "clip:1~gaussian:1e-06~prune:0.9"
    assert positions[-1].scenario.defences == "clip:1~gaussian:0.1~prune:0.9"
    appended = sweep_positions("quantise", replace(LENET, defences="clip:1"))
    assert [read_defences(place.scenario.defences)[1].parameter for place in appended][::10] == [16, 2]


def test_a_full_pipeline_has_no_room_for_another_defence():
    full = replace(LENET, defences="clip:1~laplace:0.001~prune:0.5~quantise:8~drop rows:0.2~perturb feature:0.1")
    with pytest.raises(OptionError, match="at most 6"):
        sweep_positions("noise", full)


def test_softening_stays_where_it_already_reads_the_number():
    mixed = sweep_positions("ratio", replace(LENET, augmentation="cutmix"))
    assert {place.scenario.augmentation for place in mixed} == {"cutmix"}
    assert sweep_positions("ratio", LENET)[0].scenario.augmentation == "mixup"
    assert sweep_positions("epsilon", replace(LENET, augmentation="mixup"))[1].scenario == replace(
        LENET, augmentation="smoothing", epsilon=0.1
    )


def test_training_takes_a_network_that_was_trained_and_the_digits():
    places = sweep_positions("stage", Scenario(network="lenet_relu", target=7))
    assert [place.scenario.stage for place in places] == list(available_stages("lenet_sigmoid"))
    assert {(place.scenario.dataset, place.scenario.target) for place in places} == {("digits", OWN_CLASS)}
    assert sweep_positions("stage", Scenario())[0].scenario.network == "fcn_small"


def test_classes_that_the_dataset_cannot_have_are_left_out():
    places = sweep_positions("classes", Scenario(stage="hard-epoch-5"), lambda *_: SIXTY)
    assert [place.scenario.classes for place in places] == [
        2,
        3,
        4,
        100,
        200,
        500,
        1000,
    ]  # fewer than five merge the dataset's
    assert {place.scenario.stage for place in places} == {UNTRAINED}


def test_repeats_move_on_to_other_seeds_and_pictures():
    scenario = repeat_scenario(replace(LENET, image=254, partner=255, seed=2**31 - 1), 2, 256)
    assert (scenario.image, scenario.partner, scenario.seed) == (0, 1, 1)


def test_points_are_judged_by_the_truth():
    exact, noisy = finished(sweep_of([LENET, replace(LENET, defences="gaussian:0.001")]))
    assert exact.status == "unique"
    assert exact.label_error < 1e-5
    assert exact.top_1
    assert exact.feature_cosine == pytest.approx(1, abs=1e-9)
    assert exact.psnr is None
    assert (kind_of(exact), kind_of(noisy)) == (Kind.CERTAIN, Kind.OPEN)
    assert exact.label_error < noisy.label_error < 0.05
    assert noisy.message.endswith(".")


def test_a_server_that_does_not_know_of_clipping_sees_the_factor_and_one_that_does_is_sure():
    clipped = replace(LENET, defences="clip:0.1")
    naive, aware = finished(sweep_of([clipped, replace(clipped, aware=True)]))
    assert (aware.status, naive.status) == ("unique", "ambiguous")
    assert max(aware.label_error, naive.label_error) < 1e-4
    assert "of an honest one" in naive.message


def test_a_server_that_gives_up_is_a_point_with_its_sentence():
    withheld = replace(LENET, defences="withhold head")
    noise, nothing = finished(sweep_of([replace(LENET, defences="gaussian:0.1"), withheld]))
    for point in (noise, nothing):
        assert point.status == FAILED
        assert (point.label_error, point.top_1, point.feature_cosine) == (None, False, None)
        assert kind_of(point) is Kind.NOTHING
    assert noise.message.startswith("Weight_grad: expected the gradient of one sample")
    assert "last layer" in nothing.message


def test_a_label_that_is_none_here_is_a_point_without_an_answer():
    shares = replace(LENET, augmentation="custom", shares="0.5, 0.1, 0.1, 0.3", classes=2)
    (point,) = finished(sweep_of([shares]))
    assert point.status == FAILED
    assert point.message


def test_the_picture_is_rebuilt_on_demand_and_a_way_that_ends_is_no_failure():
    flat = Scenario()
    (point,) = finished(sweep_of([flat], picture=True))
    assert point.psnr > 40
    hidden = play_point(sweep_of([flat], picture=True), replace(flat, network="alexnet"), 0, 0)
    assert hidden.psnr is None
    assert hidden.label_error < 1e-3
    assert "No picture: " in hidden.message


def test_points_come_in_turns_over_the_whole_axis_and_carry_their_scenario():
    scenarios = [replace(LENET, epsilon=value) for value in (0.1, 0.2, 0.3)]
    points = finished(sweep_of(scenarios, repeats=2))
    assert [(point.repeat, point.position) for point in points] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    pictures = len(load_dataset("photographs", 32))
    assert [point.scenario for point in points] == [
        repeat_scenario(scenario, repeat, pictures) for repeat in (0, 1) for scenario in scenarios
    ]


def test_the_same_sweep_gives_the_same_points_and_each_point_alone_is_the_same():
    sweep = sweep_of([replace(LENET, defences="gaussian:0.0001"), replace(LENET, sharpness=3.0)], repeats=2)
    first, second = finished(sweep), finished(sweep)
    assert first == second
    again = play_point(sweep, first[3].scenario, 1, 1)
    assert again == first[3]


def test_a_stopped_sweep_keeps_what_it_has():
    points: list[SweepPoint] = []
    sweep = sweep_of([LENET, replace(LENET, epsilon=0.2)], repeats=50)
    assert run_sweep(sweep, points.append, lambda: len(points) == 3) == 3
    assert [(point.repeat, point.position) for point in points] == [(0, 0), (0, 1), (1, 0)]


def test_half_a_picture_is_no_point():
    sweep = sweep_of([Scenario()], picture=True)
    assert play_point(sweep, Scenario(), 0, 0, stop=lambda: True) is None


def test_rows_count_failures_and_medians_do_not():
    points = finished(sweep_of([LENET, replace(LENET, defences="gaussian:0.1")], repeats=2))
    good, bad, untried = summarise(points, 3)
    assert (good.tried, bad.tried, untried.tried) == (2, 2, 0)
    assert (good.shares[Kind.CERTAIN], bad.shares[Kind.NOTHING], bad.right_class) == (1, 1, 0)
    assert good.medians["label_error"] == pytest.approx(sum(point.label_error for point in points[::2]) / 2)
    assert str(bad.medians["label_error"]) == "nan"


def test_a_band_holds_the_middle_and_of_few_values_all():
    assert band([3, 1, 2]) == (1, 2, 3)
    assert band(range(11)) == (1, 5, 9)
    assert str(band([])[1]) == "nan"
    assert band([float("nan"), 4])[1] == 4
