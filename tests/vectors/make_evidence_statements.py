"""Vectors of evidence out of a device's own statements: E3 in its four forms, and E6 (attack list, R15, R31, R32)."""

from collections.abc import Sequence
from typing import Any

from cbdc.money import tenge
from cbdc.record import Signed
from offline import evidence
from offline.records import REDEEM, Invoice, SyncAck, SyncRequest, Transfer, genesis_link
from tests.offline.court import make_ack, make_request
from tests.offline.world import NOW, fixed_bytes
from tests.vectors.make_evidence import Court, file_of_courts


def _log_items(
    court: Court, anchor: Signed[Any], path: Sequence[Signed[Transfer]], *witness: Signed[Transfer]
) -> list[Any]:
    bodies = [step.body for step in path]
    return [3, 1, court.a.certificate.envelope(), anchor.envelope(), bodies, *(w.envelope() for w in witness)]


def _chain(court: Court, count: int) -> list[Signed[Transfer]]:
    """The next transfers of A, each of a small note of its own, in one log after the scene's first."""
    made = []
    for number in range(count):
        note = court.world.make_note(court.a.kid, tenge(10 + number))
        made.append(court.step(court.a, note, court.d, 10 + number, note=note))
    return made


def _log(court: Court) -> None:
    a, world, authority, first = court.a, court.world, court.world.authority, court.first
    second, third = _chain(court, 2)
    request = make_request(world, a, counter=3, head=third.oid)
    clone = court.step(a, court.note, court.c, 1, counter=1, link=first.record.link)
    other = court.step(a, court.note, court.c, 2, counter=2, link=clone.oid)
    top = court.step(a, court.note, court.c, 3, counter=3, link=other.oid)

    def good(id: str, what: str, anchor: Signed[Any], path: Sequence[Signed[Transfer]], *w: Any) -> None:
        data = evidence.another_log(authority, a.certificate, anchor, path, w[0] if w else None)
        court.proof_against(f"E3-log-{id}", what, data, a, 0)

    good("head", "a transfer with the statement's counter is not its head", request, [], top)
    good("one", "one step down the log, another transfer stands at the place", request, [third], other)
    good("two", "two steps down", request, [third, second], clone)
    good("link", "the next transfer does not follow on it", second, [], clone)
    good("far", "a later transfer leads down to another one", third, [second], clone)
    stray = court.step(a, court.note, court.c, 4, counter=7, link=bytes(32))
    odd = make_request(world, a, 2, counter=5, head=stray.oid)
    good("counter", "the head has another counter than the statement", odd, [], stray)
    late = court.step(a, court.note, court.c, 5, counter=9, link=genesis_link(a.kid))
    good("genesis", "a log that begins at counter 9", late, [])
    bare = make_request(world, a, 3, counter=4)
    good("nothing", "four transfers and the head of an empty log", bare, [])
    loose = court.step(a, court.note, court.c, 6, counter=1, link=bytes(32))
    good("first", "a first transfer that follows on another", loose, [])
    empty = make_request(world, a, 4, head=first.oid)
    good("head-zero", "no transfers, and the head of one", empty, [])
    _no_log(court, request, [second, third], clone)


def _no_log(
    court: Court, request: Signed[SyncRequest], made: Sequence[Signed[Transfer]], clone: Signed[Transfer]
) -> None:
    a, b, first = court.a, court.b, court.first
    second, third = made

    def bad(id: str, what: str, items: list[Any]) -> None:
        court.bad(f"R32-E3-log-{id}", what, court.file(items))

    bad("honest", "the transfer is the head", _log_items(court, request, [], third))
    bad("place", "the transfer stands where its counter says", _log_items(court, request, [third], second))
    bad("next", "a transfer after the statement", _log_items(court, second, [], third))
    bad("itself", "a transfer against itself", _log_items(court, third, [], third))
    bad("gap", "the log is not shown down to the place", _log_items(court, request, [], first))
    bad("skip", "a body is left out", _log_items(court, request, [second], first))
    bad("order", "the bodies in the wrong order", _log_items(court, request, [second, third], first))
    bad("more", "a body too many", _log_items(court, request, [third, second, first, clone], clone))
    bad("whole", "the whole log down to its beginning", _log_items(court, request, [third, second, first]))
    bad("open", "the log is not shown to its beginning", _log_items(court, request, [third]))
    bad("another", "another body at the place", _log_items(court, request, [clone], first))
    items = _log_items(court, request, [], third)
    bad("five", "an item too many", [*items, third.envelope()])
    bad("envelopes", "envelopes for bodies", [*items[:4], [third.envelope()], second.envelope()])
    bad("number", "a number for bodies", [*items[:4], 0, second.envelope()])
    bad("anchor", "an anchor that is an invoice", [*items[:3], _invoice(court, 1).envelope(), [], items[5]])
    theirs = court.step(b, first, court.c, 1, counter=3, link=bytes(32))
    bad("frame", "B's transfer under A's certificate", _log_items(court, request, [], theirs))
    forged = court.step(a, court.note, court.c, 8, counter=3, link=bytes(32), signer=b.key)
    bad("forged", "a transfer that A did not sign", _log_items(court, request, [], forged))
    false = make_request(court.world, a, counter=3, head=bytes(32), signer=b.key)
    bad("statement", "a statement that A did not sign", _log_items(court, false, [], third))
    bad("form", "no such form", [3, 5, *items[2:]])
    bad("form-0", "form 0", [3, 0, *items[2:]])


