"""Jobs in the background: one at a time, told of as they go, ended when asked, and never lost without a word."""

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cbdc.errors import Refused
from wallets.site.jobs import CANCELLED, DONE, FAILED, RUNNING, Jobs, Tell

WAIT = 60


def count(most: int, tell: Tell) -> dict[str, Any]:
    for number in range(most):
        tell(number + 1, most, f"step {number}")
    return {"counted": most}


def refuse(tell: Tell) -> dict[str, Any]:
    raise Refused("E_LEDGER_EMPTY")


def die(tell: Tell) -> dict[str, Any]:
    os._exit(3)


def never(tell: Tell) -> dict[str, Any]:
    tell(1, 2, "waiting")
    threading.Event().wait(600)
    return {}


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    made = Jobs(lambda: None)
    yield made
    made.close()


def test_a_job_tells_how_far_it_is_and_what_came_out(jobs: Jobs) -> None:
    jobs.start("count", "one", {"most": 3}, count, 3)
    job = jobs.wait("count", "one", WAIT)
    assert (job.state, job.result, job.done, job.of, job.text) == (DONE, {"counted": 3}, 3, 3, "step 2")
    assert job.about == {"most": 3}
    assert jobs.running("count") is None


def test_what_a_worker_refuses_is_kept_to_be_spoken(jobs: Jobs) -> None:
    jobs.start("refuse", "one", {}, refuse)
    job = jobs.wait("refuse", "one", WAIT)
    assert job.state == FAILED
    assert job.refusal is not None
    assert job.refusal.code == "E_LEDGER_EMPTY"


def test_a_worker_that_dies_is_a_failed_job(jobs: Jobs) -> None:
    jobs.start("die", "one", {}, die)
    job = jobs.wait("die", "one", WAIT)
    assert (job.state, job.code) == (FAILED, "E_SITE_JOB_DIED")


def test_one_job_of_a_kind_at_a_time_and_a_cancelled_one_makes_room(jobs: Jobs) -> None:
    jobs.start("never", "one", {}, never)
    assert jobs.start("never", "one", {}, never) is jobs.get("never", "one")
    with pytest.raises(Refused) as refused:
        jobs.start("never", "two", {}, never)
    assert refused.value.code == "E_SITE_JOB_BUSY"
    assert jobs.start("count", "beside", {}, count, 1).state in (RUNNING, DONE)
    jobs.cancel("never", "one")
    assert jobs.wait("never", "one", WAIT).state == CANCELLED
    assert jobs.start("never", "two", {}, never).state == RUNNING
    assert [job.key for job in jobs.all("never")] == ["two", "one"]


def test_an_unknown_job_is_refused(jobs: Jobs) -> None:
    for ask in (jobs.get, jobs.cancel):
        with pytest.raises(Refused) as refused:
            ask("count", "nothing")
        assert refused.value.code == "E_SITE_JOB_UNKNOWN"


def test_closing_ends_what_is_at_work() -> None:
    ended: list[bool] = []
    jobs = Jobs(lambda: ended.append(True))
    jobs.start("never", "one", {}, never)
    jobs.close()
    assert jobs.get("never", "one").state == CANCELLED
    assert ended == [True]
