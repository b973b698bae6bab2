"""A lost wallet and a failed bank: who may do what, what moves, and what never does."""

from dataclasses import dataclass, field

import pytest

from cbdc.enforcement import Enforcement
from cbdc.errors import TengeError
from cbdc.keys import SoftwareKey
from cbdc.money import tenge
from cbdc.policies import PolicySet, Rule, preset
from cbdc.ports import Checkpoint, ManualClock, no_checkpoint
from cbdc.recovery import RecoveryDesk
from cbdc.resolution import Resolution
from cbdc.system import System
from cbdc.transaction import Freeze, RegisterKey, sign_transaction
from tests.cbdc.institutions import buy, check_books, holdings, ident, key, make_system, pay, person, stock

WAIT = 3 * 86_400
POLICY = preset("sandbox").with_rules(
    [
        Rule("wait", "recovery_wait", WAIT),
        Rule("identity", "recovery_identity", 1),
        Rule("freeze", "theft_freeze", 1),
    ]
)
DOCUMENT = "000000000004"  # what `person` gives "ayan"


def code(call, *arguments):  # type: ignore[no-untyped-def]
    try:
        call(*arguments)
    except TengeError as refusal:
        return refusal.code
    return "ok"


@dataclass
class Town:
    """Ayan has 700 tenge in three tokens; his phone is stolen, and `thief` has its key."""

    policy: PolicySet = POLICY
    checkpoint: Checkpoint = no_checkpoint
    system: System = field(init=False)

    def __post_init__(self) -> None:
        self.system = make_system(checkpoint=self.checkpoint)
        stock(self.system)
        stock(self.system, 2)
        for name in ("ayan", "shop"):
            person(self.system, name)
        for number, amount in enumerate((400, 200, 100)):
            buy(self.system, "ayan", tenge(amount), sale=f"sale {number}")

    @property
    def desk(self) -> RecoveryDesk:
        s = self.system
        return RecoveryDesk(s.banks[1], s.enforcement, s.ledger, s.stores.cabinet, self.policy, s.clock)

    @property
    def thief(self) -> SoftwareKey:
        return key("ayan")

    def steal(self, amount_tiyn: int) -> str:
        data = pay(self.system, self.thief, key("shop").public.kid, amount_tiyn).encode()
        return code(self.system.ledger.submit, data)

    def request(self, reference: str = DOCUMENT, new: str = "ayan.2", lost: str = "ayan") -> str:
        arguments = (ident("r"), ident("ayan"), reference, key(lost).public.kid, key(new).public)
        return code(self.desk.request, *arguments)

    def complete(self, signer: str = "ayan.2") -> str:
        return code(self.desk.complete, ident("r"), key(signer))

    def wait(self, seconds: int = WAIT) -> None:
        assert isinstance(self.system.clock, ManualClock)
        self.system.clock.advance(seconds)


def test_a_stolen_wallet_is_frozen_then_restored_to_a_new_key() -> None:
    town = Town()
    assert town.desk.report(ident("theft"), ident("ayan"), "stolen phone")
    assert town.desk.report(ident("theft"), ident("ayan"), "stolen phone")
    assert town.steal(tenge(10)) == "E_FROZEN"
    assert town.request() == "ok"
    town.wait()
    assert town.desk.complete(ident("r"), key("ayan.2")) == tenge(700)
    assert holdings(town.system, key("ayan").public.kid) == 0
    assert holdings(town.system, key("ayan.2").public.kid) == tenge(700)
    assert town.desk.complete(ident("r"), key("ayan.2")) == tenge(700)
    # The new key pays, the lost one receives no more.
    data = pay(town.system, key("ayan.2"), key("shop").public.kid, tenge(30)).encode()
    assert code(town.system.ledger.submit, data) == "ok"
    back = pay(town.system, key("shop"), key("ayan").public.kid, tenge(1), nonce=b"\1" * 16).encode()
    assert code(town.system.ledger.submit, back) == "E_KEY_RETIRED"
    check_books(town.system)


def test_what_the_thief_spent_before_the_report_stays_spent() -> None:
    town = Town()
    assert town.steal(tenge(650)) == "ok"
    town.desk.report(ident("theft"), ident("ayan"), "stolen phone")
    town.request()
    town.wait()
    assert town.desk.complete(ident("r"), key("ayan.2")) == tenge(50)
    assert holdings(town.system, key("shop").public.kid) == tenge(650)


