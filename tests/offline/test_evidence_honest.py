"""B3: nobody honest can be framed. Worlds of honest devices, and a framer who holds everything they ever signed.

The devices live as badly as they may: payments come late, twice or never, answers and batches get lost, the power goes,
certificates are renewed with other limits or run out, new lists are adopted late, several syncs fall into one second,
and limits are so low that everybody meets them. Then every file that can be made of what was signed is tried.

By default it is quick. `TENGE_FRAMES=5000 pytest tests/offline/test_evidence_honest.py` tries so many worlds.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cbdc.errors import Refused
from cbdc.record import Signed
from offline import sync
from offline.archive import Archive
from offline.element_core import ElementCore
from offline.evidence_file import LIMIT_BREACH
from offline.intake import open_kept
from offline.parameters import MAX_COUNT, MAX_OUT_PERMILLE, MAX_PAYMENT_PERMILLE
from offline.records import Invoice, Note, Trust
from tests.cbdc.world import DAY
from tests.offline.desk import Desk
from tests.offline.framer import Framer

PEOPLE = ("ayan", "bota", "dana")
COUNTS = (2, 3, 5)
EXAMPLES = int(os.environ.get("TENGE_FRAMES", "50"))


class Honest:
    """Three honest devices; `signed` holds what their elements ever let out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.signed: list[Signed[Any]] = []
        released = ElementCore._released

        def listen(element: ElementCore, answer: Any) -> Any:
            self.signed += answer if isinstance(answer, tuple) else [answer]
            return released(element, answer)

        monkeypatch.setattr(ElementCore, "_released", listen)
        small = {MAX_OUT_PERMILLE.id: 1, MAX_PAYMENT_PERMILLE.id: 1, MAX_COUNT.id: 2}
        self.desk = Desk(policy=small)
        for name in PEOPLE:
            self.desk.join(name)
            self.desk.take_offline(name, 2_000, 1_000)
        self.flying: list[tuple[str, bytes, Signed[Invoice]]] = []
        self.refused: set[str] = set()
        self.heads = [self.desk.ledger.head()]

    def live(self, what: int, who: int, whom: int, much: int) -> None:
        """One thing that happens to honest people; a refusal changes nothing."""
        deeds: list[Callable[[str, str, int], None]] = [
            self._pay, self._pay, self._pay, self._deliver, self._sync, self._sync, self._lose_answer,
            self._lose_batch, self._renew, self._wait, self._restart, self._redeem, self._list, self._adopt, self._load,
        ]  # fmt: skip
        try:
            deeds[what % len(deeds)](PEOPLE[who], PEOPLE[whom], much)
        except Refused as error:
            self.refused.add(error.code)
        self.heads.append(self.desk.ledger.head())

    @property
    def now(self) -> int:
        """Everybody's clock."""
        return self.desk.clock.now()

    def _pay(self, payer: str, payee: str, much: int) -> None:
        people = self.desk.people
        invoice = people[payee].invoice(self.desk.next_id(), much * 50, 0, self.now)
        data = people[payer].pay(invoice, people[payee].certificate, self.now)
        self.flying.append((payee, data, invoice))
        if much % 3:
            people[payee].receive(data, invoice, self.now)

    def _deliver(self, payer: str, payee: str, much: int) -> None:
        if self.flying:
            name, data, invoice = self.flying[much % len(self.flying)]
            self.desk.people[name].receive(data, invoice, self.now)

    def _sync(self, who: str, whom: str, much: int) -> None:
        self.desk.sync(who)

    def _lose_answer(self, who: str, whom: str, much: int) -> None:
        for batch in self.desk.people[who].sync(self.desk.next_id(), self.now):
            self.desk.centre.submit(batch.encode())
            if batch.sync_request is not None:
                self.desk.centre.sync(batch.encode())

    def _lose_batch(self, who: str, whom: str, much: int) -> None:
        """The host lost what it had to hand in: settlement sees a gap in the log, and answers."""
        element = self.desk.people[who].element
        request = element.sync_begin(self.desk.next_id())
        self.desk.centre.reconciler.submit(request)
        answer = self.desk.centre.reconciler.sync(request)
        if much % 2:
            element.sync_commit(answer)

    def _renew(self, who: str, whom: str, much: int) -> None:
        """Other limits for everybody from now on; this device gets them, or its answer is lost."""
        self.desk.centre.publish(
            self.desk.next_id(), policy={MAX_COUNT.id: COUNTS[much % 3], MAX_OUT_PERMILLE.id: 1 + much % 4}
        )
        renewed = self.desk.centre.renew(self.desk.next_id(), self.desk.people[who].kid)
        if much % 4:
            self.desk.people[who].renew(renewed)

    def _wait(self, who: str, whom: str, much: int) -> None:
        self.desk.clock.advance((1, 60, DAY, 13 * DAY, 200 * DAY)[much % 5])

    def _restart(self, who: str, whom: str, much: int) -> None:
        self.desk.restart(who)

    def _redeem(self, who: str, whom: str, much: int) -> None:
        self.desk.send_home(who, much * 30)

    def _load(self, who: str, whom: str, much: int) -> None:
        self.desk.take_offline(who, 100, 50 * much)

    def _list(self, who: str, whom: str, much: int) -> None:
        self.desk.centre.publish(self.desk.next_id())

    def _adopt(self, who: str, whom: str, much: int) -> None:
        device = self.desk.people[who]
        device.trust(self.desk.centre.trust(device.trust_view.sequence))

    def framer(self) -> Framer:
        """Somebody who holds what was signed, handed in and answered."""
        archive = Archive(self.desk.stores.evidence)
        network = self.desk.network
        kept = [open_kept(row.envelope, network) for row in archive.follow()]
        notes: list[Signed[Note]] = [
            note for name in PEOPLE for note in self.desk.centre.notes(self.desk.people[name].kid)
        ]
        everything = [*self.signed, *notes, *(one for one in kept if not isinstance(one.record, Trust))]
        return Framer(
            self.desk.authority,
            [*everything, *self.heads],
            self.desk.centre.devices.shown_limits,
            self.desk.ledger,
        )