def _held(court: Court) -> None:
    a, b, world, authority = court.a, court.b, court.world, court.world.authority
    spend = court.first
    slot = (*spend.record.outpoint, tenge(5_000))

    def items(request: Signed[SyncRequest], transfer: Signed[Transfer]) -> list[Any]:
        return [3, 2, a.certificate.envelope(), request.envelope(), transfer.envelope()]

    request = make_request(world, a, counter=1, head=spend.oid, purse=(slot,))
    data = evidence.held_and_spent(authority, a.certificate, request, spend)
    court.proof_against("E3-held", "a statement lists as held what its log has spent", data, a, tenge(5_000))
    less = make_request(world, a, counter=1, head=spend.oid, purse=((*slot[:2], 7), slot))
    data = evidence.held_and_spent(authority, a.certificate, less, spend)
    court.proof_against("E3-held-less", "the first entry counts, for what it states", data, a, 7)
    later = make_request(world, a, counter=9, head=bytes(32), purse=(slot,))
    data = evidence.held_and_spent(authority, a.certificate, later, spend)
    court.proof_against("E3-held-later", "spent long before", data, a, tenge(5_000))

    def bad(id: str, what: str, items: list[Any]) -> None:
        court.bad(f"R32-E3-held-{id}", what, court.file(items))

    before = make_request(world, a, purse=(slot,))
    bad("before", "spent after the statement", items(before, spend))
    bare = make_request(world, a, counter=1, head=spend.oid)
    bad("bare", "the statement does not list it", items(bare, spend))
    change = make_request(world, a, counter=1, head=spend.oid, purse=((spend.oid, 1, tenge(1_000)),))
    bad("change", "the change of the payment is held", items(change, spend))
    position = make_request(world, a, counter=1, head=spend.oid, purse=((slot[0], 1, slot[2]),))
    bad("position", "another output is held", items(position, spend))
    bad("short", "no transfer", items(request, spend)[:-1])
    bad(
        "swapped",
        "the transfer before the statement",
        [*items(request, spend)[:3], *items(request, spend)[:2:-1]],
    )
    forged = make_request(world, a, counter=1, head=spend.oid, purse=(slot,), signer=b.key)
    bad("forged", "a statement that A did not sign", items(forged, spend))
    theirs = make_request(world, b, counter=1, head=spend.oid, purse=(slot,))
    bad("frame", "B's statement, A's transfer", items(theirs, spend))


def _fell(court: Court) -> None:
    a, world, authority = court.a, court.world, court.world.authority
    head = court.first.oid
    high: dict[str, Any] = {
        "counter": 5,
        "head": head,
        "invoice_number": 4,
        "out_total_tiyn": 9,
        "in_total_tiyn": 8,
        "out_count": 3,
        "in_count": 2,
        "trust_sequence": 6,
    }
    earlier = make_request(world, a, 1, **high)

    def items(one: Signed[SyncRequest], other: Signed[SyncRequest]) -> list[Any]:
        return [3, 3, a.certificate.envelope(), one.envelope(), other.envelope()]

    def good(id: str, what: str, later: Signed[SyncRequest]) -> None:
        data = evidence.fell(authority, a.certificate, later, earlier)
        court.proof_against(f"E3-{id}", what, data, a, 0)

    for name, value in high.items():
        if name != "head":
            fewer = {**high, name: value - 1}
            if name == "counter":
                fewer["head"] = bytes(32)
            good(f"fell-{name.replace('_', '-')}", f"{name} fell", make_request(world, a, 2, **fewer))
    good("twice", "two statements with one number", make_request(world, a, 1, **{**high, "in_count": 3}))
    good("head", "one counter, two heads", make_request(world, a, 2, **{**high, "head": bytes(32)}))
    good("stood", "the counter rose, the head did not", make_request(world, a, 9, **{**high, "counter": 6}))

    def bad(id: str, what: str, items: list[Any]) -> None:
        court.bad(f"R32-E3-fell-{id}", what, court.file(items))

    same = make_request(world, a, 2, **high)
    bad("same", "nothing happened in between", items(earlier, same))
    more = {name: value + 1 for name, value in high.items() if name != "head"}
    risen = make_request(world, a, 2, **more, head=court.other_branch.oid)
    bad("risen", "everything rose", items(earlier, risen))
    bad("order", "the later statement first", items(risen, earlier))
    bad("once", "one statement twice", items(earlier, earlier))
    low = make_request(world, a, 3, invoice_number=0)
    bad("order-low", "in the wrong order it would look like a fall", items(low, make_request(world, a, 2)))
    bad("one", "one statement alone", items(earlier, same)[:-1])
    forged = make_request(world, a, 2, signer=court.b.key)
    bad("forged", "a later statement that A did not sign", items(earlier, forged))
    bad("frame", "B's later statement", items(earlier, make_request(world, court.b, 2)))


