"""The operator's register and the National Bank: requests, two of three, issue, redemption, the loss reserve."""

import pytest

from cbdc.accounts import (
    CIRCULATION,
    ISSUE_IN_PROGRESS,
    OFFLINE_LOSSES,
    inventory,
    ordered,
    reserve,
    reserves,
)
from cbdc.errors import Malformed, Refused, Unavailable
from cbdc.keys import Signer
from cbdc.money import tenge
from cbdc.record import sign
from cbdc.register import DONE, ISSUE, LOSS_RESERVE, REDEEM, REFUSED, REGISTERED, MoneyRequest
from cbdc.system import System
from cbdc.token import KeyLock, Token
from cbdc.transaction import Redeem, SignedTransaction, sign_transaction
from tests.cbdc.institutions import START, check_books, holdings, ident, key, make_system, person, stock


@pytest.fixture
def system() -> System:
    made = make_system()
    made.national_bank.endow(ident("endow"), 1, tenge(1_000))
    return made


def ask(system: System, kind: int, party: int, amount: int, signer: Signer, name: str = "request") -> bytes:
    request = MoneyRequest(ident(name), kind, party, amount, START)
    system.register.register(sign(request, system.network, signer))
    return ident(name)


# --- the register ---


@pytest.mark.parametrize(
    ("kind", "party", "label"),
    [
        (ISSUE, 1, "bank-2"),
        (ISSUE, 1, "treasury"),
        (ISSUE, 0, "bank-1"),
        (REDEEM, 2, "bank-1"),
        (LOSS_RESERVE, 0, "bank-1"),
        (LOSS_RESERVE, 0, "emission-1"),
        (ISSUE, 1, "bank-1/ca"),
        (ISSUE, 9, "bank-1"),
    ],
)
def test_a_request_is_signed_by_its_party(system: System, kind: int, party: int, label: str) -> None:
    with pytest.raises(Refused, match="E_REQUEST_PARTY"):
        ask(system, kind, party, 1, key(label))
    assert system.register.open() == []


def test_a_request_of_another_network_is_not_the_party_s(system: System) -> None:
    request = MoneyRequest(ident("r"), ISSUE, 1, 1, START)
    with pytest.raises(Refused, match="E_REQUEST_PARTY"):
        system.register.register(sign(request, bytes(8), key("bank-1")))


def test_a_request_is_registered_once(system: System) -> None:
    first = ask(system, ISSUE, 1, 100, key("bank-1"))
    assert ask(system, ISSUE, 1, 100, key("bank-1")) == first
    with pytest.raises(Refused, match="E_ID_REUSED"):
        ask(system, ISSUE, 1, 101, key("bank-1"))
    with pytest.raises(Refused, match="E_ID_REUSED"):
        system.banks[1].request_tokens(first, 99)
    with pytest.raises(Refused, match="E_ID_REUSED"):
        system.banks[2].request_tokens(first, 100)
    assert system.banks[1].request_tokens(first, 100).registered_at == START
    assert [request.state_name for request in system.register.open()] == ["registered"]


def test_a_request_that_is_not_there_is_unknown(system: System) -> None:
    for attempt in (
        lambda: system.register.get(ident("no")),
        lambda: system.register.refuse(ident("no")),
        lambda: system.national_bank.issue(ident("no")),
        lambda: system.national_bank.redeem(ident("no")),
        lambda: system.national_bank.approve(ident("no"), key("emission-1")),
    ):
        with pytest.raises(Refused, match="E_REQUEST_UNKNOWN"):
            attempt()


def test_a_refused_request_is_final(system: System) -> None:
    identity = ask(system, ISSUE, 1, 100, key("bank-1"))
    assert system.register.refuse(identity).state == REFUSED
    with pytest.raises(Refused, match="E_REQUEST_REFUSED"):
        system.national_bank.approve_and_issue(identity)
    with pytest.raises(Refused, match="E_REQUEST_STATE"):
        system.register.refuse(identity)
    with pytest.raises(Refused, match="E_REQUEST_STATE"):
        system.national_bank.approve(identity, key("emission-1"))
    assert system.national_bank.reserve_tiyn(1) == tenge(1_000)
    assert [request.refusal for request in system.register.closed()] == ["E_REQUEST_REFUSED"]


# --- issue ---