STEPS = st.lists(
    st.tuples(st.integers(0, 14), st.integers(0, 2), st.integers(0, 2), st.integers(1, 20)),
    min_size=6,
    max_size=25,
)


@pytest.mark.slow
@given(steps=STEPS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_nobody_honest_can_be_framed_by_anybody(steps: list[tuple[int, int, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = Honest(monkeypatch)
        for step in steps:
            world.live(*step)
        assert world.framer().convictions() == []
        for name in PEOPLE:
            with suppress(Refused):
                world.desk.sync(name)
        assert world.desk.centre.reconciler.guilty() == {}
        assert world.desk.centre.reconciler.alarms() == []


def _two_windows_in_one_second(monkeypatch: pytest.MonkeyPatch) -> Honest:
    """Ayan pays as often as he may, syncs, and pays as often again, all within a second."""
    world = Honest(monkeypatch)
    world.desk.sync("ayan")
    for _ in range(2):
        for much in (1, 2):
            world.live(0, 0, 1, much)
        world.live(0, 0, 1, 4)
        world.desk.sync("ayan")
    assert "E_LIMIT_COUNT" in world.refused or "E_LIMIT_OUT" in world.refused, "he met his limit"
    return world


def test_two_syncs_in_one_second_frame_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _two_windows_in_one_second(monkeypatch).framer().convictions() == []


def test_without_rising_times_an_honest_device_would_be_framed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why settlement makes the times of one device's answers rise: the same world, with equal ones."""
    answer = sync.answer

    def level(oid: bytes, request: Any, last: Any, graph: Any, sequence: int, now: int) -> Any:
        return answer(oid, request, last and replace(last, time=0), graph, sequence, now)

    monkeypatch.setattr(sync, "answer", level)
    verdicts = _two_windows_in_one_second(monkeypatch).framer().convictions()
    assert {one.type for one in verdicts} == {LIMIT_BREACH}
