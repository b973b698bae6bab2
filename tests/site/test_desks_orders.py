"""Orders carried to the register by hand: told in words, judged dry, submitted once; and everything refused."""

import base64
import io
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from cbdc import canonical
from cbdc.money import tenge
from cbdc.record import sign
from cbdc.register import ISSUE, LOSS_RESERVE, REDEEM, MoneyRequest
from cbdc.token import KeyLock, Token
from cbdc.transaction import Freeze, Issue, SignedTransaction, Transfer, sign_transaction
from tests.site.killed import killed_at
from tests.site.visitor import BASE, Program, Visitor, opened
from wallets.site.opening import customer_id
from wallets.site.whole import Whole

_fresh = (f"an-order-by-hand-{number:06d}" for number in count())


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one
        supply = one.world.sandbox.supply()
        assert supply.outstanding_tiyn == supply.held_tiyn


def code(answer) -> str:
    return str(answer.get_json()["code"])


def do(whole: Whole, name: str, request_id: str = "", **fields: str):
    return Program(whole, "registrar").do("register", name, request_id or next(_fresh), **fields)


def payment(whole: Whole, network: bytes = b"", amount_tiyn: int = tenge(10)) -> SignedTransaction:
    """A neighbour's payment to another, made and signed away from the server."""
    payer, payee = whole.world.neighbours[:2]
    identity, token = whole.world.system.ledger.owned(payer.wallet.kid)[0]
    outputs = (
        Token(amount_tiyn, KeyLock(payee.wallet.kid)),
        Token(token.amount_tiyn - amount_tiyn, KeyLock(payer.wallet.kid)),
    )
    record = Transfer(b"\x05" * 16, (identity,), outputs, b"")
    return sign_transaction(record, network or whole.world.system.network, [payer.wallet.signer])


def freezing(whole: Whole, pseudonym: bytes) -> SignedTransaction:
    enforcement = whole.world.system.keys.enforcement
    return sign_transaction(
        Freeze(b"\x06" * 16, pseudonym, "court 12"), whole.world.system.network, [enforcement]
    )


def wish(
    whole: Whole, kind: int = ISSUE, party: int = 1, network: bytes = b"", id: bytes = b"\x09" * 32
) -> bytes:
    keys = whole.world.system.keys
    signer = keys.operator if kind == LOSS_RESERVE else keys.bank(party)
    record = MoneyRequest(id, kind, party, tenge(500), whole.world.clock.now())
    return sign(record, network or whole.world.system.network, signer).encode()


def pseudonym_of(whole: Whole, user: str) -> bytes:
    one = whole.world.users.get(user)
    return whole.world.system.banks[one.bank_id].customers.get(customer_id(one)).pseudonym


def test_a_payment_is_told_in_words_and_then_submitted_once(whole: Whole) -> None:
    ledger, order = whole.world.system.ledger, payment(whole)
    text, before = order.encode().hex(), ledger.size
    seen = do(whole, "examine", order_text=text).get_json()
    assert (seen["what"], seen["amount_tiyn"], seen["accepted"]) == ("Payment", tenge(10), True)
    assert (len(seen["from"]), len(seen["to"]), len(seen["signers"])) == (1, 1, 1)
    assert seen["id"] == order.id.hex()
    assert ledger.size == before, "looking submits nothing"
    press = next(_fresh)
    taken = do(whole, "submit-order", press, order_text=text).get_json()
    assert (taken["entry"], taken["id"]) == (before, order.id.hex())
    assert do(whole, "submit-order", press, order_text=text).get_json() == taken
    replayed = do(whole, "submit-order", order_text=text)
    assert (replayed.status_code, code(replayed)) == (422, "E_CARRIED_KNOWN")
    assert ledger.size == before + 1
    again = do(whole, "examine", order_text=text).get_json()
    assert (again["accepted"], again["code"]) == (False, "E_CARRIED_KNOWN")


@pytest.mark.parametrize("form", ["hex", "HEX", "base64", "urlsafe", "lines", "file", "file of text"])
def test_an_order_comes_in_several_forms(whole: Whole, form: str) -> None:
    data = payment(whole).encode()
    text = base64.b64encode(data).decode()
    fields = {
        "hex": {"order_text": data.hex()},
        "HEX": {"order_text": data.hex().upper()},
        "base64": {"order_text": text},
        "urlsafe": {"order_text": base64.urlsafe_b64encode(data).decode()},
        "lines": {"order_text": "\n".join(text[place : place + 60] for place in range(0, len(text), 60))},
        "file": {"order_file": data.hex()},
        "file of text": {"order_file": text.encode().hex()},
    }[form]
    assert do(whole, "examine", **fields).get_json()["order"] == data.hex()


