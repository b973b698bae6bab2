"""Jobs in the background: one at a time, told of as they go, ended when asked, and never lost without a word."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from cbdc.errors import Refused
from wallets.site import jobs as jobs_module
from wallets.site.jobs import CANCELLED, DONE, FAILED, RUNNING, Job, Jobs, Tell

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


def stubborn(tell: Tell) -> dict[str, Any]:
    """Does not end when it is asked to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return named(tell)


def named(tell: Tell) -> dict[str, Any]:
    """Tells its process's number, and goes on for ever."""
    tell(1, 2, str(os.getpid()))
    threading.Event().wait(600)
    return {}


def process_of(job: Job) -> psutil.Process:
    """The process of a job that tells its number, once it has told."""
    end = time.monotonic() + WAIT
    while not job.text:
        assert time.monotonic() < end
        time.sleep(0.01)
    return psutil.Process(int(job.text))


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


def test_a_key_that_is_used_again_belongs_to_the_new_process(jobs: Jobs) -> None:
    for _ in range(3):
        process = process_of(jobs.start("named", "one", {}, named))
        jobs.cancel("named", "one")
        jobs.forget("named", "one")
        assert not process.is_running()
    again = jobs.start("named", "one", {}, named)
    process = process_of(again)
    assert jobs.cancel("named", "one") is again
    assert again.state == CANCELLED
    process.wait(WAIT)


@pytest.mark.parametrize("closed", [True, False])
def test_a_process_that_does_not_end_when_it_is_asked_to_is_killed(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    monkeypatch.setattr(jobs_module, "_END_SECONDS", 1)
    process = process_of(jobs.start("stubborn", "one", {}, stubborn))
    if closed:
        jobs.close()
    else:
        jobs.cancel("stubborn", "one")
        jobs.forget("stubborn", "one")
    assert not process.is_running()


def test_a_job_at_work_is_not_let_go_of(jobs: Jobs) -> None:
    job = jobs.start("never", "one", {}, never)
    jobs.forget("never", "one")
    assert jobs.get("never", "one") is job
    assert job.state == RUNNING


def test_closing_ends_also_what_made_room_for_others(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "_END_SECONDS", 1)
    monkeypatch.setattr(jobs_module, "MOST_KEPT", 1)
    process = process_of(jobs.start("stubborn", "one", {}, stubborn))
    jobs.cancel("stubborn", "one")
    jobs.start("never", "two", {}, never)
    assert jobs.all("stubborn") == []
    jobs.close()
    assert not process.is_running()
