"""Tasks on real scenarios: thirty visitors with thirty photos at once, and everybody gets their own."""

import pickle

import numpy as np
import pytest
import torch

from dashboard.background.crew import Crew, Lane, Order
from dashboard.background.crew.worker import Here
from dashboard.background.jobs import Job
from dashboard.background.question import Question
from dashboard.background.tasks import ExactPicture, Matching, SolverRace
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.metrics import psnr

OWN = Scenario(network="fcn_small", own_photo=True)


def photo(number):
    generator = torch.Generator().manual_seed(number)
    coarse = torch.rand((1, 3, 4, 4), generator=generator)
    return torch.nn.functional.interpolate(coarse, 32, mode="bilinear")[0]


def test_no_visitor_sees_another_ones_picture():
    crew = Crew([(Here(), (Lane.SHORT, Lane.LONG)) for _ in range(4)])
    photos = [photo(number) for number in range(30)]
    questions = [Question(OWN, image) for image in photos]
    assert len({question.key for question in questions}) == 30

    def ask(question):
        order = Order(("picture", question.key), ExactPicture(question), "picture", keep=not question.private)
        return Job(lambda job: crew.carry(job, order))

    jobs = [ask(question) for question in questions for _ in range(2)]
    assert all(job.wait(120) for job in jobs)
    for place, job in enumerate(jobs):
        found = job.result.image
        alike = [psnr(found, image) for image in photos]
        assert int(np.argmax(alike)) == place // 2
        assert sorted(alike)[-1] > 60
        assert sorted(alike)[-2] < 30
    assert not crew._kept  # a photo ends with its visitor
    crew.close()


@pytest.mark.parametrize(
    "task",
    [
        ExactPicture(Question(OWN, photo(1))),
        Matching(Question(Scenario()), {"iterations": 3}, start=photo(2)),
        SolverRace(Question(Scenario()), bounded=True),
    ],
)
def test_a_task_travels_and_gives_the_same_answer_there(task):
    def here(_):
        return None

    def never():
        return False

    there = pickle.loads(pickle.dumps(task))(here, never)  # noqa: S301 - it comes from the line above
    assert same(task(here, never), there)


def same(first, second):
    if isinstance(first, tuple):
        return [(one.end, one.evaluations) for one in first] == [(one.end, one.evaluations) for one in second]
    return torch.equal(first.image, second.image)