def test_a_bank_s_signed_request_is_registered_once(whole: Whole) -> None:
    data = wish(whole)
    seen = do(whole, "examine", order_text=data.hex()).get_json()
    assert (seen["what"], seen["amount_tiyn"], seen["accepted"]) == ("Issue", tenge(500), True)
    assert whole.world.system.register.open() == []
    press = next(_fresh)
    taken = do(whole, "submit-order", press, order_text=data.hex())
    assert taken.status_code == 200
    assert [one.id for one in whole.world.system.register.open()] == [b"\x09" * 32]
    assert do(whole, "submit-order", press, order_text=data.hex()).get_json() == taken.get_json()
    assert code(do(whole, "submit-order", order_text=data.hex())) == "E_CARRIED_REGISTERED"
    officer = Program(whole, "officer-1")
    refused = officer.do("national-bank", "refuse", request="09" * 32, reason="not by hand, please")
    assert refused.status_code == 200
    again = do(whole, "submit-order", order_text=data.hex())
    assert (code(again), again.get_json()["facts"]["state"]) == ("E_CARRIED_REGISTERED", "refused")


def test_a_court_s_order_stops_a_customer_and_no_institution(whole: Whole) -> None:
    ledger = whole.world.system.ledger
    holder = pseudonym_of(whole, "aigerim")
    seen = do(whole, "examine", order_text=freezing(whole, holder).encode().hex()).get_json()
    assert (seen["reference"], seen["about"]) == ("court 12", holder.hex())
    assert do(whole, "submit-order", order_text=freezing(whole, holder).encode().hex()).status_code == 200
    assert ledger.frozen(holder) == "court 12"
    escrow = ledger.registered(whole.world.system.escrow_kid)
    assert escrow is not None
    for name in ("examine", "submit-order"):
        refused = do(whole, name, order_text=freezing(whole, escrow.pseudonym).encode().hex())
        assert code(refused) == "E_HTTP_NONE"
    assert ledger.frozen(escrow.pseudonym) == ""


def bad_orders(whole: Whole) -> dict[str, tuple[dict[str, str], str]]:
    good = payment(whole).encode()
    values = canonical.decode_array(good)
    other_signer = whole.world.neighbours[1].wallet.signer
    network = whole.world.system.network
    national_bank = whole.world.system.national_bank
    request = whole.world.system.register.closed()[0]
    issue = Issue(b"\x01" * 16, b"\x02" * 32, national_bank.proposal(request).outputs)
    officers = whole.world.system.keys.officers[:2]
    return {
        "nothing": ({}, "E_SITE_FIELD"),
        "blank": ({"order_text": "  \n "}, "E_SITE_FIELD"),
        "no text of bytes": ({"order_text": "this is no order!"}, "E_SITE_FIELD"),
        "markup": ({"order_text": "<script>alert(1)</script>"}, "E_SITE_FIELD"),
        "a file that is no hexadecimal": ({"order_file": "zz"}, "E_SITE_FIELD"),
        "a field too many": ({"order_text": good.hex(), "sure": "yes"}, "E_SITE_FIELD"),
        "too long a text": ({"order_text": "ab" * 4_097}, "E_SITE_FIELD"),
        "too long in base64": ({"order_text": base64.b64encode(bytes(4_100)).decode()}, "E_WEB_SIZE"),
        "cut off": ({"order_text": good[:-1].hex()}, "E_DECODE"),
        "a byte too many": ({"order_text": good.hex() + "00"}, "E_DECODE"),
        "no array": ({"order_text": canonical.encode(7).hex()}, "E_TYPE"),
        "empty array": ({"order_text": canonical.encode([]).hex()}, "E_FIELD"),
        "another type": ({"order_text": canonical.encode([7, *values[1:]]).hex()}, "E_OBJTYPE"),
        "wrong network": ({"order_text": payment(whole, bytes(8)).encode().hex()}, "E_SIG"),
        "a request of a wrong network": (
            {"order_text": wish(whole, network=bytes(8)).hex()},
            "E_REQUEST_PARTY",
        ),
        "another's signature": (
            {"order_text": sign_transaction(payment(whole).record, network, [other_signer]).encode().hex()},
            "E_LOCKED",
        ),
        "an issue with the officers' signatures": (
            {
                "order_text": sign_transaction(issue, network, [*officers, whole.world.system.keys.operator])
                .encode()
                .hex()
            },
            "E_CARRIED_KIND",
        ),
        "a request to redeem": ({"order_text": wish(whole, REDEEM).hex()}, "E_CARRIED_KIND"),
        "a request for the loss reserve": (
            {"order_text": wish(whole, LOSS_RESERVE, 0).hex()},
            "E_CARRIED_KIND",
        ),
        "out of a bank's inventory": (
            {"order_text": inventory_payment(whole).encode().hex()},
            "E_CARRIED_KIND",
        ),
    }


