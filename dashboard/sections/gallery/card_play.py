"""Play a card of the gallery: attack its scenario, let the server name the cause, and draw what it saw.

The cause comes from the computation: from `gradinv_core.diagnosis`, which gets network and gradients alone, or from the
race, which compares a search with the exact answer. The truth appears in pictures only, as an outline.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from dashboard.background.crew import Order, the_crew
from dashboard.background.crew.worker import Report, Stopping
from dashboard.background.jobs import Job, JobStoppedError
from dashboard.claims.cause import named
from dashboard.claims.plain_words import in_words
from dashboard.claims.reason import SEARCH_TITLES
from dashboard.drawing.number_text import plain
from dashboard.drawing.pictures import picture_source
from dashboard.figures import card_pictures
from dashboard.figures.sketch import Sketch
from dashboard.sections.shared.cards import Card
from gradinv_core.diagnosis import diagnose, diagnose_image
from gradinv_core.diagnosis.slopes import slopes_above, weakest_layer
from gradinv_core.diagnosis.traces import scale_invariance
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import Scene, play
from gradinv_core.experiments.server.attack import attack_image, attack_label
from gradinv_core.experiments.server.batch import attack_batch
from gradinv_core.head import factor_heads, observe_head
from gradinv_core.head.landscape import LAMBDA_GRID, pseudo_labels
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.image_recovery.chain import network_chain
from gradinv_core.label_recovery import Status
from gradinv_core.label_recovery.paper_search import LBFGS_BOUND
from gradinv_core.label_recovery.race import Solver, race, verdict
from gradinv_core.likeness import visible

__all__ = ["LOOKS", "PlayedCard", "gallery_work", "play_card"]

_BINS = 40
_BATCHES = (1, 2, 4, 6, 7, 8)
_BATCH_NETWORKS = {"ReLUs": "lenet_relu", "sigmoids": "lenet_sigmoid"}
_FEW_FEATURES = 120


@dataclass(frozen=True)
class PlayedCard:
    """What came out.

    Attributes:
        cause: the failure's name, found by computation.
        message: one sentence with its number.
        picture: makes the figure, for a page that is ``dark`` or not.
        seconds: from the first line of the client to the last of the server.
        had: the client's picture, as a `data:` address; empty where none was rebuilt.
        got: the server's.
    """

    cause: str
    message: str
    picture: Callable[..., Sketch]
    seconds: float
    had: str = ""
    got: str = ""


@dataclass(frozen=True)
class _Finding:
    cause: str
    message: str
    picture: Callable[..., Sketch]
    rebuilt: ImageRecovery | None = None


@dataclass(frozen=True)
class PlayCard:
    """One card, as a task for the crew."""

    card: Card

    def __call__(self, _report: Report, stopping: Stopping) -> PlayedCard:
        """Play it."""
        torch.set_num_threads(1)
        played = play_card(self.card, stopping)
        if stopping():  # half an answer must not be taken for one
            raise JobStoppedError
        return played


def gallery_work(
    cards: tuple[Card, ...], earlier: tuple[tuple[str, PlayedCard], ...] = ()
) -> Callable[[Job[tuple[str, PlayedCard], None]], None]:
    """Play all cards, those first that need no picture; each is reported under its name as soon as it is done.

    Args:
        cards: of the gallery.
        earlier: what was reported before the work was stopped; these are not played again.
    """
    done = {name for name, _ in earlier}

    def work(job: Job[tuple[str, PlayedCard], None]) -> None:
        for news in earlier:
            job.report(news)
        for card in sorted(cards, key=lambda card: card.look in _WITH_IMAGE):
            job.check()
            if card.name not in done:
                order = Order(("card", card.name), PlayCard(card), f"card {card.name}")
                job.report((card.name, the_crew().carry(job, order)))

    return work


def play_card(card: Card, stop: Callable[[], bool] | None = None) -> PlayedCard:
    """Play one card.

    Args:
        card: which.
        stop: asked between the layers of a picture that is rebuilt.
    """
    started = time.perf_counter()
    scene = play(card.scenario)
    found = _WITH_IMAGE[card.look](scene, stop) if card.look in _WITH_IMAGE else LOOKS[card.look](scene)
    rebuilt = found.rebuilt
    return PlayedCard(
        in_words(found.cause),
        in_words(found.message),
        found.picture,
        time.perf_counter() - started,
        had="" if rebuilt is None else picture_source(scene.client.mean.image.double()),
        got="" if rebuilt is None else picture_source(visible(rebuilt.image)),
    )


def _diagnosed(scene: Scene, picture: Callable[..., Sketch]) -> _Finding:
    found = diagnose(scene.network.model, scene.gradients)
    return _Finding(found.title, named(found)[1], picture)


def _raced(scene: Scene, *, bounded: bool) -> _Finding:
    """The paper's L-BFGS against the exact answer."""
    attack = attack_label(scene.network, scene.gradients)
    racers = race(attack.head, bounded=bounded)
    search = next(racer for racer in racers if racer.name is Solver.PAPER_LBFGS)
    judged = verdict(search, attack.recovery)
    end = np.nan if search.end is None else search.end  # of its two starts', the better one's
    exact = f"the exact answer is {plain(attack.recovery.scale, 4)}"
    return _Finding(
        SEARCH_TITLES.get(judged, str(judged)),
        f"{search.sentence} It ended at λ = {plain(end, 3)}; {exact}.",
        partial(
            card_pictures.curve,
            attack.curve.scales,
            attack.curve.paper_loss,
            found=attack.recovery.intervals,
            ended=end,
            bound=LBFGS_BOUND if bounded else None,
        ),
    )


