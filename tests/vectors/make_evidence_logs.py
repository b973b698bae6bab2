"""Vectors of evidence that rests on a log: E5 on that of certificates, E7 on the ledger's (R10, R11, R13, R31, R32)."""

from collections.abc import Sequence
from typing import Any

from cbdc.canonical import encode
from cbdc.money import tenge
from cbdc.record import Signed
from offline import evidence
from offline.certificate_log import ShownLimits
from offline.evidence_limits import limits_item
from offline.parameters import DAY_SECONDS
from offline.records import REDEEM, Limits, Note, SyncRequest, Transfer
from tests.offline.court import (
    Journal,
    full_authority,
    ledger_auth,
    make_ack,
    make_request,
    serial,
    shown_limits,
)
from tests.offline.world import MAX_NOTE_TIYN, NOW, Device, World, fixed_bytes
from tests.vectors.make_evidence import Court, file_of_courts

LIMITS = Limits(tenge(500), tenge(100), tenge(250), 4, 14, 3)


class Payer:
    """A device with small limits that synced once, and pays: what E5 is about."""

    def __init__(self, court: Court, name: str = "payer") -> None:
        self.court = court
        self.device = court.device(name, limits=LIMITS)
        self.others = [court.a.certificate, court.b.certificate]
        self.request = make_request(court.world, self.device, counter=10, head=fixed_bytes("head", 32))
        self.ack = make_ack(court.world, self.request)
        self.counter = 10

    def pay(self, whole: int, reference: str = "", **fields: Any) -> Signed[Transfer]:
        """A payment of so many tenge; the counter rises."""
        self.counter += 1
        name = reference or f"payment {self.counter}"
        values = {
            "counter": self.counter,
            "link": fixed_bytes(f"link {self.counter}", 32),
            "reference": fixed_bytes(name, 32),
            "sync_time": NOW,
            "time": NOW + 60,
            **fields,
        }
        note = self.court.world.make_note(self.device.kid, tenge(whole))
        return self.court.step(self.device, note, self.court.d, whole, note=note, **values)

    def shown(self, transfers: Sequence[Signed[Transfer]], **fields: Any) -> ShownLimits:
        """The device's limits in the log of certificates, after these payments."""
        certificates = [*self.others, self.device.certificate]
        oids = [transfer.oid for transfer in transfers]
        return shown_limits(self.court.world, self.device.kid, certificates, oids, **fields)

    def items(
        self,
        transfers: Sequence[Signed[Transfer]],
        request: Signed[SyncRequest] | None = None,
        bound: Signed[Any] | None = None,
        shown: ShownLimits | None = None,
        device: Device | None = None,
        limits: object = None,
    ) -> list[Any]:
        """The items of E5."""
        known = shown or self.shown(transfers)
        return [
            5,
            (device or self.device).certificate.envelope(),
            (request or self.request).envelope(),
            (bound or self.ack).envelope(),
            known.head.envelope(),
            limits_item(known) if limits is None else limits,
            *(transfer.envelope() for transfer in transfers),
        ]