def inventory_payment(whole: Whole) -> SignedTransaction:
    system = whole.world.system
    signer = system.keys.bank_inventory(1)
    identity, token = system.ledger.owned(signer.public.kid)[0]
    outputs = (Token(token.amount_tiyn, KeyLock(whole.world.neighbours[0].wallet.kid)),)
    return sign_transaction(Transfer(b"\x07" * 16, (identity,), outputs, b""), system.network, [signer])


BAD = [
    "nothing",
    "blank",
    "no text of bytes",
    "markup",
    "a file that is no hexadecimal",
    "a field too many",
    "too long a text",
    "too long in base64",
    "cut off",
    "a byte too many",
    "no array",
    "empty array",
    "another type",
    "wrong network",
    "a request of a wrong network",
    "another's signature",
    "an issue with the officers' signatures",
    "a request to redeem",
    "a request for the loss reserve",
    "out of a bank's inventory",
]


def test_every_bad_order_is_refused_and_changes_nothing(whole: Whole) -> None:
    orders = bad_orders(whole)
    assert list(orders) == BAD
    before = whole.world.system.ledger.size, len(whole.world.system.register.open())
    wrong = {}
    for name, (fields, refusal) in orders.items():
        answer = do(whole, "submit-order", **fields)
        if answer.status_code not in (400, 404, 413, 422) or code(answer) != refusal:
            wrong[name] = (answer.status_code, answer.get_json().get("code"))
        assert (whole.world.system.ledger.size, len(whole.world.system.register.open())) == before, name
        looked = do(whole, "examine", **fields)
        found = looked.get_json().get("code")
        if found != refusal:
            wrong[f"{name}, looked at"] = (looked.status_code, found)
    assert wrong == {}


def test_what_was_spent_meanwhile_is_refused_when_it_is_submitted(whole: Whole) -> None:
    first, before = payment(whole), whole.world.system.ledger.size
    second = payment(whole, amount_tiyn=tenge(20))
    assert do(whole, "examine", order_text=second.encode().hex()).get_json()["accepted"]
    assert do(whole, "submit-order", order_text=first.encode().hex()).status_code == 200
    assert code(do(whole, "submit-order", order_text=second.encode().hex())) == "E_TOKEN_SPENT"
    assert whole.world.system.ledger.size == before + 1


@pytest.mark.parametrize("user", ["clerk-1", "officer-1", "supervisor", "operator", "treasurer", "aigerim"])
def test_nobody_but_the_registrar_takes_orders(whole: Whole, user: str) -> None:
    program, before = Program(whole, user), whole.world.system.ledger.size
    for name in ("examine", "submit-order"):
        answer = program.do("register", name, order_text=payment(whole).encode().hex())
        assert (answer.status_code, code(answer)) == (403, "E_SITE_ROLE")
    assert whole.world.system.ledger.size == before


def test_the_page_shows_an_uploaded_order_and_submits_it(whole: Whole) -> None:
    registrar, order = Visitor(whole).signed_in("registrar"), payment(whole)
    action, fields = registrar.form("/register/orders", "examine")
    upload = {**fields, "order_file": (io.BytesIO(order.encode()), "order.dto")}
    answer = registrar.client.post(action, base_url=BASE, data=upload, content_type="multipart/form-data")
    assert answer.status_code == 303
    action, found = registrar.form("/register/orders", "submit-order")
    assert found["order_text"] == order.encode().hex()
    before = whole.world.system.ledger.size
    assert registrar.post(action, found).status_code == 303
    assert whole.world.system.ledger.size == before + 1
    assert "Taken" in registrar.get("/register/orders").text
    huge = {**fields, "order_file": (io.BytesIO(bytes(5_000)), "order.dto")}
    registrar.client.post(
        "/register/do/examine", base_url=BASE, data=huge, content_type="multipart/form-data"
    )
    assert "E_WEB_SIZE" in registrar.get("/register/orders").text


@pytest.mark.parametrize("kind", ["payment", "request"])
@pytest.mark.parametrize("place", range(1, 8))
def test_killed_while_submitting_the_same_press_finds_itself(tmp_path: Path, place: int, kind: str) -> None:
    order: list[str] = []
    press = next(_fresh)

    def before(whole: Whole) -> None:
        order.append((payment(whole).encode() if kind == "payment" else wish(whole)).hex())

    whole, _ = killed_at(
        place, tmp_path, before, lambda one: do(one, "submit-order", press, order_text=order[0])
    )
    try:
        again = do(whole, "submit-order", press, order_text=order[0])
        assert again.status_code == 200, again.text
        size = whole.world.system.ledger.size
        waiting = len(whole.world.system.register.open())
        assert do(whole, "submit-order", press, order_text=order[0]).get_json() == again.get_json()
        assert code(do(whole, "submit-order", order_text=order[0])) in (
            "E_CARRIED_KNOWN",
            "E_CARRIED_REGISTERED",
        )
        assert (whole.world.system.ledger.size, len(whole.world.system.register.open())) == (size, waiting)
        assert waiting == (kind == "request")
    finally:
        whole.world.close()
