"""The byte channel of a secure element: calls with any arguments, in any order, over chained commands.

The element checks I1 to I11 after each call (deep checks), so an input that breaks one of them is an AssertionError.
What is refused changes neither purse nor totals; nothing but status words and pieces of answers comes out.
"""

from typing import Any

from cbdc import canonical
from cbdc.errors import Malformed
from cbdc.money import tenge
from offline.element_applet import (
    APPLICATION_ID,
    CHAIN_BIT,
    GET_DATA,
    GET_RESPONSE,
    MORE,
    PIECE_BYTES,
    SELECT,
    Applet,
    command,
)
from offline.element_client import RemoteElement
from offline.records import Outpoint
from tests.fuzz.mutation import type_is
from tests.fuzz.stage import Stage
from tests.fuzz.target import Target, expect

MOST_CALLS = 12
MOST_BYTES = 1 << 20


class _Recorder:
    """A channel to an applet that writes down each whole call as [instruction, arguments]."""

    session = 1

    def __init__(self, applet: Applet) -> None:
        self._applet = applet
        self._coming = b""
        self.calls: list[list[Any]] = []

    def exchange(self, address: int, command: bytes) -> bytes:
        """One command to the applet."""
        kind, instruction = command[0], command[1]
        if instruction not in (SELECT, GET_RESPONSE, GET_DATA):
            self._coming += command[5:]
            if not kind & CHAIN_BIT:
                self.calls.append([instruction, self._coming])
                self._coming = b""
        return self._applet.process(command)


class _Card:
    """The payer's element behind an applet, with money; the others are as on the stage."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.element = self.stage.payer.element
        self.applet = Applet(lambda: self.element)
        self.channel = _Recorder(self.applet)

    def values(self) -> Any:
        """What only an accepted call may change."""
        status = self.element.status(self.stage.now)
        return dict(status.purse), status.totals, status.counter, status.sync_number, status.invoice_number


def _recorded() -> list[list[Any]]:
    """Every call of a day in the life of an element."""
    card = _Card()
    stage, now = card.stage, card.stage.now
    remote = RemoteElement(card.channel, 1)
    world = stage.bench.world
    outpoint = max(
        stage.payer.status(now).purse, key=lambda one: stage.payer.status(now).purse[one].amount_tiyn
    )
    asked = stage.payee.invoice(b"asked", tenge(500), 0, now)
    remote.status(now)
    remote.load(world.make_note(stage.payer.kid, tenge(20)), now)
    remote.pay(asked, stage.payee.certificate, [outpoint], now)
    remote.resend(asked.oid)
    remote.invoice(b"own", tenge(100), 0, now + 600, 8, 24_000, b"", b"", now)
    own = remote.invoice(b"other", tenge(200), 0, now + 600, 8, 24_000, b"", b"", now)
    paid = stage.carrier.pay(own, stage.payer.certificate, now)
    stage.payer.receive(paid, own, now)
    remote.receipt(own.oid)
    held = Outpoint(remote.resend(asked.oid)[0].oid, 1)
    remote.redeem(b"home", world.make_redeem_order(stage.payer.kid), [held], tenge(100), now)
    remote.trust([world.make_trust(2, base_sequence=1)])
    remote.sync_commit(stage.bench.ack(remote.sync_begin(b"sync")))
    remote.enrol(stage.network, 1, bytes(32))
    return card.channel.calls


def element() -> Target:
    """See the module's text."""
    calls = _recorded()
    seeds = [canonical.encode([call]) for call in calls]
    seeds += [canonical.encode(calls[start : start + 4]) for start in range(0, len(calls), 3)]

    def play(card: _Card, data: bytes) -> None:
        values: Any = canonical.decode_array(data, MOST_BYTES)
        refused = b""
        _sent(card, command(SELECT, APPLICATION_ID, own=False))
        for call in values[:MOST_CALLS]:
            if (
                not type_is(call, list)
                or len(call) != 2
                or not type_is(call[0], int)
                or not type_is(call[1], bytes)
            ):
                raise Malformed("E_OBJTYPE", type="call", expected="[instruction, arguments]")
            before = card.values()
            word = _called(card, call[0] & 0xFF, call[1])
            if word != b"\x90\x00":
                expect(card.values() == before, f"a call that was refused ({word.hex()}) moved money")
                refused = word
        if refused:
            raise Malformed("E_FRAME", problem=f"the element answered {refused.hex()}")

    return Target("element", seeds, play, _Card, _Card().stage.keyring, every=60)


def _sent(card: _Card, data: bytes) -> bytes:
    response = card.applet.process(data)
    expect(2 <= len(response) <= PIECE_BYTES + 2, f"a response of {len(response)} bytes")
    return response


def _called(card: _Card, instruction: int, data: bytes) -> bytes:
    pieces = [data[place : place + PIECE_BYTES] for place in range(0, max(1, len(data)), PIECE_BYTES)]
    for piece in pieces[:-1]:
        response = _sent(card, command(instruction, piece, chained=True))
        if response != b"\x90\x00":
            return response[-2:]
    response = _sent(card, command(instruction, pieces[-1]))
    for _ in range(MOST_BYTES // PIECE_BYTES):
        if response[-2] != MORE:
            return response[-2:]
        response = _sent(card, command(GET_RESPONSE, b"", own=False))
    expect(False, "an answer without an end")
    return b""