def _curve(scene: Scene) -> _Finding:
    attack = attack_label(scene.network, scene.gradients)
    picture = partial(
        card_pictures.curve, attack.curve.scales, attack.curve.paper_loss, found=attack.recovery.intervals
    )
    return _diagnosed(scene, picture)


def _label(scene: Scene) -> _Finding:
    attack, true = attack_label(scene.network, scene.gradients), scene.client.sample.label
    picture = partial(
        card_pictures.bars_with_range, attack.recovery.label, attack.allowed.low, attack.allowed.high, true
    )
    return _diagnosed(scene, picture)


def _shares(scene: Scene) -> _Finding:
    view = observe_head(scene.network.model, scene.gradients)
    head = factor_heads(view.weight, view.weight_grad[None], view.bias)
    scales = LAMBDA_GRID[np.abs(LAMBDA_GRID) <= 1e3]
    return _diagnosed(scene, partial(card_pictures.share_lines, scales, pseudo_labels(head, scales[None])[0]))


def _batch_sizes(scene: Scene) -> _Finding:
    """How far a server comes with the same network, and with one that has ReLUs, as the step grows."""
    read = {title: [_labels_read(network, size) for size in _BATCHES] for title, network in _BATCH_NETWORKS.items()}
    return _diagnosed(scene, partial(card_pictures.labels_read, _BATCHES, read))


def _labels_read(network: str, samples: int) -> int:
    """Of one step, the labels that its server is sure of."""
    scene = play(Scenario(network=network, samples=samples))
    answers = attack_batch(scene.network, scene.gradients, pictures=False).recovery.answers
    return sum(answer.status is Status.UNIQUE for answer in answers)


def _holes(scene: Scene) -> _Finding:
    gradient = observe_head(scene.network.model, scene.gradients).weight_grad.double().numpy()
    strongest = np.sort(np.argsort(-np.linalg.norm(gradient, axis=0))[:_FEW_FEATURES])
    shown = gradient[:, strongest]
    return _diagnosed(scene, partial(card_pictures.holes, shown, (shown == 0) & shown.any(0)))


def _levels(scene: Scene) -> _Finding:
    gradient = observe_head(scene.network.model, scene.gradients).weight_grad.double().numpy()
    values, counts = np.unique(gradient, return_counts=True)
    return _diagnosed(scene, partial(card_pictures.value_counts, values, counts, axis="value of an entry"))


def _right_angles(scene: Scene) -> _Finding:
    cosines = list(scale_invariance(scene.network.model, scene.gradients).values())
    found = diagnose_image(scene.network.model, scene.gradients, None, scene.network.image_shape)
    return _Finding(
        found.title, named(found)[1], partial(card_pictures.markers, cosines, axis="convolution", line=1e-4)
    )


def _layers(scene: Scene, stop: Callable[[], bool] | None) -> _Finding:
    recovery = _recover(scene, stop)
    found = diagnose_image(scene.network.model, scene.gradients, recovery, scene.network.image_shape)
    names = [layer.name for layer in recovery.layers]
    known, unknowns = [layer.rank for layer in recovery.layers], [layer.unknowns for layer in recovery.layers]
    return _Finding(found.title, named(found)[1], partial(card_pictures.layers, names, known, unknowns), recovery)


def _slopes(scene: Scene, stop: Callable[[], bool] | None) -> _Finding:
    recovery = _recover(scene, stop)
    found = diagnose_image(scene.network.model, scene.gradients, recovery, scene.network.image_shape)
    weak = weakest_layer(recovery) or recovery.layers[-1]
    slopes, _ = slopes_above(weak.name, network_chain(scene.network.model, scene.network.image_shape), recovery)
    counts, edges = np.histogram(slopes.clamp(0, 1).numpy(), _BINS, (0.0, 1.0))
    centres = (edges[1:] + edges[:-1]) / 2
    picture = partial(card_pictures.value_counts, centres, counts, axis="slope, relative to the steepest")
    return _Finding(found.title, named(found)[1], picture, recovery)


def _recover(scene: Scene, stop: Callable[[], bool] | None) -> ImageRecovery:
    return attack_image(scene.network, scene.gradients, stop=stop)


LOOKS: Mapping[str, Callable[[Scene], _Finding]] = {
    "false minimum": partial(_raced, bounded=False),
    "out of bound": partial(_raced, bounded=True),
    "curve": _curve,
    "label": _label,
    "shares": _shares,
    "batch sizes": _batch_sizes,
    "holes": _holes,
    "levels": _levels,
    "right angles": _right_angles,
}
_WITH_IMAGE: Mapping[str, Callable[[Scene, Callable[[], bool] | None], _Finding]] = {
    "layers": _layers,
    "slopes": _slopes,
}
