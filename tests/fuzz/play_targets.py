"""Targets with state behind them: both flows between devices, acknowledgements, and settlement's intake of batches.

Refusals change no value: purses, totals and counters are the same after a message that was refused.
"""

import random
from dataclasses import replace
from typing import Any

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.keys import SoftwareKey
from cbdc.record import Signed, open_envelope
from cbdc.token import MERCHANT
from offline.batch import make_batch
from offline.bundle import Bundle, HeldToken
from offline.messages import open_message
from offline.records import SyncAck, SyncRequest
from offline.transfer import PayeeSession, PayerSession
from tests.fuzz.mutation import Keyring, type_is
from tests.fuzz.stage import AMOUNT, Stage, shared
from tests.fuzz.target import Target, check_signed, expect
from tests.offline.centre import Centre

SESSION = b"s" * 16
MESSAGE_BYTES = 1 << 19


def messages() -> Target:
    """Messages of both flows as bytes: each that opens has one form."""
    seeds = [message for near in (False, True) for message in _Exchange(near).spoken()]

    def play(_: Any, data: bytes) -> None:
        message = open_message(data, shared().network, MESSAGE_BYTES)
        written = message if isinstance(message, bytes) else message.encode()
        expect(written == data, "a message has two forms")

    return Target("message", seeds, play, keyring=shared().keyring)


class _Exchange:
    """One exchange of either flow, played step by step; each side is a session on the stage."""

    def __init__(self, near: bool) -> None:
        self.stage = Stage()
        self.near = near
        self.asking = PayeeSession(self.stage.payee, SESSION, AMOUNT, 0, near)
        self.paying = PayerSession(self.stage.payer)

    def spoken(self) -> list[bytes]:
        """All messages of a whole exchange."""
        now = self.stage.now
        said = [self.asking.start(now)]
        said += self.paying.receive(said[0], now)
        if self.near:
            said += self.asking.receive(said[-1], now)
            self.paying.receive(said[-1], now)
        said.append(self.paying.confirm(now))
        said += self.asking.receive(said[-1], now)
        return said

    def ready(self) -> "_Exchange":
        """The payer is asked, the payee waits for its payment; nothing is paid."""
        now = self.stage.now
        said = [self.asking.start(now)]
        said += self.paying.receive(said[0], now)
        if self.near:
            said += self.asking.receive(said[-1], now)
            self.paying.receive(said[-1], now)
        return self


class _Street:
    """Both flows, each once before its payment and once with nothing said yet."""

    def __init__(self) -> None:
        self.exchanges = [_Exchange(near).ready() for near in (False, True)]
        self.exchanges += [_Exchange(near) for near in (False, True)]
        for exchange in self.exchanges[2:]:
            exchange.asking.start(exchange.stage.now)


def sessions() -> Target:
    """Any message at any moment to either side: value moves only by a right payment, and only once."""
    seeds: list[bytes] = []
    for number, near in enumerate((False, True, False, True)):
        for message in _Exchange(near).spoken():
            seeds += [canonical.encode([number, side, message]) for side in (0, 1)]

    def play(street: _Street, data: bytes) -> None:
        values: Any = canonical.decode_array(data)
        if len(values) != 3 or not (
            type_is(values[0], int) and type_is(values[1], int) and type_is(values[2], bytes)
        ):
            canonical.decode(b"")
        exchange = street.exchanges[values[0] % 4]
        side = (exchange.asking, exchange.paying)[values[1] % 2]
        before = exchange.stage.values()
        try:
            side.receive(values[2], exchange.stage.now)
        except TengeError:
            expect(exchange.stage.values() == before, "a refused message moved money")
            raise
        _check_moved(exchange, before, values[2])

    return Target("session", seeds, play, _Street, shared().keyring, every=400)


def _check_moved(exchange: _Exchange, before: list[Any], message: bytes) -> None:
    after = exchange.stage.values()
    expect(after[:2] == before[:2], "a message alone made somebody pay")
    if after[2] == before[2]:
        return
    came = after[2][1].in_tiyn - before[2][1].in_tiyn
    expect(came == AMOUNT and after[2][1].in_count == 1, "the payee took another amount, or twice")
    check_signed(message, exchange.stage.keyring)


class _Waiting:
    """A device that has asked for an acknowledgement."""

    def __init__(self) -> None:
        self.stage = Stage()
        request = self.stage.payer.sync(b"r" * 16, self.stage.now)[-1].sync_request
        assert request is not None
        self.request = request