def _breaches(court: Court) -> None:
    def good(id: str, what: str, payer: Payer, transfers: Sequence[Signed[Transfer]], amount: int) -> None:
        data = evidence.limit_breach(
            court.world.authority,
            payer.device.certificate,
            payer.request,
            payer.ack,
            payer.shown(transfers),
            transfers,
        )
        court.proof_against(id, what, data, payer.device, amount)

    payer = Payer(court)
    paid = [payer.pay(100), payer.pay(100), payer.pay(51)]
    good("E5", "251 tenge between two syncs where 250 are allowed", payer, paid, tenge(1))
    good("E5-tiyn", "a tiyn over", payer, [*paid[:2], payer.pay(50), payer.pay(1)], tenge(1))
    gaps = [payer.pay(90), payer.pay(90), payer.pay(90)]
    good("E5-gaps", "payments with others between them", payer, [paid[0], gaps[0], gaps[2]], tenge(30))
    five = [payer.pay(1) for _ in range(5)]
    good("E5-count", "five payments where four are allowed", payer, five, 0)
    parts = [payer.pay(60, "one"), payer.pay(41, "one", part=1, parts=2)]
    good("E5-payment", "one payment of 101 tenge in two parts", payer, parts, tenge(1))
    old = [payer.pay(1, time=NOW + 14 * DAY_SECONDS + 1)]
    good("E5-age", "a payment fourteen days and a second after the sync", payer, old, 0)
    far = [payer.pay(1, hop=4)]
    good("E5-hops", "a fourth hop where three are allowed", payer, far, 0)
    renewed = court.device("payer", limits=LIMITS._replace(max_out_tiyn=tenge(260), max_count=1)).certificate
    payer.others.append(renewed)
    more = [payer.pay(100), payer.pay(100), payer.pay(61)]
    good("E5-renewed", "more than the looser of two certificates allows", payer, more, tenge(1))


def _between(court: Court) -> None:
    """The device's own next statement ends the window: its `sync_time` may say anything."""
    world, payer = court.world, Payer(court, "between")
    auths = [court.bank, world.status_auth.envelope()]
    lies = {"sync_time": NOW - 77, "time": NOW}
    paid = [payer.pay(100, **lies), payer.pay(100, sync_time=NOW + 9, time=NOW + 9), payer.pay(51)]

    def state(number: int, counter: int, device: Device = payer.device, **fields: Any) -> Signed[SyncRequest]:
        return make_request(world, device, number, counter=counter, head=fixed_bytes("head", 32), **fields)

    later = state(2, payer.counter)
    data = evidence.limit_breach(
        world.authority, payer.device.certificate, payer.request, later, payer.shown(paid), paid
    )
    court.proof_against("E5-between", "251 tenge between two statements", data, payer.device, tenge(1))
    old = [payer.pay(1, time=NOW + 14 * DAY_SECONDS + 1)]
    data = evidence.limit_breach(
        world.authority, payer.device.certificate, later, state(3, payer.counter), payer.shown(old), old
    )
    court.proof_against("E5-between-age", "an old payment between two others", data, payer.device, 0)

    def bad(
        id: str, what: str, transfers: Sequence[Signed[Transfer]], bound: Signed[Any], **given: Any
    ) -> None:
        items = payer.items(transfers, bound=bound, **given)
        court.bad(f"R32-E5-between-{id}", what, court.file(items, auths))

    bad("within", "just what is allowed", [*paid[:2]], later)
    bad("after", "a payment after the next statement", paid, state(2, paid[1].record.counter))
    bad("skipped", "not the next statement but the one after", paid, state(3, payer.counter))
    bad("same", "the statement itself", paid, payer.request)
    bad("number", "another statement with the same number", paid, state(1, payer.counter))
    bad("order", "the statements in the wrong order", paid, payer.request, request=later)
    bad("whose", "B's next statement", paid, state(2, payer.counter, court.b))
    bad(
        "forged",
        "a next statement that the device did not sign",
        paid,
        state(2, payer.counter, signer=court.b.key),
    )
    bad("before", "a payment before the first statement", [payer.pay(100, counter=10), *paid], later)
    home = payer.pay(90, kind=REDEEM, hop=0)
    bad("redeem", "a redemption is bound by no limit", [*paid[:2], home], state(2, payer.counter))


