"""What the reconciler finds by itself, and the files it makes of it: E3, E5, E6, E7 and E8, in any order of arrival."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from cbdc.record import Signed, sign
from offline import element as element_module
from offline.archive import MemoryArchive
from offline.certificate_log import ShownLimits, after_hash, key_limits, limits_tree
from offline.evidence import verify_evidence
from offline.evidence_device import ANOTHER_LOG, FELL, HELD_AND_SPENT, TAKEN_AFTER_CANCEL
from offline.evidence_file import CONTRADICTION, DUAL_CERT, FALSE_FRESH, LIMIT_BREACH, PHANTOM_NOTE, Verdict
from offline.evidence_institutions import ANOTHER_ENTRY, NO_ENTRY, TWO_NOTES
from offline.evidence_limits import BETWEEN_STATEMENTS, SINCE_AN_ANSWER
from offline.opened import OpenedElement
from offline.parameters import MAX_COUNT, MAX_OUT_PERMILLE
from offline.prosecution import phantom_tiyn
from offline.records import CertificateLogHead, Limits, Note
from offline.sync import BLOCK, CARRY_ON
from tests.cbdc.world import DAY
from tests.offline.centre import Centre, Owned
from tests.offline.desk import Desk
from tests.offline.stories import RESERVE, check

BOUNDLESS = Limits(10**9, 10**9, 10**9, 10**6, 10**4, 12)


def verdicts(centre: Centre, kid: bytes) -> list[Verdict]:
    """What the files against a key show to a stranger."""
    return [verify_evidence(file, centre.root) for file in centre.reconciler.evidence(kid)]


def in_every_order(centre: Centre, *objects: Signed[Any]) -> set[bytes]:
    """The digests of the facts when these objects come in every order, each to a reconciler of its own."""
    found = set()
    for order in permutations(objects):
        reconciler = centre.open_reconciler(MemoryArchive())
        for signed in order:
            reconciler.ingest(centre.batch(signed))
        found.add(reconciler.facts().digest())
    return found


# --- E3 ---


class Bota:
    """Ayan pays Bota 400, Bota pays 150 of it on to Dana."""

    def __init__(self) -> None:
        self.centre = Centre(reserve_tiyn=RESERVE)
        self.ayan, self.bota, self.dana = (self.centre.device(name) for name in ("ayan", "bota", "dana"))
        (self.note,) = self.centre.load_notes("ayan", 1_000)
        self.invoice = self.centre.invoice(self.bota)
        self.paid = self.centre.spend(self.note, 0, self.bota, 400, reference=self.invoice.oid)

    def only(self, form: int) -> None:
        """Bota, and nobody else, is convicted of a contradiction of this form."""
        assert set(self.centre.reconciler.guilty()) == {self.bota.kid}
        assert {(one.type, one.form) for one in verdicts(self.centre, self.bota.kid)} == {
            (CONTRADICTION, form)
        }
        for device in (self.ayan, self.dana):
            assert self.centre.reconciler.evidence(device.kid) == []


def test_s2_a_clone_shows_by_the_neighbour_in_its_log() -> None:
    """One branch's second transfer and the other branch's first are enough: they do not follow on each other."""
    story = Bota()
    centre, bota, dana = story.centre, story.bota, story.dana
    start = centre.logs.head(bota.kid)
    first = centre.spend(story.paid, 0, dana, 150)
    centre.logs.heads[bota.kid] = start
    centre.spend(story.paid, 0, dana, 100)
    counter, hidden = centre.logs.head(bota.kid)
    (other,) = centre.load_notes("bota", 60)
    second = centre.spend(other, 0, dana, 60)
    assert (second.record.counter, second.record.link) == (counter + 1, hidden)
    objects = (first, second)
    assert len(in_every_order(centre, *objects)) == 1
    centre.hand_in(story.note, story.paid, *objects)
    story.only(ANOTHER_LOG)


@pytest.mark.parametrize("fields", [{"counter": 4}, {"link": bytes(32)}, {"counter": 2}])
def test_a_log_that_does_not_begin_where_logs_begin(fields: dict[str, Any]) -> None:
    story = Bota()
    onward = story.centre.spend(story.paid, 0, story.dana, 150, **fields)
    story.centre.hand_in(story.note, story.paid, onward)
    story.only(ANOTHER_LOG)


def test_a_statement_of_another_log() -> None:
    story = Bota()
    onward = story.centre.spend(story.paid, 0, story.dana, 150)
    story.centre.hand_in(story.note, story.paid, onward, story.centre.declare(story.bota, 1, head=bytes(32)))
    story.only(ANOTHER_LOG)


@pytest.mark.parametrize("fields", [{"counter": 0}, {"counter": 7}])
def test_a_statement_whose_counter_is_not_its_heads(fields: dict[str, int]) -> None:
    story = Bota()
    onward = story.centre.spend(story.paid, 0, story.dana, 150)
    story.centre.hand_in(story.note, story.paid, onward, story.centre.declare(story.bota, 1, **fields))
    story.only(ANOTHER_LOG)


def test_spent_and_stated_as_held() -> None:
    story = Bota()
    onward = story.centre.spend(story.paid, 0, story.dana, 150)
    statement = story.centre.declare(story.bota, 1, (story.paid.oid, 0, 400))
    assert len(in_every_order(story.centre, onward, statement, story.paid)) == 1
    story.centre.hand_in(story.note, story.paid, onward, statement)
    story.only(HELD_AND_SPENT)
    assert {one.amount_tiyn for one in verdicts(story.centre, story.bota.kid)} == {400}


def test_r15_what_only_rises_fell() -> None:
    story = Bota()
    first = story.centre.declare(story.bota, 1, in_total_tiyn=9)
    second = story.centre.declare(story.bota, 2, in_total_tiyn=8)
    story.centre.hand_in(story.note, first, second)
    story.only(FELL)


def test_money_claimed_as_undelivered_is_spent() -> None:
    story = Bota()
    story.centre.hand_in(story.note, story.paid, story.invoice, story.centre.declare(story.bota, 1))
    assert story.centre.wallet("bota") == 400, "it was credited as undelivered"
    onward = story.centre.spend(story.paid, 0, story.dana, 150)
    story.centre.hand_in(onward)
    story.only(TAKEN_AFTER_CANCEL)
    check(story.centre)


def test_money_claimed_as_undelivered_is_held() -> None:
    story = Bota()
    story.centre.hand_in(story.note, story.paid, story.invoice, story.centre.declare(story.bota, 1))
    story.centre.hand_in(story.centre.declare(story.bota, 2, (story.paid.oid, 0, 400)))
    story.only(TAKEN_AFTER_CANCEL)


# --- E5 ---


def small(count: int = 50) -> dict[int, int]:
    """A policy of small limits: 50,000 tiyn out between two syncs, in so many payments."""
    return {MAX_OUT_PERMILLE.id: 10, MAX_COUNT.id: count}


class Spender:
    """Ayan synced; then his element is opened, and pays past every limit. Shops are honest."""

    def __init__(self, policy: dict[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk = Desk(reserve_tiyn=RESERVE, policy=policy)
        for name in ("ayan", "shop"):
            self.desk.join(name)
        self.desk.take_offline("ayan", *[20_000] * 5)
        self.desk.sync("ayan")
        self.opened = self.desk.opened("ayan")
        monkeypatch.setattr(self.opened, "_limits", lambda: BOUNDLESS)
        self.kid = self.opened.public_key.kid

    def pay(self, amount_tiyn: int, times: int = 1) -> None:
        """Payments to the shop, each with the notes that it takes."""
        now = self.desk.clock.now()
        for _ in range(times):
            shop = self.desk.people["shop"]
            picks = sorted(self.opened.status(now).purse)[: -(-amount_tiyn // 20_000)]
            invoice = shop.invoice(self.desk.next_id(), amount_tiyn, 0, now)
            shop.receive(self.desk.pay_opened(self.opened, shop, invoice, picks), invoice, now)

    def found(self) -> list[Verdict]:
        """What settlement can show after the shop synced."""
        self.desk.sync("shop")
        centre = self.desk.centre
        assert set(centre.reconciler.guilty()) <= {self.kid}, "the shop took it in good faith"
        return [verify_evidence(file, self.desk.root) for file in centre.evidence(self.kid)]


def test_r13_limits_broken_across_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Spender(small(), monkeypatch)
    story.pay(20_000, times=2)
    assert story.found() == [], "within the limit of 50,000"
    story.pay(20_000)
    (verdict,) = story.found()
    assert (verdict.type, verdict.kid, verdict.amount_tiyn) == (LIMIT_BREACH, story.kid, 10_000)
    assert (verdict.form, verdict.facts["limit"]) == (SINCE_AN_ANSWER, "max_out")
    assert story.desk.centre.trust_view.is_revoked(story.kid)
    assert story.desk.sync("ayan").record.action == BLOCK
    story.desk.send_home("shop")
    story.desk.sync("shop")
    assert story.desk.wallet("shop") == 60_000, "whoever was paid keeps it"
    story.desk.check()


def test_r13_more_payments_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Spender(small(count=2), monkeypatch)
    story.pay(10, times=3)
    (verdict,) = story.found()
    assert (verdict.facts["limit"], verdict.facts["had"], verdict.amount_tiyn) == ("max_count", 3, 0)


def test_the_evidence_of_broken_limits_stays_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Spender(small(), monkeypatch)
    story.pay(20_000, times=3)
    story.found()
    before = story.desk.centre.evidence(story.kid)
    story.desk.join("dana")
    story.desk.clock.advance(DAY)
    story.desk.centre.renew(b"later", story.kid)
    assert story.desk.centre.evidence(story.kid) == before
    assert story.desk.open_centre().evidence(story.kid) == before, "also after a restart"


def test_r13_a_looser_certificate_clears_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a bank loosened in time are no breach, whoever hands in what first."""
    story = Spender(small(), monkeypatch)
    story.desk.centre.publish(b"looser", policy={MAX_OUT_PERMILLE.id: 2_000})
    story.desk.centre.renew(b"renewal", story.kid)
    story.pay(20_000, times=3)
    assert story.found() == []
    assert story.desk.centre.reconciler.guilty() == {}
    assert story.desk.sync("ayan").record.action == CARRY_ON


