"""A **simulated** PIN: a gate before payments above a limit, for the thief of an unlocked device (A7).

Off until the owner sets a PIN. From then on the element counts what goes out since the PIN was last entered; above the
owner's limit it pays only right after `verify_pin`, and one verification stands for one payment or redemption.
`PIN_TRIES` wrong tries block it: then nothing is paid any more, and the money can only be redeemed, because a
redemption ends in the account that the device's bank has ordered and in no other.

The order is what matters: **a try is written down before it is judged**, so a power cut buys no free guess. That the
right PIN was entered is kept in memory alone; a restart forgets it. An order of `set_pin` that comes again is known by
its request id, because comparing PINs would be a guess that is not counted.

Software keeps no secret from whoever reads its journal, and a short number is guessed in no time outside: this shows
the logic, never the resistance. The number of tries is an assumption.

Source: DTO/1, section 5.7, and the threat model (A7).
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from cbdc.canonical import MAX_INTEGER
from cbdc.errors import Malformed, Refused
from cbdc.record import OFFLINE_DOMAIN
from offline.element_core import ElementCore
from offline.element_protocol import ElementStatus, PinStatus
from offline.element_rules import check_request_id
from offline.element_state import ElementState
from offline.records import PAY

PIN_TRIES = 3
_SHORTEST, _LONGEST = 4, 12
_SALT_BYTES = 16
_PAPER = b"pin"


class Pin(NamedTuple):
    """What the journal keeps of a PIN; `spent_from_tiyn` is the total paid out when it was last entered."""

    request_id: bytes
    salt: bytes
    digest: bytes
    limit_tiyn: int
    tries_left: int
    spent_from_tiyn: int


def pin_of(state: ElementState) -> Pin | None:
    """The PIN that is set, if there is one."""
    kept = state.papers.get(_PAPER)
    return None if kept is None else Pin(*kept)


def pin_status(state: ElementState) -> PinStatus | None:
    """What may be told of it: tries left, limit, and how much went out since it was last entered (tiyn)."""
    pin = pin_of(state)
    if pin is None:
        return None
    return PinStatus(pin.tries_left, pin.limit_tiyn, state.totals.out_tiyn - pin.spent_from_tiyn)


def check_spend(state: ElementState, kind: int, amount_tiyn: int, verified: bool) -> Mapping[bytes, Any]:
    """The papers after spending this much, if the PIN allows it.

    Raises E_PIN_BLOCKED for a payment after too many wrong tries, E_PIN when the PIN must be entered first.
    """
    pin = pin_of(state)
    if pin is None:
        return state.papers
    if pin.tries_left == 0:
        if kind == PAY:
            raise Refused("E_PIN_BLOCKED", tries=PIN_TRIES)
        return state.papers
    out_tiyn = state.totals.out_tiyn + amount_tiyn
    if verified:
        return _with(state, pin._replace(spent_from_tiyn=out_tiyn))
    if out_tiyn - pin.spent_from_tiyn > pin.limit_tiyn:
        raise Refused("E_PIN", amount_tiyn=amount_tiyn, limit_tiyn=pin.limit_tiyn)
    return state.papers


class PinGate(ElementCore):
    """The calls of the PIN; part of the **simulated** element."""

    _pin_entered = False

    def status(self, now: int) -> ElementStatus:
        """What may be known of it; reservations are those open at `now`."""
        return replace(super().status(now), pin=pin_status(self._state))

    def set_pin(self, request_id: bytes, pin: bytes, limit_tiyn: int) -> None:
        """Set the PIN (4 to 12 digits) and how much may go out without it; the same request id again: nothing happens.

        Raises E_FIELD, E_REQUEST_REUSED (another limit under one id), and E_PIN when another PIN stands that was not
        entered just before.
        """
        state = self._ready()
        check_request_id(request_id)
        _check_form(pin)
        if type(limit_tiyn) is not int or not 0 <= limit_tiyn <= MAX_INTEGER:
            raise Malformed("E_FIELD", field="limit", problem="no whole number of tiyn")
        kept = pin_of(state)
        if kept is not None and kept.request_id == request_id:
            if kept.limit_tiyn != limit_tiyn:
                raise Refused("E_REQUEST_REUSED", request=request_id)
            return
        if kept is not None and not self._pin_entered:
            raise Refused("E_PIN", amount_tiyn=0, limit_tiyn=kept.limit_tiyn)
        salt = self._entropy.bytes("element.pin", self.kid + request_id, _SALT_BYTES)
        new = Pin(request_id, salt, _digest(salt, pin), limit_tiyn, PIN_TRIES, state.totals.out_tiyn)
        self._pin_entered = False
        self._commit(replace(state, papers=_with(state, new)))

    def verify_pin(self, pin: bytes) -> None:
        """Enter the PIN: the next payment or redemption may be of any size that the limits allow.

        A wrong try is counted, and that is the one thing this refusal changes. Raises E_FIELD, E_PIN_UNSET,
        E_PIN_BLOCKED, and E_PIN_WRONG with the tries that are left.
        """
        state = self._ready()
        _check_form(pin)
        kept = pin_of(state)
        if kept is None:
            raise Refused("E_PIN_UNSET", kid=self.kid)
        if kept.tries_left == 0:
            raise Refused("E_PIN_BLOCKED", tries=PIN_TRIES)
        self._pin_entered = False
        tried = kept._replace(tries_left=kept.tries_left - 1)
        self._commit(replace(state, papers=_with(state, tried)))
        if not hmac.compare_digest(_digest(kept.salt, pin), kept.digest):
            raise Refused("E_PIN_WRONG", left=tried.tries_left)
        right = tried._replace(tries_left=PIN_TRIES, spent_from_tiyn=state.totals.out_tiyn)
        self._commit(replace(self._state, papers=_with(self._state, right)))
        self._pin_entered = True


def _with(state: ElementState, pin: Pin) -> Mapping[bytes, Any]:
    return {**state.papers, _PAPER: tuple(pin)}


def _check_form(pin: bytes) -> None:
    if type(pin) is not bytes or not _SHORTEST <= len(pin) <= _LONGEST or not pin.isdigit():
        raise Malformed("E_FIELD", field="PIN", problem=f"not {_SHORTEST} to {_LONGEST} digits")


def _digest(salt: bytes, pin: bytes) -> bytes:
    return hashlib.sha256(OFFLINE_DOMAIN + b"pin\0" + salt + pin).digest()