def _within(court: Court) -> None:
    auths = [court.bank, court.world.settle_auth.envelope(), court.world.status_auth.envelope()]
    payer = Payer(court, "within")

    def bad(id: str, what: str, transfers: Sequence[Signed[Transfer]], **given: Any) -> None:
        court.bad(f"R32-E5-{id}", what, court.file(payer.items(transfers, **given), auths))

    four = [payer.pay(1, "a"), payer.pay(1, "a"), payer.pay(1), payer.pay(1), payer.pay(1)]
    bad("count", "four payments in five parts", four)
    paid = [payer.pay(100), payer.pay(100), payer.pay(50)]
    bad("within", "just what is allowed", paid)
    bad("age", "a payment on the last second", [payer.pay(1, time=NOW + 14 * DAY_SECONDS)])
    bad("hops", "the third hop", [payer.pay(1, hop=3)])
    over = [*paid, payer.pay(1)]
    home = payer.pay(90, kind=REDEEM, hop=0)
    bad("redeem", "a redemption is bound by no limit", [*paid, home])
    bad("before", "a payment before the statement", [payer.pay(100, counter=10), *paid])
    bad("older", "a payment before the acknowledgement came", [*paid, payer.pay(1, sync_time=NOW - 1)])
    bad("newer", "a payment after the next acknowledgement", [*paid, payer.pay(1, sync_time=NOW + 1)])
    bad("order", "the payments in the wrong order", [*paid[::-1], over[-1]])
    bad("twice", "one payment twice", [*over[:2], over[1], over[1]])
    bad("none", "no payment", [])
    bad("forged", "a payment that the device did not sign", [*paid, payer.pay(1, signer=court.b.key)])
    theirs = court.step(court.b, court.first, court.d, 100, counter=99, sync_time=NOW)
    bad("theirs", "a payment of B's among them", [*paid, theirs])
    looser = court.device("within", limits=LIMITS._replace(max_out_tiyn=tenge(251))).certificate
    payer.others.append(looser)
    bad("renewed", "allowed by a certificate that came later", over)
    payer.others.remove(looser)
    bad("device", "B's certificate", over, device=court.b)
    _false_papers(court, payer, over)


def _false_papers(court: Court, payer: Payer, over: Sequence[Signed[Transfer]]) -> None:
    world = court.world
    auths = [court.bank, world.settle_auth.envelope(), world.status_auth.envelope()]

    def bad(id: str, what: str, **given: Any) -> None:
        court.bad(f"R32-E5-{id}", what, court.file(payer.items(over, **given), auths))

    second = make_request(world, payer.device, 2, counter=10, head=fixed_bytes("head", 32))
    bad("statement", "a statement that was not acknowledged", request=second)
    bad("invoice", "an invoice for the acknowledgement", bound=world.make_invoice(payer.device.key, 5))
    bad("ack", "the acknowledgement of another statement", bound=make_ack(world, second))
    wrong = make_ack(world, payer.request, sync_number=2)
    bad("number", "an acknowledgement with another number", bound=wrong)
    bad("whose", "an acknowledgement for B", bound=make_ack(world, payer.request, kid=court.b.kid))
    bad(
        "signer",
        "an acknowledgement that STATUS signed",
        bound=make_ack(world, payer.request, world.status_key),
    )
    bad("early", "a head made after fewer payments", shown=payer.shown(over[:-1]))
    bad("head", "a head made after nothing", shown=payer.shown([]))
    bad("settle", "a head that settlement signed", shown=payer.shown(over, signer=world.settle_key))
    shown = payer.shown(over)
    place, count, limits, path = limits_item(shown)
    stricter = [*limits[:2], tenge(10), *limits[3:]]
    bad("limits", "stricter limits than the log has", limits=[place, count, stricter, path])
    bad("number-of", "another number of certificates", limits=[place, count + 1, limits, path])
    bad("place", "another place", limits=[(place + 1) % 3, count, limits, path])
    bad("path", "a hash of the path is missing", limits=[place, count, limits, path[:-1]])
    bad("long", "a hash too many", limits=[place, count, limits, [*path, bytes(32)]])
    bad("short", "a hash of 31 bytes", limits=[place, count, limits, [bytes(31), *path[1:]]])
    bad("five", "five limits", limits=[place, count, limits[:5], path])
    bad("none-of", "no certificates at all", limits=[place, 0, limits, path])
    bad("number-for", "a number for the limits", limits=[place, count, 5, path])
    bad("bare", "a number for it all", limits=5)
    items = payer.items(over)
    court.bad("R32-E5-auth", "no certificate of STATUS", court.file(items, auths[:2]))
    court.bad("R32-E5-few", "no payments and no limits", court.file(items[:5], auths))