def test_a_certificate_that_comes_late_clears_a_device_and_order_does_not_matter() -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    strict = Limits(10**6, 10**6, 100, 50, 14, 5)
    ayan, bota = centre.device("ayan", limits=strict), centre.device("bota")
    (note,) = centre.load_notes("ayan", 1_000)
    centre.hand_in(note)
    ack = centre.reconciler.sync(centre.declare(ayan, 1))
    paid = centre.spend(note, 0, bota, 101, sync_time=ack.record.time)
    centre.hand_in(paid)
    assert [guilt.type for guilt in centre.reconciler.guilty()[ayan.kid]] == [LIMIT_BREACH]
    assert centre.reconciler.evidence(ayan.kid) == [], "no log of certificates can be asked here"
    looser = replace(ayan.certificate.record, limits=strict._replace(max_out_tiyn=101))
    loose = sign(looser, centre.network, centre.key("ca1"))
    centre.hand_in(loose)
    assert centre.reconciler.guilty() == {}
    assert centre.open_reconciler().facts().digest() == centre.reconciler.facts().digest()


STRICT = Limits(10**6, 100, 250, 3, 14, 2)


def _register(centre: Centre) -> Any:
    """The log of certificates of a small world, that anybody may ask."""

    def limits_of(kid: bytes, after: Any) -> ShownLimits:
        leaves = key_limits(owned.certificate.record for owned in centre.devices.values())
        tree = limits_tree(leaves)
        place = next(place for place, leaf in enumerate(leaves) if leaf.kid == kid)
        record = CertificateLogHead(
            9, bytes(32), tree.size, tree.root(), after_hash(after), centre.clock.now()
        )
        head = sign(record, centre.network, centre.key("status"))
        return ShownLimits(head, place, leaves[place], tree.inclusion(place, tree.size))

    return limits_of