def acknowledgements() -> Target:
    """SYNC_ACK and TRUST to a waiting element: only settlement's own answer to this request moves a baseline."""
    waiting = _Waiting()
    stage = waiting.stage
    first = stage.payer.line(next(iter(stage.payer.status(stage.now).purse)))
    assert first is not None
    ack = stage.bench.ack(waiting.request)
    dropping = stage.bench.ack(waiting.request, drop=((first.tip, 0),), action=1, min_trust_sequence=2)
    foreign = stage.bench.ack(waiting.request, kid=bytes(32))
    trust = stage.bench.world.make_trust(2, revoked_kids=(stage.payee.kid[:16],))
    seeds = [one.encode() for one in (ack, dropping, foreign, trust)]

    def play(world: _Waiting, data: bytes) -> None:
        payer, now = world.stage.payer, world.stage.now
        before, base = world.stage.values(), payer.status(now).base
        try:
            if data[1:2] == b"\x0a":
                from offline.records import Trust

                payer.trust([open_envelope(data, Trust, world.stage.network)])
            else:
                payer.sync_commit(open_envelope(data, SyncAck, world.stage.network), now)
        except TengeError:
            expect(
                world.stage.values() == before and payer.status(now).base == base,
                "a refusal changed something",
            )
            raise
        if payer.status(now).base != base or world.stage.values() != before:
            check_signed(data, world.stage.keyring)
            record: Any = open_envelope(data, SyncAck, world.stage.network).record
            expect(record.request == world.request.oid, "an answer to another request was taken")

    target = Target("ack", seeds, play, _Waiting, stage.keyring)
    target.every = 25  # an accepted answer ends the wait: the next input finds a new device
    return target


class _Settlement:
    """Settlement with money out: people's devices are plain keys that sign whatever the mutator wants."""

    def __init__(self) -> None:
        self.centre = centre = Centre(reserve_tiyn=100_000)
        self.ayan, self.bota = centre.device("ayan"), centre.device("bota")
        self.dana = centre.device("dana", MERCHANT, known=False)
        (self.note,) = centre.load_notes("ayan", 1_000)
        asked = centre.invoice(self.bota)
        self.paid = centre.spend(self.note, 0, self.bota, 400, reference=asked.oid)
        self.twice = centre.spend(self.note, 0, self.dana, 500)
        self.home = centre.take_home(self.paid, 0, self.bota, hand_in=False)
        self.asked = asked

    def batches(self) -> list[bytes]:
        """What people would hand in, honest and not."""
        centre = self.centre
        owned = [self.ayan.certificate, self.bota.certificate]
        line = HeldToken(self.note, (self.paid,))
        request = centre.declare(self.bota, 1, (self.paid.oid, 0, 400))
        after = centre.declare(self.bota, 2)
        bundle = Bundle((self.ayan.certificate,), (line,))
        loose: list[Signed[Any]] = [self.note, self.paid, self.twice, self.dana.certificate, self.asked]
        loose += [self.home, centre.order(self.bota), *owned]
        return [
            make_batch(bytes([1]) * 16, [bundle], owned, request).encode(),
            make_batch(bytes([2]) * 16, [], loose, None).encode(),
            make_batch(bytes([3]) * 16, [bundle], loose, after).encode(),
        ]

    def keyring(self) -> Keyring:
        """The keys that sign here."""
        centre = self.centre
        roles = {
            1: (centre.key("root"),),
            3: (centre.key("ca1"), centre.key("ca2")),
            4: (centre.key("issuer"),),
            9: (centre.key("settle"),),
            10: (centre.key("status"),),
            11: (centre.key("ca1"), centre.key("ca2")),
        }
        devices: list[SoftwareKey] = [centre.device_key(name) for name in ("ayan", "bota", "dana")]
        return Keyring(centre.network, roles, devices)


def settlement() -> _Settlement:
    """A settlement of one's own."""
    return _Settlement()


def batches() -> Target:
    """Batches into settlement: the books balance, what entered was signed, and what asks again gets the same answer."""
    first = _Settlement()
    ring, seeds = first.keyring(), first.batches()

    def play(world: _Settlement, data: bytes) -> None:
        reconciler = world.centre.reconciler
        before = reconciler.head()[0]
        ack = reconciler.ingest(data)
        expect(reconciler.ingest(data) == ack, "one batch has two acknowledgements")
        reconciler.totals()
        for row in world.centre.archive.rows(before):
            if row.verified:
                check_signed(row.envelope, ring)
        values: Any = canonical.decode_array(data)
        if values[4]:
            answer = reconciler.sync(open_envelope(values[4][0], SyncRequest, world.centre.network))
            expect(answer.record.kid in world.centre.devices, "an answer to a device that nobody certified")

    return Target("batch", seeds, play, _Settlement, ring, fresh_id, every=250)


def fresh_id(tree: list[Any], dice: random.Random) -> None:
    """Give a batch another id."""
    # Under its old id a changed batch would only ever be E_BATCH_REUSED.
    if len(tree) > 1 and type_is(tree[1], bytes) and dice.random() < 0.9:
        tree[1] = dice.randbytes(16)


def statements() -> Target:
    """SYNC_REQ to settlement: one answer for one request, for certified devices only."""
    settlement = _Settlement()
    ring = settlement.keyring()
    good = settlement.centre.declare(settlement.bota, 1, (settlement.paid.oid, 0, 400))
    others = [replace(good.record, counter=0), replace(good.record, sync_number=2, out_count=9)]
    signed = [good, *(settlement.centre._sign_for(record, settlement.bota.kid) for record in others)]

    def play(world: _Settlement, data: bytes) -> None:
        request = open_envelope(data, SyncRequest, world.centre.network)
        answer = world.centre.reconciler.sync(request)
        check_signed(data, ring)
        expect(world.centre.reconciler.sync(request) == answer, "one request has two answers")
        expect(answer.record.request == request.oid, "the answer is to another request")

    return Target("statement", [one.encode() for one in signed], play, _Settlement, ring, every=500)