def _note(court: Court, index: int, place: int = 0, **fields: Any) -> Signed[Note]:
    values: dict[str, Any] = {"serial": serial(index, place), "load_number": 7, "issued": NOW, **fields}
    amount = values.pop("amount_tiyn", tenge(300))
    return court.world.make_note(values.pop("owner", court.a.kid), amount, **values)


def _journal(court: Court) -> Journal:
    """Entries 0 to 4: a genesis, something else, A's load of two notes with change, another's load, something else."""
    journal = Journal(court.world)
    journal.add([1, 0, [], 0], NOW - 100)
    journal.add([65, b"body", []], NOW - 50)
    journal.load(court.a.kid, [tenge(300), tenge(200)], NOW, load_number=7, change=tenge(300))
    journal.load(court.b.kid, [tenge(300)], NOW, load_number=7)
    journal.add([65, b"body", []], NOW + 1)
    return journal


def _phantoms(court: Court) -> None:
    authority, journal = full_authority(court.world), _journal(court)
    head, issuer = journal.head(), court.world.issuer_key.public.kid

    def good(id: str, what: str, data: bytes, amount_tiyn: int = tenge(300)) -> None:
        court.proof(f"E7-{id}", what, data, issuer, amount_tiyn, b"")

    for id, what, index in (("beyond", "just beyond the journal", 5), ("far", "far beyond it", 2**60)):
        good(id, what, evidence.phantom_beyond(authority, _note(court, index), head))

    def entry(id: str, what: str, note: Signed[Note]) -> None:
        index = int.from_bytes(note.record.serial[4:12], "big")
        data = evidence.phantom_entry(authority, note, head, journal.entries[index], journal.path(index))
        good(id, what, data, note.record.amount_tiyn)

    entry("genesis", "the first entry of the journal", _note(court, 0))
    entry("other", "an entry that is no load", _note(court, 1))
    entry("place", "no third note", _note(court, 2, 3))
    entry("change", "the loader's change", _note(court, 2, 2, load_number=9))
    entry("amount", "a tiyn more than was loaded", _note(court, 2, amount_tiyn=tenge(300) + 1))
    entry("owner", "another device's load", _note(court, 3))
    entry("load", "another load number", _note(court, 2, load_number=8))
    entry("time", "issued at another time", _note(court, 2, issued=NOW + 1))
    two = evidence.two_notes(authority, _note(court, 2), _note(court, 2, max_hops=9))
    good("twice", "two notes for one token", two)