@pytest.mark.parametrize(
    ("payments", "limit", "shown"),
    [
        ([(50, {}), (50, {}), (100, {"reference": b"r" * 32}), (50, {"reference": b"s" * 32})], None, 0),
        ([(100, {}), (51, {}), (100, {"reference": b"r" * 32})], "max_out", 3),
        ([(90, {"reference": b"%032d" % number}) for number in range(3)], "max_out", 3),
        ([(1, {"reference": b"%032d" % number}) for number in range(5)], "max_count", 4),
        ([(60, {}), (1, {"reference": b"r" * 32}), (41, {})], "max_payment", 2),
        ([(1, {"age": 14 * DAY}), (1, {"age": 14 * DAY + 1})], "max_age", 1),
        ([(1, {"hop": 2}), (1, {"hop": 3}), (1, {"hop": 1})], "max_hops", 1),
    ],
)
def test_r13_every_limit_and_no_more_payments_than_show_it(
    payments: list[tuple[int, dict[str, Any]]], limit: str | None, shown: int
) -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    ayan, bota = centre.device("ayan", limits=STRICT), centre.device("bota")
    notes = centre.load_notes("ayan", *(amount for amount, _ in payments))
    reconciler = centre.open_reconciler(limits_of=_register(centre))
    time = reconciler.sync(centre.declare(ayan, 1)).record.time
    for note, (amount, fields) in zip(notes, payments, strict=True):
        values = {"reference": bytes(32), **fields, "sync_time": time}
        values["time"] = time + values.pop("age", 0)
        reconciler.ingest(centre.batch(note, centre.spend(note, 0, bota, amount, **values)))
    found = [one for one in reconciler.guilty().get(ayan.kid, []) if one.type == LIMIT_BREACH]
    if limit is None:
        assert found == []
        return
    (guilt,) = found
    assert len(guilt.items) == 2 + shown
    files = [verify_evidence(file, centre.root) for file in reconciler.evidence(ayan.kid)]
    assert [one.facts["limit"] for one in files if one.type == LIMIT_BREACH] == [limit]