def _invoice(court: Court, number: int, **fields: Any) -> Signed[Invoice]:
    nonce = fixed_bytes(f"evidence invoice {number}", 16)
    signer = fields.pop("signer", court.a.key)
    values: dict[str, Any] = {"payee": court.a.kid, "invoice_number": number, "nonce": nonce, **fields}
    return court.world.make_invoice(signer, tenge(700), **values)


def _taken(court: Court) -> None:
    a, b, world, authority = court.a, court.b, court.world, court.world.authority
    invoice = _invoice(court, 4)
    note = world.make_note(b.kid, tenge(900))
    paid = court.step(b, note, a, 700, note=note, reference=invoice.oid, counter=30, link=bytes(32))
    request = make_request(world, a, 2, counter=6, head=bytes(32), invoice_number=4)
    spend = court.step(a, paid, court.c, 700, note=note, counter=7, link=bytes(32))
    holds = make_request(
        world, a, 3, counter=6, head=bytes(32), invoice_number=4, purse=((paid.oid, 0, tenge(700)),)
    )

    def items(
        invoice: Signed[Any] = invoice,
        request: Signed[Any] = request,
        paid: Signed[Any] = paid,
        witness: Signed[Any] = spend,
    ) -> list[Any]:
        return [
            3,
            4,
            a.certificate.envelope(),
            invoice.envelope(),
            request.envelope(),
            paid.body,
            witness.envelope(),
        ]

    data = evidence.taken_after_cancel(authority, a.certificate, invoice, request, paid, spend)
    court.proof_against("E3-claimed-spent", "money claimed as undelivered is spent", data, a, tenge(700))
    data = evidence.taken_after_cancel(authority, a.certificate, invoice, request, paid, holds)
    court.proof_against("E3-claimed-held", "a later statement holds it", data, a, tenge(700))

    def bad(id: str, what: str, **given: Any) -> None:
        court.bad(f"R32-E3-claimed-{id}", what, court.file(items(**given)))

    had = make_request(
        world, a, 2, counter=6, head=bytes(32), invoice_number=4, purse=((paid.oid, 0, tenge(700)),)
    )
    bad("had", "the statement holds the money: taken in time", request=had)
    bad(
        "open",
        "the statement does not cancel the invoice",
        request=make_request(world, a, 2, counter=6, head=bytes(32), invoice_number=3),
    )
    bad(
        "spent",
        "spent before the statement",
        request=make_request(world, a, 2, counter=7, head=spend.oid, invoice_number=4),
    )
    bad("same", "the statement itself as its witness", request=had, witness=had)
    bad(
        "earlier",
        "an earlier statement holds it",
        request=make_request(world, a, 3, counter=6, head=bytes(32), invoice_number=4),
        witness=had,
    )
    bad("empty", "a later statement that does not hold it", witness=make_request(world, a, 3))
    other = court.step(a, court.note, court.c, 1, counter=7, link=bytes(32))
    bad("other", "the witness spends other money", witness=other)

    def spent(payment: Signed[Transfer]) -> Signed[Transfer]:
        """A spends its output of that payment, after the statement."""
        return court.step(a, payment, court.c, 700, note=note, counter=7, link=bytes(32), index=0)

    astray = court.step(b, note, a, 700, note=note, reference=bytes(32), counter=31, link=bytes(32))
    bad("reference", "the payment answers no invoice", paid=astray, witness=spent(astray))
    theirs = court.step(b, note, court.c, 700, note=note, reference=invoice.oid, counter=32, link=bytes(32))
    bad("payee", "the payment went to another", paid=theirs, witness=spent(theirs))
    outputs = ((tenge(700), a.kid), (tenge(200), b.kid))
    home = court.step(b, note, a, 700, note=note, reference=invoice.oid, kind=REDEEM, hop=0, counter=33,
                      outputs=outputs, link=bytes(32))  # fmt: skip
    bad("redeem", "the payment is a redemption", paid=home, witness=spent(home))
    bad("invoice", "an invoice that A did not sign", invoice=_invoice(court, 4, signer=b.key))
    bad("whose", "B's invoice", invoice=_invoice(court, 4, signer=b.key, payee=b.kid))
    bad(
        "witness",
        "a witness that A did not sign",
        witness=court.step(a, paid, court.c, 700, note=note, counter=7, link=bytes(32), signer=b.key),
    )
    bad("receipt", "a receipt as witness", witness=world.make_receipt(a.key, invoice))
    court.bad("R32-E3-claimed-short", "no witness", court.file(items()[:-1]))
    court.bad(
        "R32-E3-claimed-envelope",
        "the payment as an envelope",
        court.file([*items()[:5], paid.envelope(), spend.envelope()]),
    )


