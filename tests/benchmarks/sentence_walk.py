"""Collect every sentence that the page would show of a scenario, beside the world in which it is to hold.

The same functions that the sections call are called here, without drawing anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dashboard.claims import Claim, Server, Truth, batch, gradient, label, picture
from dashboard.claims.feature import curve_finding, feature_finding, feature_lead
from dashboard.claims.picture import Rebuilt
from dashboard.claims.race import race_finding
from dashboard.claims.reason import Level, of_label, of_picture, of_search, reasons
from dashboard.claims.windows import windows_verdict
from dashboard.figures import outside_rank_one
from dashboard.figures.base import name_classes
from gradinv_core.diagnosis import Cause, Diagnosis, diagnose, diagnose_image
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.client.layer_inputs import true_inputs
from gradinv_core.experiments.client.training_step import ClientStep
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import Scene, play
from gradinv_core.experiments.server.attack import (
    LabelAttack,
    attack_image,
    attack_label,
    certain_answer,
)
from gradinv_core.experiments.server.batch import BatchAttack, attack_batch
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.label_recovery import Status
from gradinv_core.label_recovery.race import race


@dataclass
class World:
    """Everything there is to know, for checkers alone.

    Attributes:
        scenario: what was played.
        client: the client's side.
        scene: network and client.
        attack: the server's results on the last layer, None where it could not begin.
        recovery: its picture, None where there is none.
        shown: the picture as it is shown.
        batch: what it makes of several samples, None where there is one.
        told: (where, claim) of every sentence.
    """

    scenario: Scenario
    client: ClientStep
    scene: Scene
    attack: LabelAttack | None = None
    recovery: ImageRecovery | None = None
    rebuilt: Rebuilt | None = None
    batch: BatchAttack | None = None
    told: list[tuple[str, Claim]] = field(default_factory=list)


def walk(scenario: Scenario, *, pictures: bool = True, searches: bool = False) -> World:
    """Play a scenario, and collect what the page would say of it.

    Args:
        scenario: of client and server.
        pictures: whether to rebuild the picture.
        searches: whether the paper's searches race as well, which takes a second.
    """
    scene = play(scenario.played)
    client, model = scene.client, scene.network.model
    world, truth = World(scenario, client, scene), Truth(client)
    if client.head_gradient is not None:
        world.told.append(("gradient", gradient.pattern(outside_rank_one(client.head_gradient))))
    diagnosis = diagnose(model, client.gradients)
    try:
        attack = attack_label(scene.network, client.gradients, scene.announced)
    except GradientInversionError:
        if diagnosis.cause is not Cause.NONE:  # else the page shows the attack's own sentence
            world.told.append(("refusal", of_label(diagnosis)))
        if diagnosis.cause is Cause.BATCH:
            world.batch = attack_batch(scene.network, client.gradients, pictures=pictures)
            world.told.append(("batch", batch.outcome(world.batch.recovery)))
            world.told += [("batch pictures", claim) for claim in [batch.pictures(world.batch)] if claim is not None]
        return world
    world.attack = attack
    server = Server(attack, diagnosis, bool(scene.announced))
    if attack.recovery.status is Status.VANISHED:
        world.told.append(("failures", of_label(diagnosis, server, truth)))
        return world
    world.told += _of_label(server, truth)
    racers = race(attack.head, bounded=scenario.bounded) if searches else ()
    if racers:
        world.told.append(("race", race_finding(racers, attack.recovery, truth.scale(attack.head.row_gradient[0]))))
    found: dict[Level, Claim | None] = {
        Level.LABEL: of_label(diagnosis, server, truth),
        Level.SEARCH: of_search(racers, attack.recovery),
    }
    recovery: ImageRecovery | None = None
    if pictures:
        try:
            recovery = attack_image(scene.network, attack.gradients, certain_answer(attack.recovery, scene.announced))
        except GradientInversionError as error:
            world.told.append(("picture", picture.barred(error)))
    if recovery is not None:
        world.recovery, world.rebuilt = recovery, Rebuilt(server, recovery)
        world.told += _of_picture(world.rebuilt, truth, scene)
    if pictures:
        found[Level.PICTURE] = _why_no_picture(scene, attack, recovery)
    world.told += [("failures", claim) for claim in reasons(found, None)]
    return world


def _of_label(server: Server, truth: Truth) -> Iterator[tuple[str, Claim]]:
    names = name_classes(truth.client.class_names, truth.label.numel())
    yield "label", label.verdict(server, truth)
    yield "label figure", label.headline(server, truth, names)
    yield "label numbers", label.format_of(server, truth)
    yield "label numbers", label.leaked_through(server, truth)
    yield "curve", curve_finding(server, truth)
    yield "feature", feature_lead(server, truth)
    yield "feature figure", feature_finding(server, truth)
    windows = server.attack.windows
    if windows is not None:
        same_row = windows.row == int(server.attack.head.row[0])
        scale = truth.scale(server.attack.head.row_gradient[0]) if same_row else None
        yield "windows", windows_verdict(windows, scale, server.answer.condition)


def _of_picture(rebuilt: Rebuilt, truth: Truth, scene: Scene) -> Iterator[tuple[str, Claim]]:
    yield "picture", picture.finding(rebuilt, truth)
    yield "picture", picture.route(rebuilt, truth)
    yield "search", picture.words(rebuilt.shown, truth)
    for claim in (picture.below(rebuilt, truth), picture.outside(rebuilt)):
        if claim is not None:
            yield "picture", claim
    for claim in picture.bars(rebuilt, truth):
        yield "error bars", claim
    seen = true_inputs(scene.network.model, truth.image, {step.layer or "" for step in rebuilt.recovery.steps})
    yield "layers", picture.layers(rebuilt, truth, seen)


def _why_no_picture(scene: Scene, attack: LabelAttack, recovery: ImageRecovery | None) -> Claim | None:
    found: Diagnosis = diagnose_image(scene.network.model, attack.gradients, recovery, scene.network.image_shape)
    of_the_label = recovery is None and found.cause not in (Cause.TRAINING_BATCH_NORM, Cause.NO_CHAIN)
    return None if of_the_label else of_picture(found)