def test_what_was_paid_before_the_statement_in_the_same_second_does_not_count() -> None:
    """A list made in this very second was the device's last sync; it pays, syncs, and pays to its limit again."""
    centre = Centre(reserve_tiyn=RESERVE)
    ayan, bota = centre.device("ayan", limits=STRICT), centre.device("bota")
    notes = centre.load_notes("ayan", 90, 90, 90)
    now = centre.clock.now()
    for number, note in enumerate(notes):
        if number == 2:
            assert centre.reconciler.sync(centre.declare(ayan, 1)).record.time == now
        paid = centre.spend(note, 0, bota, 90, sync_time=now, reference=b"%032d" % number)
        centre.hand_in(note, paid)
    assert centre.reconciler.guilty() == {}


def _liar() -> tuple[Centre, Owned, Any]:
    """Ayan pays 270 where 250 are allowed, and each payment names a sync that never was."""
    centre = Centre(reserve_tiyn=RESERVE)
    ayan, bota = centre.device("ayan", limits=STRICT), centre.device("bota")
    notes = centre.load_notes("ayan", 90, 90, 90)
    reconciler = centre.open_reconciler(limits_of=_register(centre))
    reconciler.sync(centre.declare(ayan, 1))
    for number, note in enumerate(notes, start=1):
        fields = {"sync_time": 10**9 + number, "time": 10**9 + number, "reference": b"%032d" % number}
        reconciler.ingest(centre.batch(note, centre.spend(note, 0, bota, 90, **fields)))
    return centre, ayan, reconciler


def test_r13_false_sync_times_do_not_hide_a_breach_from_the_next_statement() -> None:
    centre, ayan, reconciler = _liar()
    assert reconciler.guilty() == {}, "nothing shows yet which payments count together"
    assert reconciler.sync(centre.declare(ayan, 2)).record.action == BLOCK
    (verdict,) = [verify_evidence(file, centre.root) for file in reconciler.evidence(ayan.kid)]
    assert (verdict.type, verdict.form, verdict.amount_tiyn) == (LIMIT_BREACH, BETWEEN_STATEMENTS, 20)


