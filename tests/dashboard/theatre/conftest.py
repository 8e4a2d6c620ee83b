"""Made-up recoveries for the theatre: the page is tested with answers whose every number is known."""

import math
import time

import pytest
import torch

from dashboard import cache
from dashboard.background import tasks, work
from dashboard.background.crew import the_crew
from dashboard.sections.story import image
from gradinv_core.experiments.client.layer_inputs import true_inputs
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.image_recovery import ImageRecovery, LayerRecovery, Step

SHAPES = {"4": (12, 8, 8), "2": (12, 16, 16), "0": (3, 32, 32)}
REASON = "Every activation can be undone, so each layer's input follows from linear equations."


def exact_recovery(model, image: torch.Tensor, std: float, share: float, on_step=None) -> ImageRecovery:
    """An answer for LeNet that is off by exactly `std` everywhere, with a rank of `share` at the picture."""
    noise = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, image.shape, generator=noise).double() * 2 - 1
    found = image.double() + std * signs
    steps = [Step("Last-layer feature", torch.rand(768, generator=noise, dtype=torch.float64))]
    really = true_inputs(model, image, set(SHAPES))
    for name in SHAPES:
        value = found if name == "0" else really[name]
        steps.append(Step(f"Input of layer {name}", value, torch.full(value.shape, std, dtype=torch.float64), name))
        if on_step is not None:
            on_step(steps[-1])
    layers = tuple(
        LayerRecovery(
            name,
            "convolution 5x5",
            math.prod(shape),
            2 * math.prod(shape),
            int(math.prod(shape) * (share if name == "0" else 1)),
            1e-6,
            1e-5,
            0.1,
        )
        for name, shape in SHAPES.items()
    )
    return ImageRecovery(
        image=found,
        method="analytic",
        reason=REASON,
        steps=tuple(steps),
        layers=layers,
        label=None,
        seconds=1.5,
        std=torch.full(image.shape, std, dtype=torch.float64),
    )


class FakeSearch:
    """Stands in for `search_image`: gets a little nearer to grey in every iteration, for as long as it is told."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.calls: list[dict] = []

    def __call__(
        self,
        network: PublicNetwork,
        gradients: dict[str, torch.Tensor],  # noqa: ARG002
        options: dict,
        *,
        label=None,
        start=None,
        on_step=None,
        stop=None,
        seed=0,
    ) -> ImageRecovery:
        self.calls.append({"options": options, "label": label, "start": start, "seed": seed})
        size = network.image_size
        image = torch.rand((3, size, size), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        steps: list[Step] = []
        stopped = False
        for iteration in range(options["iterations"] + 1):
            steps.append(Step(f"Iteration {iteration}", image.clone(), iteration=iteration, loss=1 / (1 + iteration)))
            on_step(steps[-1])
            if stop():
                stopped = True
                break
            time.sleep(self.seconds / options["iterations"])
            image = image + 0.02 * (0.5 - image)
        return ImageRecovery(
            image=image,
            method="matching",
            reason="Gradient matching.",
            steps=tuple(steps),
            layers=(),
            label=None,
            seconds=0.5,
            stopped=stopped,
        )


@pytest.fixture(autouse=True)
def patient_page(monkeypatch):
    """Patient with every network: made-up answers are there at once, or held back by the test."""
    monkeypatch.setattr(image, "patience", lambda _network: 0.4)


@pytest.fixture(autouse=True)
def fresh_cache():
    """Made-up answers must not meet other tests."""
    yield
    the_crew().forget()
    cache._shared.forget()


@pytest.fixture
def exact(monkeypatch):
    """Function that makes up what the exact route answers."""

    def answer(std: float = 1e-6, share: float = 1.0, error: Exception | None = None, gate=None):
        def attack(network, _gradients, _answer=None, on_step=None, _stop=None):
            if gate is not None:
                gate.wait(20)
            if error is not None:
                raise error
            image = cache.dataset("photographs", 32)[0][0]
            return exact_recovery(network.model, image, std, share, on_step)

        for place in (tasks, work):
            monkeypatch.setattr(place, "attack_image", attack)

    return answer


@pytest.fixture
def search(monkeypatch):
    """A made-up search."""

    def start(seconds: float = 0.0):
        fake = FakeSearch(seconds)
        monkeypatch.setattr(tasks, "search_image", fake)
        return fake

    return start


@pytest.fixture
def job_of():
    """Function that gives a page's oldest job of a kind."""
    return _job_of


def _job_of(page, slot: str):
    return next(iter(page.session_state["background jobs"]._slots[slot].values()))


@pytest.fixture
def finish():
    """Function that lets a page's job end and draws what follows."""

    def until_the_end(page, slot: str = "search"):
        assert _job_of(page, slot).wait(30)
        page.run()
        assert not page.exception
        return page

    return until_the_end


@pytest.fixture
def findings():
    """Function that lists what a page's figures found."""
    return lambda page: [finding.value for finding in page.main.subheader]


@pytest.fixture
def button():
    """Function that finds a button by its words, None where there is none."""
    return lambda page, label: next((part for part in page.main.button if part.label == label), None)