def test_two_of_three_officers_approve(system: System) -> None:
    bank = system.national_bank
    identity = ask(system, ISSUE, 1, tenge(400), key("bank-1"))
    with pytest.raises(Refused, match="E_REQUEST_STATE"):
        bank.issue(identity)
    assert bank.approve(identity, key("emission-3")).state == REGISTERED
    assert bank.approve(identity, key("emission-3")).state == REGISTERED, (
        "the same officer does not count twice"
    )
    with pytest.raises(Refused, match="E_REQUEST_STATE"):
        bank.issue(identity)
    assert bank.approve(identity, key("emission-1")).state_name == "approved"
    receipt = bank.issue(identity)
    assert bank.issue(identity) == receipt
    assert system.register.get(identity).state == DONE
    assert system.banks[1].inventory_tiyn() == tenge(400)
    assert bank.reserve_tiyn(1) == tenge(600)
    check_books(system)


@pytest.mark.parametrize("label", ["bank-1", "operator", "root", "nobody"])
def test_only_an_officer_approves(system: System, label: str) -> None:
    identity = ask(system, ISSUE, 1, tenge(400), key("bank-1"))
    with pytest.raises(Refused, match="E_AUTHORITY"):
        system.national_bank.approve(identity, key(label))


def test_one_officer_alone_cannot_issue_whatever_the_register_says(system: System) -> None:
    """The ledger asks for the quorum itself; a register that was bent changes nothing."""
    from dataclasses import replace

    from cbdc.register import APPROVED

    identity = ask(system, ISSUE, 1, tenge(400), key("bank-1"))
    request = system.national_bank.approve(identity, key("emission-1"))
    system.register.write(replace(request, state=APPROVED))
    with pytest.raises(Refused, match="E_QUORUM"):
        system.national_bank.issue(identity)
    assert system.register.get(identity).refusal == "E_QUORUM"
    assert system.national_bank.reserve_tiyn(1) == tenge(1_000), "the money went back"
    check_books(system)


def test_a_bank_cannot_order_more_than_its_reserves(system: System) -> None:
    bank = system.banks[1]
    with pytest.raises(Refused, match="E_FUNDS_ACCOUNT"):
        bank.order_tokens(ident("o"), tenge(1_001))
    assert system.register.get(ident("o")).state_name == "approved"
    assert system.ledger.supply().issued_tiyn == 0
    system.national_bank.endow(ident("more"), 1, tenge(1))
    assert bank.order_tokens(ident("o"), tenge(1_001)).index > 0, "later there is enough"
    assert system.national_bank.reserve_tiyn(1) == 0
    check_books(system)


@pytest.mark.parametrize("amount", [0, -1])
def test_an_order_of_nothing_is_malformed(system: System, amount: int) -> None:
    with pytest.raises(Malformed):
        system.banks[1].order_tokens(ident("o"), amount)


def test_an_order_is_one_issue(system: System) -> None:
    bank = system.banks[1]
    assert bank.order_tokens(ident("o"), tenge(10)) == bank.order_tokens(ident("o"), tenge(10))
    with pytest.raises(Refused, match="E_ID_REUSED"):
        bank.order_tokens(ident("o"), tenge(11))
    assert bank.inventory_tiyn() == tenge(10)


def test_the_books_follow_an_issue(system: System) -> None:
    system.banks[1].order_tokens(ident("o"), tenge(300))
    balance = system.books.balance
    assert balance(CIRCULATION) == balance(inventory(1)) == tenge(300)
    assert balance(reserve(1)) == balance(reserves(1)) == tenge(700)
    assert balance(ordered(1)) == balance(ISSUE_IN_PROGRESS) == 0


def test_the_treasury_is_issued_to_directly(system: System) -> None:
    system.national_bank.endow(ident("taxes"), 0, tenge(500), "taxes")
    system.treasury.order_tokens(ident("t"), tenge(200))
    assert system.treasury.available_tiyn() == tenge(200)
    assert system.ledger.supply().treasury_tiyn == tenge(200)
    system.treasury.redeem(ident("back"), tenge(150))
    assert system.national_bank.reserve_tiyn(0) == tenge(450)
    check_books(system)