def _false_fresh(court: Court) -> None:
    a, b, world, authority = court.a, court.b, court.world, court.world.authority
    first = make_request(world, a, 1, invoice_number=2)
    ack = make_ack(world, first, min_trust_sequence=5)
    after = make_request(world, a, 2, invoice_number=3)
    invoice = _invoice(court, 4, trust_sequence=4)
    auths = [court.bank, world.settle_auth.envelope()]

    def items(
        ack: Signed[SyncAck] = ack,
        after: Signed[SyncRequest] = after,
        invoice: Signed[Invoice] = invoice,
    ) -> list[Any]:
        return [6, a.certificate.envelope(), ack.envelope(), after.envelope(), invoice.envelope()]

    def good(id: str, what: str, *parts: Any) -> None:
        data = evidence.false_fresh(authority, a.certificate, *parts)
        court.proof_against(id, what, data, a, tenge(700))

    good("E6", "an invoice under list 4, after list 5 was promised", ack, after, invoice)
    skipped = make_request(world, a, 7, invoice_number=3)
    good("E6-skipped", "the later statement skips numbers", ack, skipped, invoice)
    oldest = _invoice(court, 9, trust_sequence=0)
    good("E6-none", "an invoice under no list at all", ack, after, oldest)

    def bad(id: str, what: str, **given: Any) -> None:
        court.bad(f"R32-E6-{id}", what, court.file(items(**given), auths))

    bad("met", "under the very list", invoice=_invoice(court, 4, trust_sequence=5))
    bad("newer", "under a newer list", invoice=_invoice(court, 4, trust_sequence=6))
    bad("before", "made before the later statement", invoice=_invoice(court, 3, trust_sequence=4))
    bad("lost", "the answer may be lost: the statement is the one it answers", after=first)
    again = make_request(world, a, 1, invoice_number=3)
    bad("same", "a statement with the acknowledged number", after=again)
    theirs = make_ack(world, make_request(world, b, 1), min_trust_sequence=5)
    bad("whose", "the acknowledgement is B's", ack=theirs)
    forged = make_ack(world, first, signer=world.status_key, min_trust_sequence=5)
    bad("status", "the acknowledgement is signed by STATUS", ack=forged)
    bad("self", "A signed its own acknowledgement", ack=make_ack(world, first, a.key, min_trust_sequence=5))
    late = make_ack(world, first, min_trust_sequence=5, time=NOW + 2_000 * 86_400)
    bad("time", "an acknowledgement outside settlement's time", ack=late)
    bad(
        "statement",
        "a later statement that A did not sign",
        after=make_request(world, a, 2, invoice_number=3, signer=b.key),
    )
    bad(
        "invoice",
        "an invoice that A did not sign",
        invoice=_invoice(court, 4, trust_sequence=4, signer=b.key),
    )
    court.bad("R32-E6-auth", "no certificate of settlement", court.file(items()))
    court.bad("R32-E6-bank", "no certificate of the bank", court.file(items(), [auths[1]]))
    court.bad("R32-E6-short", "no invoice", court.file(items()[:-1], auths))
    frame = [6, b.certificate.envelope(), *items()[2:]]
    court.bad("R32-E6-frame", "B's certificate", court.file(frame, auths))


def make() -> dict[str, Any]:
    """The file `evidence_statements.json`."""
    return file_of_courts(
        "DTO/1, sections 5.10 (E3, E6), 5.19 (4), 7.7 (R15, R19, R31 to R33)",
        "evidence statements",
        (_log, _held, _fell, _taken, _false_fresh),
    )