def test_the_limits_already_used_follow_the_holder_to_the_new_key() -> None:
    town = Town()
    holder = town.system.banks[1].customers.get(ident("ayan")).pseudonym
    before = town.system.ledger.holding_tiyn(holder)
    town.request()
    town.wait()
    town.complete()
    assert town.system.ledger.holding_tiyn(holder) == before == tenge(700)


def test_many_tokens_are_recovered_in_several_transactions() -> None:
    town = Town()
    for number in range(205):
        buy(town.system, "ayan", tenge(1), sale=f"small {number}")
    town.request()
    town.wait()
    assert town.desk.complete(ident("r"), key("ayan.2")) == tenge(905)
    assert holdings(town.system, key("ayan.2").public.kid) == tenge(905)
    check_books(town.system)


def test_an_empty_wallet_is_retired_all_the_same() -> None:
    town = Town()
    town.steal(tenge(700))
    town.request()
    town.wait()
    assert town.desk.complete(ident("r"), key("ayan.2")) == 0
    known = town.system.ledger.registered(key("ayan").public.kid)
    assert known is not None
    assert known.successor == key("ayan.2").public.kid


def test_the_waiting_time_is_kept_to_the_second() -> None:
    town = Town()
    town.request()
    assert town.complete() == "E_RECOVERY_WAIT"
    town.wait(WAIT - 1)
    assert town.complete() == "E_RECOVERY_WAIT"
    town.wait(1)
    assert town.complete() == "ok"


def test_only_the_identified_customer_and_the_named_key() -> None:
    town = Town()
    assert town.request(reference="somebody else") == "E_RECOVERY_IDENTITY"
    assert town.request(lost="shop") == "E_CUSTOMER_KEY"
    assert town.complete() == "E_RECOVERY_UNKNOWN"
    assert town.request() == "ok"
    assert town.request(new="thiefs new key") == "E_ID_REUSED"
    town.wait()
    assert town.complete("thiefs new key") == "E_RECOVERY_UNKNOWN"
    assert code(town.desk.cancel, ident("r"), "somebody else") == "E_RECOVERY_IDENTITY"
    assert code(town.desk.cancel, ident("r"), DOCUMENT) == "ok"
    assert town.complete() == "E_RECOVERY_UNKNOWN"


@pytest.mark.parametrize("kind", ["recovery_wait", "recovery_identity", "theft_freeze"])
def test_a_rule_that_is_left_out_refuses_nothing(kind: str) -> None:
    town = Town(POLICY.with_rules([rule for rule in POLICY.rules if rule.kind != kind]))
    froze = town.desk.report(ident("theft"), ident("ayan"), "stolen phone")
    assert froze is (kind != "theft_freeze")
    assert (town.steal(tenge(10)) == "ok") is not froze
    assert town.request("somebody else") == ("ok" if kind == "recovery_identity" else "E_RECOVERY_IDENTITY")
    town.request()
    assert town.complete() == ("ok" if kind == "recovery_wait" else "E_RECOVERY_WAIT")


def test_a_courts_freeze_outlives_a_recovery() -> None:
    town = Town()
    holder = town.system.banks[1].customers.get(ident("ayan")).pseudonym
    town.system.enforcement.freeze(ident("court"), holder, "court")
    assert not town.desk.report(ident("theft"), ident("ayan"), "stolen phone")
    town.request()
    town.wait()
    assert town.complete() == "ok"
    data = pay(town.system, key("ayan.2"), key("shop").public.kid, tenge(30)).encode()
    assert code(town.system.ledger.submit, data) == "E_FROZEN"


def test_the_authority_adds_its_word_to_nothing_else() -> None:
    system = make_system()
    enforcement: Enforcement = system.enforcement
    for record in (
        Freeze(bytes(16), bytes(32), "x"),
        RegisterKey(bytes(16), 1, bytes(32), 1, 1, 1, bytes(32)),
    ):
        signed = sign_transaction(record, system.network, [key("ayan")])
        assert code(enforcement.countersign, signed) == "E_AUTHORITY"


class Death(Exception):
    """The process dies here."""