def test_the_loss_reserve_is_charged_to_the_national_bank(system: System) -> None:
    receipt = system.fund_loss_reserve(ident("l"), tenge(50))
    assert system.fund_loss_reserve(ident("l"), tenge(50)) == receipt
    with pytest.raises(Refused, match="E_ID_REUSED"):
        system.fund_loss_reserve(ident("l"), tenge(51))
    assert system.ledger.supply().loss_reserve_tiyn == tenge(50)
    assert system.books.balance(OFFLINE_LOSSES) == tenge(50)
    assert system.national_bank.balance_sheet().result_tiyn == -tenge(50)
    check_books(system)


def test_a_party_without_a_key_gets_nothing(system: System) -> None:
    from cbdc.issuance import Holders

    holders = Holders({}, bytes(32))
    with pytest.raises(Refused, match="E_REQUEST_PARTY"):
        holders.of(system.banks[1].request_tokens(ident("r"), 1))


def test_an_unavailable_ledger_leaves_the_order_open(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(transaction: bytes) -> None:
        raise Unavailable("E_STORE_UNAVAILABLE", detail="test")

    with monkeypatch.context() as patch:
        patch.setattr(system.ledger, "submit", down)
        with pytest.raises(Unavailable):
            system.banks[1].order_tokens(ident("o"), tenge(10))
    assert system.books.balance(ISSUE_IN_PROGRESS) == tenge(10)
    assert system.national_bank.resume() == []
    assert system.banks[1].inventory_tiyn() == tenge(10)
    check_books(system)


def test_endowment_is_once_and_moves_both_sides(system: System) -> None:
    system.national_bank.endow(ident("endow"), 1, tenge(1_000))
    with pytest.raises(Refused, match="E_ID_REUSED"):
        system.national_bank.endow(ident("endow"), 1, tenge(999))
    assert system.books.balance(reserves(1)) == system.national_bank.reserve_tiyn(1) == tenge(1_000)


# --- redemption ---


def redemption(
    system: System, identity: bytes, amount: int, label: str = "bank-1/inventory"
) -> SignedTransaction:
    owned = system.ledger.owned(key(label).public.kid)
    total = sum(token.amount_tiyn for _, token in owned)
    change = (Token(total - amount, KeyLock(key(label).public.kid)),) if total > amount else ()
    record = Redeem(bytes(16), identity, tuple(token for token, _ in owned), change)
    return sign_transaction(record, system.network, [key(label)])


def test_redemption_is_the_mirror(system: System) -> None:
    bank = system.banks[1]
    bank.order_tokens(ident("o"), tenge(300))
    receipt = bank.redeem_surplus(ident("back"), tenge(120))
    assert bank.redeem_surplus(ident("back"), tenge(120)) == receipt
    assert bank.inventory_tiyn() == tenge(180)
    assert system.national_bank.reserve_tiyn(1) == tenge(820)
    assert system.ledger.supply().redeemed_tiyn == tenge(120)
    bank.redeem_surplus(ident("rest"), tenge(180))
    assert bank.inventory_tiyn() == 0
    check_books(system)


def test_a_bank_cannot_redeem_what_it_has_not(system: System) -> None:
    with pytest.raises(Refused, match="E_TILL"):
        system.banks[1].redeem_surplus(ident("back"), 1)
    assert system.register.get(ident("back")).state == REGISTERED
    with pytest.raises(Refused, match="E_REQUEST_STATE"):
        system.national_bank.redeem(ident("back"))


@pytest.mark.parametrize("amount", [tenge(99), tenge(101)])
def test_redemption_is_of_the_registered_amount(system: System, amount: int) -> None:
    system.banks[1].order_tokens(ident("o"), tenge(300))
    identity = ask(system, REDEEM, 1, tenge(100), key("bank-1"))
    with pytest.raises(Refused, match="E_REQUEST_AMOUNT"):
        system.national_bank.redeem(identity, redemption(system, identity, amount))
    assert system.national_bank.redeem(identity, redemption(system, identity, tenge(100))).index > 0
    check_books(system)


def test_nobody_redeems_with_another_s_tokens(system: System) -> None:
    stock(system, 2)
    system.banks[1].order_tokens(ident("o"), tenge(300))
    identity = ask(system, REDEEM, 1, tenge(100), key("bank-1"))
    stolen = redemption(system, identity, tenge(100), "bank-2/inventory")
    with pytest.raises(Refused, match="E_REQUEST_PARTY"):
        system.national_bank.redeem(identity, stolen)
    with pytest.raises(Refused, match="E_REQUEST_PARTY"):
        system.national_bank.redeem(identity, redemption(system, ident("another"), tenge(100)))
    check_books(system)


def test_a_spent_token_is_not_redeemed(system: System) -> None:
    system.banks[1].order_tokens(ident("o"), tenge(300))
    identity = ask(system, REDEEM, 1, tenge(300), key("bank-1"))
    proposal = redemption(system, identity, tenge(300))
    system.banks[1].redeem_surplus(ident("other"), tenge(300))
    with pytest.raises(Refused, match="E_TOKEN_SPENT"):
        system.national_bank.redeem(identity, proposal)
    check_books(system)


def test_the_ledger_s_refusal_ends_a_redemption(system: System) -> None:
    system.banks[1].order_tokens(ident("o"), tenge(300))
    identity = ask(system, REDEEM, 1, tenge(300), key("bank-1"))
    proposal = redemption(system, identity, tenge(300))
    forged = SignedTransaction(
        proposal.record, proposal.body, proposal.id, ((proposal.witnesses[0][0], bytes(64)),)
    )
    with pytest.raises(Refused, match="E_SIG"):
        system.national_bank.redeem(identity, forged)
    assert system.register.get(identity).refusal == "E_SIG"
    with pytest.raises(Refused, match="E_REQUEST_REFUSED"):
        system.national_bank.redeem(identity, proposal)
    assert system.banks[1].inventory_tiyn() == tenge(300)
    check_books(system)


def test_an_issue_request_is_not_redeemed_and_the_reverse(system: System) -> None:
    system.banks[1].order_tokens(ident("o"), tenge(300))
    issue = ask(system, ISSUE, 1, tenge(1), key("bank-1"), "i")
    redeem = ask(system, REDEEM, 1, tenge(1), key("bank-1"), "r")
    with pytest.raises(Refused, match="E_REQUEST_STATE"):
        system.national_bank.redeem(issue, redemption(system, issue, tenge(1)))
    with pytest.raises(Refused, match="E_REQUEST_STATE"):
        system.national_bank.issue(redeem)
    with pytest.raises(Refused, match="E_REQUEST_STATE"):
        system.national_bank.approve(redeem, key("emission-1"))


def test_books_and_ledger_of_different_moments_are_noticed() -> None:
    """The register says done, the ledger knows nothing: a backup of one without the other."""
    first, other = make_system(), make_system()
    first.national_bank.endow(ident("endow"), 1, tenge(10))
    first.banks[1].order_tokens(ident("o"), tenge(10))
    done = first.register.get(ident("o"))
    other.register.close(done)
    with pytest.raises(Refused, match="E_BOOKS_LEDGER"):
        other.national_bank.issue(ident("o"))


# --- enforcement ---


def test_a_freeze_stops_a_holder_and_names_its_reason(system: System) -> None:
    stock(system)
    person(system, "aigerim")
    holder = system.banks[1].customers.get(ident("aigerim")).pseudonym
    act = system.enforcement.freeze(ident("f"), holder, "order 12/3")
    assert system.enforcement.freeze(ident("f"), holder, "order 12/3") == act
    with pytest.raises(Refused, match="E_ID_REUSED"):
        system.enforcement.freeze(ident("f"), holder, "order 12/4")
    with pytest.raises(Refused, match="E_FROZEN"):
        system.enforcement.freeze(ident("f2"), holder, "order 12/4")
    system.enforcement.unfreeze(ident("u"), holder, "order 12/5")
    with pytest.raises(Refused, match="E_NOT_FROZEN"):
        system.enforcement.unfreeze(ident("u2"), holder, "order 12/5")


def test_a_seizure_goes_to_the_treasury_and_leaves_the_rest(system: System) -> None:
    from tests.cbdc.institutions import buy

    stock(system)
    aigerim = person(system, "aigerim")
    buy(system, "aigerim", tenge(500))
    kid, to = aigerim.public.kid, system.treasury.account_kid
    act = system.enforcement.seize(ident("s"), kid, tenge(200), to, "court 7")
    assert system.enforcement.seize(ident("s"), kid, tenge(200), to, "court 7") == act
    assert (holdings(system, kid), system.treasury.available_tiyn()) == (tenge(300), tenge(200))
    with pytest.raises(Refused, match="E_ID_REUSED"):
        system.enforcement.seize(ident("s"), kid, tenge(201), to, "court 7")
    with pytest.raises(Refused, match="E_FUNDS"):
        system.enforcement.seize(ident("s2"), kid, tenge(301), to, "court 7")
    with pytest.raises(Refused, match="E_CATEGORY_LEDGER"):
        system.enforcement.seize(ident("s3"), kid, tenge(1), system.banks[1].inventory_kid, "court 7")
    system.enforcement.seize(ident("s4"), kid, tenge(300), to, "court 8")
    assert holdings(system, kid) == 0
    check_books(system)


def test_a_seizure_written_down_and_overtaken_is_planned_again(system: System) -> None:
    from tests.cbdc.institutions import buy, pay

    stock(system)
    aigerim = person(system, "aigerim")
    buy(system, "aigerim", tenge(500))
    kid, to = aigerim.public.kid, system.treasury.account_kid
    submit = system.ledger.submit

    def spent_meanwhile(transaction: bytes) -> object:
        system.ledger.submit = submit  # type: ignore[method-assign]
        submit(pay(system, aigerim, kid, tenge(10)).encode())
        return submit(transaction)

    system.ledger.submit = spent_meanwhile  # type: ignore[method-assign, assignment]
    with pytest.raises(Refused, match="E_TOKEN_SPENT"):
        system.enforcement.seize(ident("s"), kid, tenge(200), to, "court 7")
    assert system.enforcement.seize(ident("s"), kid, tenge(200), to, "court 7").index > 0
    assert system.treasury.available_tiyn() == tenge(200)


# --- an officer's refusal ---


def test_an_officer_refuses_with_a_signed_reason(system: System) -> None:
    bank = system.national_bank
    identity = ask(system, ISSUE, 1, tenge(400), key("bank-1"))
    bank.approve(identity, key("emission-1"))
    bank.approve(identity, key("emission-2"))
    refused = bank.refuse(identity, key("emission-3"), "not this quarter")
    assert (refused.state, len(refused.approvals)) == (REFUSED, 2)
    assert bank.refuse(identity, key("emission-3"), "not this quarter") == refused
    word = system.register.refusal_of(identity)
    assert word is not None
    word.verify(key("emission-3").public)
    assert (word.record.request, word.record.reason) == (identity, "not this quarter")
    for attempt in (lambda: bank.issue(identity), lambda: bank.approve_and_issue(identity)):
        with pytest.raises(Refused, match="E_REQUEST_REFUSED"):
            attempt()
    for other, reason in (("emission-3", "for another reason"), ("emission-1", "not this quarter")):
        with pytest.raises(Refused, match="E_REQUEST_STATE"):
            bank.refuse(identity, key(other), reason)
    assert system.resume() == []
    assert bank.reserve_tiyn(1) == tenge(1_000)


@pytest.mark.parametrize("label", ["bank-1", "operator", "root", "enforcement", "nobody"])
def test_only_an_officer_refuses(system: System, label: str) -> None:
    identity = ask(system, ISSUE, 1, tenge(400), key("bank-1"))
    with pytest.raises(Refused, match="E_AUTHORITY"):
        system.national_bank.refuse(identity, key(label), "I do not like it")
    assert system.register.get(identity).state == REGISTERED
    assert system.register.refusal_of(identity) is None


def test_what_was_begun_is_completed_and_not_refused(system: System) -> None:
    bank = system.national_bank
    identity = ask(system, ISSUE, 1, tenge(400), key("bank-1"))
    bank.approve(identity, key("emission-1"))
    request = bank.approve(identity, key("emission-2"))
    system.books.post(bank._hold(request))  # as if the power went out just after the debit
    with pytest.raises(Refused, match="E_REQUEST_STATE"):
        bank.refuse(identity, key("emission-3"), "too late")
    assert system.resume() == []
    assert system.register.get(identity).state == DONE
    check_books(system)


def test_a_redemption_is_not_the_officers_to_refuse(system: System) -> None:
    identity = ask(system, REDEEM, 1, tenge(400), key("bank-1"))
    with pytest.raises(Refused, match="E_REQUEST_STATE"):
        system.national_bank.refuse(identity, key("emission-1"), "keep it")


def test_the_moments_of_approvals_are_kept(system: System) -> None:
    identity = ask(system, ISSUE, 1, tenge(400), key("bank-1"))
    officer = key("emission-2")
    assert system.register.approved_at(identity, officer.public.kid) is None
    system.national_bank.approve(identity, officer)
    assert system.register.approved_at(identity, officer.public.kid) == system.clock.now()