def test_a_statement_of_any_counter_is_judged_at_once() -> None:
    """An opened device states a counter beyond all bounds: it is looked at no further than honest devices go."""
    centre, ayan, reconciler = _liar()
    assert reconciler.sync(centre.declare(ayan, 2, counter=2**53 - 1)).record.action == BLOCK
    assert LIMIT_BREACH in {guilt.type for guilt in reconciler.guilty()[ayan.kid]}


def test_a_counter_used_twice_counts_once_among_payments() -> None:
    """E2 convicts the device; its limits are not broken by one place of its log in two versions."""
    centre = Centre(reserve_tiyn=RESERVE)
    ayan, bota = centre.device("ayan", limits=STRICT), centre.device("bota")
    notes = centre.load_notes("ayan", 100, 100, 100)
    time = centre.reconciler.sync(centre.declare(ayan, 1)).record.time
    for number, note in enumerate(notes):
        fields = {"counter": 1 + number // 2, "link": bytes(32), "reference": b"%032d" % number}
        paid = centre.spend(note, 0, bota, 100, sync_time=time, **fields)
        centre.hand_in(note, paid)
    assert LIMIT_BREACH not in {guilt.type for guilt in centre.reconciler.guilty()[ayan.kid]}


def test_the_times_of_answers_to_one_device_rise() -> None:
    desk = Desk()
    desk.join("ayan")
    desk.join("bota")
    times = [desk.sync("ayan").record.time for _ in range(3)]
    assert times[0] < times[1] < times[2]
    assert desk.sync("bota").record.time == times[0], "another device's clock is its own"


# --- E6 ---


def _stale(desk: Desk, monkeypatch: pytest.MonkeyPatch, syncs: int) -> tuple[OpenedElement, Any]:
    """Bota's opened element syncs so often without adopting the new list, and then makes an invoice."""
    opened = desk.opened("bota")
    desk.centre.publish(b"newer")
    for _ in range(syncs):
        request = opened.sync_begin(desk.next_id())
        desk.centre.reconciler.submit(opened.certificate)
        desk.centre.reconciler.submit(request)
        opened.sync_commit(desk.centre.reconciler.sync(request))
    monkeypatch.setattr(element_module, "check_trust_fresh", lambda *given: None)
    now = desk.clock.now()
    return opened, opened.invoice(desk.next_id(), 500, 0, now + 600, 1, 24_000, b"", b"", now)


def test_an_invoice_under_a_list_older_than_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    desk.join("bota")
    opened, invoice = _stale(desk, monkeypatch, syncs=2)
    desk.centre.reconciler.submit(invoice)
    desk.centre.tick()
    (verdict,) = [verify_evidence(file, desk.root) for file in desk.centre.evidence(opened.public_key.kid)]
    assert (verdict.type, verdict.kid, verdict.amount_tiyn) == (FALSE_FRESH, opened.public_key.kid, 500)
    assert desk.centre.trust_view.is_revoked(opened.public_key.kid)


def test_a_lost_answer_makes_nobody_guilty(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sync: the answer was given, and nothing shows that it ever arrived."""
    desk = Desk()
    desk.join("bota")
    opened, invoice = _stale(desk, monkeypatch, syncs=1)
    desk.centre.reconciler.submit(invoice)
    assert desk.centre.reconciler.guilty() == {}
    assert desk.centre.evidence(opened.public_key.kid) == []


# --- E7, E8 ---


def _phantom(centre: Centre, note: Signed[Note], **fields: Any) -> Signed[Note]:
    return sign(replace(note.record, **fields), centre.network, centre.key("issuer"))


class Stolen:
    """The issuer's key is stolen: notes that no load backs."""

    def __init__(self) -> None:
        self.centre = Centre(reserve_tiyn=RESERVE)
        self.ayan, self.bota = self.centre.device("ayan"), self.centre.device("bota")
        (self.note,) = self.centre.load_notes("ayan", 1_000)

    def only(self, phantom: Signed[Note], form: int) -> None:
        """The issuer is named, and no device."""
        spent = self.centre.spend(phantom, 0, self.bota, 900)
        self.centre.hand_in(phantom, spent)
        reconciler = self.centre.reconciler
        assert reconciler.phantoms() == [phantom.oid]
        issuer = self.centre.kid("issuer")
        (alarm,) = reconciler.alarms()
        assert (alarm.type, alarm.kid, alarm.items) == (PHANTOM_NOTE, issuer, (phantom.oid,))
        assert phantom_tiyn(reconciler.alarms()) == phantom.record.amount_tiyn
        assert reconciler.guilty() == {}
        (verdict,) = verdicts(self.centre, issuer)
        assert (verdict.type, verdict.form, verdict.kid) == (PHANTOM_NOTE, form, issuer)
        assert (verdict.device_id, verdict.certificate) == (b"", None)


def test_r10_a_note_beyond_the_journal() -> None:
    story = Stolen()
    beyond = story.centre.ledger.size + 1_000
    serial = bytes([0, 0, 0, 1]) + beyond.to_bytes(8, "big") + bytes(4)
    phantom = _phantom(story.centre, story.note, serial=serial)
    story.centre.hand_in(phantom)
    assert story.centre.reconciler.evidence(story.centre.kid("issuer")) == [], "no head is later yet"
    story.centre.clock.advance(1)
    story.centre.fund(("bota", 1))
    story.only(phantom, NO_ENTRY)


def test_r11_a_note_with_other_fields_than_its_load() -> None:
    story = Stolen()
    story.only(_phantom(story.centre, story.note, amount_tiyn=5_000), ANOTHER_ENTRY)


def test_r11_a_note_with_fields_that_the_load_does_not_have() -> None:
    """The journal says nothing of hops; but the issuer has signed the right note too."""
    story = Stolen()
    phantom = _phantom(story.centre, story.note, max_hops=12)
    story.centre.hand_in(phantom)
    assert story.centre.reconciler.evidence(story.centre.kid("issuer")) == [], "there is only one note"
    story.centre.hand_in(story.note)
    story.only(phantom, TWO_NOTES)


def test_r14_g21_two_keys_for_one_device_name_the_bank() -> None:
    centre = Centre()
    ayan = centre.device("ayan")
    twin = centre.device("kairat", device_id=ayan.certificate.record.device_id)
    assert centre.reconciler.guilty() == {}, "neither device is to blame"
    (alarm,) = centre.reconciler.alarms()
    assert (alarm.type, alarm.kid) == (DUAL_CERT, centre.kid("ca1"))
    assert set(alarm.items) == {ayan.certificate.oid, twin.certificate.oid}
    (verdict,) = verdicts(centre, centre.kid("ca1"))
    assert (verdict.type, verdict.kid) == (DUAL_CERT, centre.kid("ca1"))


def test_g21_one_number_for_two_devices_names_the_bank() -> None:
    centre = Centre()
    centre.device("ayan", certificate_number=5)
    centre.device("bota", certificate_number=5)
    assert [alarm.type for alarm in centre.reconciler.alarms()] == [DUAL_CERT]


def test_r33_a_renewal_and_two_banks_are_no_alarm() -> None:
    centre = Centre()
    ayan = centre.device("ayan")
    again = replace(ayan.certificate.record, certificate_number=99)
    renewed = sign(again, centre.network, centre.key("ca1"))
    centre.hand_in(renewed)
    centre.device("bota")
    assert centre.reconciler.alarms() == []


def test_r33_a_bank_that_frames_a_device_is_named_itself() -> None:
    """The bank certifies a key of its own under Ayan's device id and double spends with it."""
    centre = Centre(reserve_tiyn=RESERVE)
    ayan: Owned = centre.device("ayan")
    forged = centre.device("kairat", device_id=ayan.certificate.record.device_id)
    bota, dana = centre.device("bota"), centre.device("dana")
    (note,) = centre.load_notes("kairat", 500)
    centre.hand_in(note, centre.spend(note, 0, bota, 500), centre.spend(note, 0, dana, 500))
    assert set(centre.reconciler.guilty()) == {forged.kid}, "the key, not the device id, is guilty"
    assert [one.type for one in verdicts(centre, centre.kid("ca1"))] == [DUAL_CERT]