@pytest.mark.parametrize("nth", range(1, 16))
def test_a_recovery_that_dies_anywhere_is_completed_by_the_same_call(nth: int) -> None:
    count, live = 0, False

    def checkpoint(name: str) -> None:
        nonlocal count
        if live:
            count += 1
            if count == nth:
                raise Death(name)

    town = Town(checkpoint=checkpoint)
    town.desk.report(ident("theft"), ident("ayan"), "stolen phone")
    town.request()
    town.wait()
    live = True
    try:
        town.complete()
    except Death:
        live = False
    live = False
    assert town.desk.complete(ident("r"), key("ayan.2")) == tenge(700)
    assert holdings(town.system, key("ayan.2").public.kid) == tenge(700)
    data = pay(town.system, key("ayan.2"), key("shop").public.kid, tenge(30)).encode()
    assert code(town.system.ledger.submit, data) == "ok"


# --- a bank fails ---


def resolution(system: System) -> Resolution:
    return Resolution(system.banks, system.enforcement, system.ledger)


def test_a_failed_banks_customers_pay_on_and_are_served_by_another_bank() -> None:
    town = Town()
    system = town.system
    resolution(system).fail(1)
    assert town.steal(tenge(10)) == "ok", "digital tenge needs no bank to be paid"
    assert code(system.banks[1].order_tokens, ident("o"), 5) == "E_BANK_FAILED"
    assert code(system.banks[1].sell, []) == "E_BANK_FAILED"
    assert code(system.banks[1].buy_back, []) == "E_BANK_FAILED"
    holder = system.banks[1].customers.get(ident("ayan")).pseudonym
    used = system.ledger.holding_tiyn(holder)
    for _ in range(2):
        assert resolution(system).hand_over(ident("h"), [ident("ayan")], 1, 2) == [None]
    known = system.ledger.registered(key("ayan").public.kid)
    assert known is not None
    assert (known.bank_id, known.pseudonym) == (2, holder)
    assert system.banks[2].customers.get(ident("ayan")).pseudonym == holder
    assert system.ledger.holding_tiyn(holder) == used
    system.banks[2].receive_deposit(ident("d"), ident("ayan"), tenge(50))
    assert getattr(buy(system, "ayan", tenge(50), bank_id=2, sale="y"), "code", "ok") == "ok"
    # A new key of the same holder is now the new bank's to register.
    assert code(system.banks[2].register_key, ident("ayan"), key("ayan.3")) == "ok"
    check_books(system)


def test_the_supervisor_sees_recoveries_and_whose_bank_holds_what() -> None:
    town = Town()
    town.request()
    town.wait()
    town.complete()
    system = town.system
    resolution(system).hand_over(ident("h"), [ident("ayan")], 1, 2)
    assert system.supervise() == []
    told = {alert.kind: alert for alert in system.supervisor.alerts()}
    holder = system.banks[1].customers.get(ident("ayan")).pseudonym
    assert (told["recovery"].subject, told["recovery"].amount_tiyn) == (holder, tenge(700))
    assert (told["handover"].subject, told["handover"].amount_tiyn) == (holder, tenge(700))
    assert system.supervisor.figures.held_by_bank_tiyn == {1: 0, 2: tenge(700)}


def test_a_bank_that_failed_takes_nobody_over() -> None:
    system = Town().system
    resolution(system).fail(2)
    with pytest.raises(TengeError, match="E_CUSTOMER_UNKNOWN"):
        resolution(system).hand_over(ident("h"), [ident("nobody")], 1, 2)
    answers = resolution(system).hand_over(ident("h"), [ident("ayan")], 1, 2)
    assert [answer.code for answer in answers if answer is not None] == ["E_BANK_FAILED"]
    known = system.ledger.registered(key("ayan").public.kid)
    assert known is not None
    assert known.bank_id == 1


def test_a_customer_taken_over_is_the_same_person_for_ever() -> None:
    system = Town().system
    ayan = system.banks[1].customers.get(ident("ayan"))
    system.banks[2].customers.adopt(ayan)
    person(system, "dana", 2)
    dana = system.banks[2].customers.get(ident("dana"))
    fake = type(ayan)(dana.id, ayan.name, ayan.reference, ayan.tier, ayan.category, ayan.pseudonym)
    assert code(system.banks[2].customers.adopt, fake) == "E_ID_REUSED"