def _backed(court: Court) -> None:
    world, journal = court.world, _journal(court)
    head = journal.head()
    auths = [world.issuer_auth.envelope(), ledger_auth(world).envelope()]

    def bad(id: str, what: str, items: Sequence[Any], own: Sequence[Any] = auths) -> None:
        court.bad(f"R32-E7-{id}", what, court.file([7, *items], own))

    def at(note: Signed[Note], index: int, head: Signed[Any] = head) -> list[Any]:
        return [2, note.envelope(), head.envelope(), journal.entries[index], journal.path(index)]

    real, second = _note(court, 2), _note(court, 2, 1, load_number=8, amount_tiyn=tenge(200))
    bad("real", "the load says what the note says", at(real, 2))
    bad("second", "the second note of the load", at(second, 2))
    bad("entry", "another entry than the serial names", at(_note(court, 2, load_number=8), 3))
    bad("inside", "the journal has that entry", [1, real.envelope(), head.envelope()])
    bad("last", "the last entry", [1, _note(court, 4).envelope(), head.envelope()])
    late = _note(court, 9, issued=NOW + 1)
    bad("moment", "a head of the note's own second", [1, late.envelope(), head.envelope()])
    older = journal.head(time=NOW - 10, size=2)
    bad("older", "a head older than the note", [1, _note(court, 5).envelope(), older.envelope()])
    phantom = _note(court, 5)
    bad(
        "settle",
        "a head that settlement signed",
        [1, phantom.envelope(), journal.head(world.settle_key).envelope()],
    )
    bad("auth", "no certificate of the ledger", [1, phantom.envelope(), head.envelope()], auths[:1])
    forged = _note(court, 5, signer=world.bank_key)
    bad("forged", "a note that no issuer signed", [1, forged.envelope(), head.envelope()])
    large = _note(court, 5, amount_tiyn=MAX_NOTE_TIYN + 1)
    bad("large", "a note that its issuer may not sign", [1, large.envelope(), head.envelope()])
    altered = _note(court, 2, amount_tiyn=1)
    items = at(altered, 2)
    bad("path", "a hash of the path is missing", [*items[:4], items[4][:-1]])
    bad("bytes", "an altered entry", [*items[:3], items[3] + b"\0", items[4]])
    bad("head", "an entry of another journal", at(altered, 2, journal.head(root=bytes(32))))
    bad("number", "a number for the entry", [*items[:3], 5, items[4]])
    bad("four", "an item too many", [*items, 0])
    bad("form", "no such form", [4, *items[1:]])
    bad("form-bytes", "bytes for a form", [b"\2", *items[1:]])
    lying = Journal(world)
    lying.add([65, b"", []], NOW, index=9)
    bad(
        "lie",
        "an entry that names another index",
        [2, _note(court, 0).envelope(), lying.head().envelope(), lying.entries[0], lying.path(0)],
    )
    broken = Journal(world)
    broken.add([72, encode([1]), []], NOW)
    bad(
        "broken",
        "a load that no ledger would take",
        [2, _note(court, 0).envelope(), broken.head().envelope(), broken.entries[0], broken.path(0)],
    )
    _not_two(court, real, second)


def _not_two(court: Court, real: Signed[Note], second: Signed[Note]) -> None:
    world = court.world
    auths = [world.issuer_auth.envelope()]

    def bad(id: str, what: str, one: Signed[Note], other: Signed[Note], more: Sequence[Any] = ()) -> None:
        items = [7, 3, one.envelope(), other.envelope()]
        court.bad(f"R32-E7-two-{id}", what, court.file(items, [*auths, *more]))

    low, high = sorted((real, _note(court, 2, max_hops=9)), key=lambda note: note.oid)
    bad("order", "in the wrong order", high, low)
    bad("same", "one note twice", real, real)
    first, other = sorted((real, second), key=lambda note: note.oid)
    bad("places", "two notes of one load", first, other)
    key = world.key("issuer of epoch 2")
    next_auth = world.make_auth(1, key, (2, MAX_NOTE_TIYN))
    foreign = _note(court, 2, signer=key, issuer_reference=key.public.kid[:8])
    low, high = sorted((real, foreign), key=lambda note: note.oid)
    bad("issuers", "one note each of two issuers", low, high, [next_auth.envelope()])
    stranger = World("evidence logs stranger")
    alien = stranger.make_note(court.a.kid, tenge(300), serial=serial(2))
    low, high = sorted((real, alien), key=lambda note: note.oid)
    bad("networks", "a note of another sandbox", low, high)


def make_limits() -> dict[str, Any]:
    """The file `evidence_limits.json`."""
    return file_of_courts(
        "DTO/1, sections 5.10 (E5), 5.19 (3), 7.7 (R13, R31 to R33)",
        "evidence limits",
        (_breaches, _between, _within),
    )


def make_notes() -> dict[str, Any]:
    """The file `evidence_notes.json`."""
    return file_of_courts(
        "DTO/1, sections 5.10 (E7), 5.19 (8), 7.7 (R10, R11, R31 to R33)",
        "evidence notes",
        (_phantoms, _backed),
    )
