"""A recovery to a key that is far away: what it signs, what is refused before anything moves, and a repeat."""

from collections.abc import Callable
from typing import Any

import pytest

from cbdc.errors import TengeError
from cbdc.keys import SoftwareKey
from cbdc.money import tenge
from cbdc.transaction import RegisterKey
from tests.cbdc.institutions import check_books, holdings, ident, key, pay
from tests.cbdc.test_recovery import Town

NEW = "ayan.2"


def code(call: Callable[..., Any], *arguments: Any) -> str:
    try:
        call(*arguments)
    except TengeError as refusal:
        return refusal.code
    return "ok"


def asked(town: Town) -> list[bytes]:
    """Reported, asked for and waited; the signatures of the new key over its papers."""
    town.desk.report(ident("theft"), ident("ayan"), "stolen phone")
    assert town.request() == "ok"
    town.wait()
    return signatures(town)


def signatures(town: Town, by: str = NEW) -> list[bytes]:
    desk = town.desk
    return [key(by).sign(desk.message(record)) for record in desk.papers(ident("r"), key(NEW).public)]


def complete(town: Town, signed: list[bytes], new: SoftwareKey | None = None) -> str:
    return code(town.desk.complete_signed, ident("r"), (new or key(NEW)).public, signed)


def held(town: Town) -> tuple[int, int]:
    return tuple(holdings(town.system, key(name).public.kid) for name in ("ayan", NEW))  # type: ignore[return-value]


def test_a_far_key_signs_and_gets_the_money_once() -> None:
    town = Town()
    signed = asked(town)
    assert isinstance(town.desk.papers(ident("r"), key(NEW).public)[0], RegisterKey)
    assert held(town) == (tenge(700), 0)
    assert town.desk.complete_signed(ident("r"), key(NEW).public, signed) == tenge(700)
    assert held(town) == (0, tenge(700))
    assert town.desk.papers(ident("r"), key(NEW).public) == ()
    assert town.desk.complete_signed(ident("r"), key(NEW).public, []) == tenge(700)
    check_books(town.system)


@pytest.mark.parametrize("bad", ["none", "one short", "thief", "swapped", "cut", "half"])
def test_bad_signatures_move_nothing(bad: str) -> None:
    town = Town()
    signed = asked(town)
    forged = {
        "none": [],
        "one short": signed[:-1],
        "thief": signatures(town, "ayan"),
        "swapped": signed[::-1],
        "half": [signed[0], *signatures(town, "ayan")[1:]],
        "cut": [signature[:-1] for signature in signed],
    }[bad]
    size = town.system.ledger.registered(key(NEW).public.kid)
    assert complete(town, forged).startswith("E_SIG")
    assert held(town) == (tenge(700), 0)
    assert town.system.ledger.registered(key(NEW).public.kid) == size
    assert complete(town, signed) == "ok"


def test_another_key_and_an_unknown_recovery_are_refused() -> None:
    town = Town()
    signed = asked(town)
    assert complete(town, signed, key("shop")) == "E_RECOVERY_UNKNOWN"
    assert code(town.desk.papers, ident("other"), key(NEW).public) == "E_RECOVERY_UNKNOWN"
    assert held(town) == (tenge(700), 0)


def test_signed_too_early_waits() -> None:
    town = Town()
    assert town.request() == "ok"
    assert complete(town, signatures(town)) == "E_RECOVERY_WAIT"
    assert held(town) == (tenge(700), 0)


def test_money_that_came_meanwhile_needs_new_signatures() -> None:
    town = Town()
    data = pay(town.system, key("ayan"), key("shop").public.kid, tenge(50)).encode()
    town.system.ledger.submit(data)
    signed = asked(town)
    back = pay(town.system, key("shop"), key("ayan").public.kid, tenge(20), nonce=bytes(16)).encode()
    town.system.ledger.submit(back)
    assert complete(town, signed) == "E_SIG"
    assert held(town) == (tenge(670), 0)
    assert complete(town, signatures(town)) == "ok"
    assert held(town) == (0, tenge(670))


def test_cut_off_after_the_enrolment_the_same_signatures_complete() -> None:
    town = Town()
    signed = asked(town)
    town.system.banks[1].register_key(ident("ayan"), key(NEW))
    assert held(town) == (tenge(700), 0)
    assert complete(town, signed) == "ok"
    assert held(town) == (0, tenge(700))


def test_a_far_key_signs_nothing_new() -> None:
    town = Town()
    asked(town)
    with pytest.raises(TengeError):
        town.desk.complete_signed(ident("r"), key(NEW).public, [bytes(64)] * 2)
