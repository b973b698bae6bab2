"""A lost wallet comes back under a new key: desk, code, papers, signatures; who may not, and what never moves."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cbdc import canonical
from cbdc.errors import TengeError, Unavailable
from cbdc.http.client import WsgiTransport
from cbdc.http.recovery_client import Offered, RecoveryClient
from cbdc.keys import ED25519, ES256, SoftwareKey
from cbdc.money import tenge
from cbdc.policies import Rule
from cbdc.ports import ManualClock
from cbdc.token import KeyLock
from cbdc.transaction import Recover, RegisterKey
from tests.site.phone import Phone
from tests.site.test_wallet_story import code_for, joined
from tests.site.visitor import Program, Visitor, opened
from wallets.desk import derived
from wallets.site import recovery_desks
from wallets.site.opening import customer_id
from wallets.site.whole import Whole

DAY = 86_400
NUMBER = "+7 701 000 11 22"


class Scene:
    """Aigerim with 5 000 on a phone that gets lost, a new one without anything, and Dana."""

    def __init__(self, whole: Whole) -> None:
        self.whole, self.world = whole, whole.world
        self.line = WsgiTransport(whole)
        self.phone, self.dana = joined(whole, self.line, "aigerim"), joined(whole, self.line, "dana")
        self.phone.fund(5_000)
        self.new = self.wallet("new phone")
        self.bank_id = self.phone.bank_id
        user = self.world.users.get("aigerim")
        self.customer = customer_id(user)
        self.document = self.world.system.banks[self.bank_id].customers.get(self.customer).reference
        self.clerk = Program(whole, f"clerk-{self.bank_id}")

    def wallet(self, name: str, algorithm: int = ED25519) -> Phone:
        bank_id = self.world.users.get("aigerim").bank_id
        return Phone(self.line, bank_id, name, self.world.clock, algorithm)

    def wish(self, **changes: Any) -> dict[str, Any]:
        return {
            "customer": self.customer.hex(),
            "wallet": self.phone.kid.hex(),
            "document": self.document,
            "identified": True,
        } | changes

    def code(self, **changes: Any) -> str:
        answer = self.clerk.do("bank", "recovery-code", **self.wish(**changes))
        assert answer.status_code == 200, answer.text
        return str(answer.get_json()["recovery_code"])

    def refused(self, clerk: Program | None = None, **changes: Any) -> str:
        return str(
            (clerk or self.clerk).do("bank", "recovery-code", **self.wish(**changes)).get_json()["code"]
        )

    def client(self, phone: Phone | None = None, bank_id: int = 0) -> RecoveryClient:
        mine = phone or self.new
        return RecoveryClient(mine.gateway, bank_id or self.bank_id, mine.signer)

    def complete(self, code: str, phone: Phone | None = None) -> int:
        client = self.client(phone)
        return client.complete(code, client.papers(code))[0]

    def frozen(self) -> str:
        bank = self.world.system.banks[self.bank_id]
        return self.world.system.ledger.frozen(bank.customers.get(self.customer).pseudonym)

    def held(self) -> tuple[int, int]:
        found = [
            sum(token.amount_tiyn for _, token in self.world.system.ledger.owned(phone.kid))
            for phone in (self.phone, self.new)
        ]
        return found[0], found[1]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with opened() as whole:
        yield Scene(whole)
        assert whole.world.system.supervise() == []


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(TengeError) as caught:
        call()
    return caught.value.code


def test_the_money_comes_back_to_a_new_key_once(scene: Scene) -> None:
    scene.phone.account.claim_alias(NUMBER)
    code = scene.code()
    assert scene.frozen().startswith(f"lost wallet, bank {scene.bank_id}: ")
    assert code_of(lambda: scene.phone.pay(scene.dana.kid, 10)) == "E_FROZEN"
    client = scene.client()
    offered = client.papers(code)
    assert client.papers(code) == offered
    assert (offered.lost, offered.amount_tiyn, offered.locked_tiyn) == (scene.phone.kid, tenge(5_000), 0)
    assert (offered.offline_tiyn, offered.done) == (0, False)
    assert scene.held() == (tenge(5_000), 0)
    answer = client.complete(code, offered)
    assert answer[0] == tenge(5_000)
    assert scene.held() == (0, tenge(5_000))
    assert scene.frozen() == ""
    # Again, from papers asked anew or kept: the same answer, and nothing more moves.
    assert client.complete(code, offered) == answer
    assert client.complete(code, client.papers(code)) == answer
    assert client.papers(code).done
    scene.new.refresh()
    scene.new.pay(scene.dana.kid, 1_000)
    assert scene.dana.account.look_up(derived("lookup"), NUMBER) == scene.new.kid


def test_the_lost_key_is_told_who_replaced_it_and_can_do_nothing(scene: Scene) -> None:
    assert scene.phone.account.limits().successor == b""
    scene.complete(scene.code())
    assert scene.phone.account.limits().successor == scene.new.kid
    assert code_of(lambda: scene.phone.pay(scene.dana.kid, 10)) == "E_KEY_RETIRED"
    assert code_of(lambda: scene.phone.fund(10, "again")) == "E_KEY_RETIRED"
    assert code_of(lambda: scene.phone.losses.report_wallet()) == "E_LOSS_WORD"
    assert code_of(lambda: scene.phone.account.claim_alias(NUMBER)) == "E_KEY_RETIRED"
    assert scene.refused() == "E_KEY_RETIRED"


def test_offline_money_stays_away_until_its_notes_close_and_goes_to_the_new_key(scene: Scene) -> None:
    device = scene.phone.enrol().status(scene.world.clock.now()).kid
    scene.phone.take_offline(2_000)
    code = scene.code()
    assert scene.world.sandbox.field.centre.trust_view.is_revoked(device)
    offered = scene.client().papers(code)
    assert (offered.amount_tiyn, offered.offline_tiyn) == (tenge(3_000), tenge(2_000))
    assert offered.offline_closes > scene.world.clock.now()
    assert scene.complete(code) == tenge(3_000)
    assert scene.client().papers(code).offline_tiyn == tenge(2_000)
    scene.world.put_forward(120 * DAY)
    assert scene.held() == (0, tenge(5_000))


def test_another_algorithm_and_many_small_tokens(scene: Scene) -> None:
    for number in range(12):
        scene.dana.fund(5, f"small {number}")
        scene.dana.pay(scene.phone.kid, 5, f"small {number}")
    newest = scene.wallet("newest", ES256)
    assert scene.complete(scene.code(), newest) == tenge(5_060)
    newest.refresh()
    assert newest.wallet.balance_tiyn() == tenge(5_060)


# --- the desk ---


def test_the_page_hands_out_a_code_and_takes_it_back(scene: Scene) -> None:
    clerk = Visitor(scene.whole).signed_in(f"clerk-{scene.bank_id}")
    page = f"/bank/recovery/{scene.customer.hex()}"
    assert page in clerk.get(f"/bank/customers/{scene.customer.hex()}").text
    text = clerk.send(page, "recovery-code", document=scene.document, identified="on")
    assert "wallet/#recover=" in text
    assert "<svg" in text
    code = text.split("#recover=")[1][:10]
    assert scene.client().papers(code).amount_tiyn == tenge(5_000)
    assert scene.new.kid.hex() in clerk.get(page).text
    clerk.send(page, "end-recovery")
    assert code_of(lambda: scene.complete(code)) == "E_JOIN_EXPIRED"
    assert scene.held() == (tenge(5_000), 0)
    # The freeze is the desk's to lift, and a new code works after all.
    assert scene.frozen()
    assert scene.complete(scene.code(), scene.wallet("another phone")) == tenge(5_000)
    assert scene.frozen() == ""


def test_who_gets_no_code(scene: Scene) -> None:
    neighbour = Program(scene.whole, f"clerk-{3 - scene.bank_id}")
    assert scene.refused(identified=False) == "E_RECOVERY_IDENTITY"
    assert scene.refused(document="000000000") == "E_RECOVERY_IDENTITY"
    assert scene.refused(clerk=neighbour) == "E_CUSTOMER_UNKNOWN"
    assert scene.refused(wallet=scene.dana.kid.hex()) == "E_CUSTOMER_KEY"
    assert scene.refused(wallet="ab" * 32) == "E_CUSTOMER_KEY"
    assert scene.refused(wallet="ab") == "E_SITE_FIELD"
    assert scene.clerk.do("bank", "end-recovery", customer=scene.customer.hex()).get_json()["code"] == (
        "E_RECOVERY_UNKNOWN"
    )
    # Whoever was refused froze nobody.
    assert scene.frozen() == ""


def test_a_courts_freeze_is_not_lifted_by_a_recovery(scene: Scene) -> None:
    holder = scene.world.system.banks[scene.bank_id].customers.get(scene.customer).pseudonym
    scene.world.system.enforcement.freeze(derived("court"), holder, "court 17")
    assert scene.refused() == "E_SITE_FREEZE"
    assert scene.frozen() == "court 17"


def test_a_court_that_comes_between_stays(scene: Scene) -> None:
    code = scene.code()
    holder = scene.world.system.banks[scene.bank_id].customers.get(scene.customer).pseudonym
    enforcement = scene.world.system.enforcement
    enforcement.unfreeze(derived("court lifts"), holder, "court 17")
    enforcement.freeze(derived("court"), holder, "court 17")
    assert scene.complete(code) == tenge(5_000)
    assert scene.frozen() == "court 17"
    scene.new.refresh()
    assert code_of(lambda: scene.new.pay(scene.dana.kid, 10)) == "E_FROZEN"


@pytest.mark.parametrize("reporter", ["holder", "desk"])
def test_a_freeze_that_was_reported_another_way_is_lifted_too(scene: Scene, reporter: str) -> None:
    if reporter == "holder":
        scene.phone.losses.report_wallet()
    else:
        answer = scene.clerk.do("bank", "report-lost", customer=scene.customer.hex(), reference="by phone")
        assert answer.status_code == 200
    before = scene.frozen()
    code = scene.code()
    assert scene.frozen() == before
    scene.complete(code)
    assert scene.frozen() == ""


def test_a_lifted_report_is_made_anew_by_a_second_recovery(scene: Scene) -> None:
    scene.code()
    lifted = scene.clerk.do("bank", "unfreeze", customer=scene.customer.hex(), reference="found it")
    assert lifted.status_code == 200
    assert scene.frozen() == ""
    code = scene.code()
    assert scene.frozen()
    scene.complete(code)
    assert scene.frozen() == ""


# --- the interface ---


def test_a_wrong_code_and_another_banks(scene: Scene) -> None:
    code, client = scene.code(), scene.client()
    for wrong in ("", "ABC", "0000000000", code[::-1], "é" * 10, "7" * 39):
        assert code_of(lambda wrong=wrong: client.papers(wrong)) == "E_JOIN_CODE"
    elsewhere = scene.client(bank_id=3 - scene.bank_id)
    assert code_of(lambda: elsewhere.papers(code)) == "E_JOIN_CODE"
    assert code_of(lambda: scene.client(bank_id=99).papers(code)) == "E_BANK_UNKNOWN"
    # A joining code recovers nothing, and a recovery code joins nothing.
    assert code_of(lambda: client.papers(code_for(scene.whole, "aigerim", "tablet"))) == "E_JOIN_CODE"
    assert code_of(lambda: scene.new.join(code)) == "E_JOIN_CODE"
    assert client.papers(f"{code[:5]}-{code[5:].lower()}").amount_tiyn == tenge(5_000)


def test_a_code_is_one_keys_and_a_key_is_one_wallets(scene: Scene) -> None:
    code = scene.code()
    assert code_of(lambda: scene.client(scene.dana).papers(code)) == "E_KEY_TAKEN"
    assert code_of(lambda: scene.client(scene.phone).papers(code)) == "E_KEY_TAKEN"
    scene.client().papers(code)
    thief = scene.wallet("thief")
    assert code_of(lambda: scene.client(thief).papers(code)) == "E_JOIN_USED"
    assert code_of(lambda: scene.complete(code, thief)) == "E_JOIN_USED"
    scene.complete(code)
    assert code_of(lambda: scene.client(thief).papers(code)) == "E_JOIN_USED"
    assert scene.held() == (0, tenge(5_000))


def test_codes_run_out_and_a_new_one_ends_the_old_one(scene: Scene) -> None:
    first = scene.code()
    second = scene.code()
    assert first != second
    assert code_of(lambda: scene.client().papers(first)) == "E_JOIN_EXPIRED"
    scene.world.put_forward(DAY + 1)
    assert code_of(lambda: scene.client().papers(second)) == "E_JOIN_EXPIRED"
    third = scene.code()
    scene.client().papers(third)
    scene.world.put_forward(2 * DAY)
    assert scene.complete(third) == tenge(5_000)


def test_the_same_request_of_the_desk_gives_the_same_code(scene: Scene) -> None:
    request = "the-same-request-1"
    answers = [scene.clerk.do("bank", "recovery-code", request, **scene.wish()) for _ in range(2)]
    assert answers[0].get_json() == answers[1].get_json()
    other = scene.clerk.do("bank", "recovery-code", request, **scene.wish(document="another"))
    assert other.get_json()["code"] == "E_ID_REUSED"


def test_wrong_signatures_move_nothing(scene: Scene) -> None:
    code, public = scene.code(), scene.new.signer.public
    offered = scene.client().papers(code)
    messages = [
        bytes.fromhex(row["message"])
        for row in scene.new.gateway.post(  # type: ignore[index,call-overload]
            f"/v1/recoveries/{scene.bank_id}/papers", canonical.encode([code, public.algorithm, public.raw])
        )["papers"]
    ]
    good = [scene.new.signer.sign(message) for message in messages]
    thiefs = [scene.phone.signer.sign(message) for message in messages]
    for bad in ([], good[:1], thiefs, good[::-1], [good[0], thiefs[1]], [bytes(64)] * len(good)):
        body = canonical.encode([code, public.algorithm, public.raw, bad])
        path = f"/v1/recoveries/{scene.bank_id}/complete"
        assert code_of(lambda path=path, body=body: scene.new.gateway.post(path, body)) == "E_SIG"
    for body in (b"", b"\x90", canonical.encode([code]), canonical.encode([code, 9, b"", []]), bytes(40_000)):
        assert code_of(lambda path=path, body=body: scene.new.gateway.post(path, body)).startswith("E_")
    assert scene.held() == (tenge(5_000), 0)
    assert scene.client().complete(code, offered)[0] == tenge(5_000)


def test_money_that_comes_meanwhile_needs_new_papers(scene: Scene) -> None:
    scene.dana.fund(50)
    code = scene.code()
    old = scene.client().papers(code)
    scene.dana.pay(scene.phone.kid, 20)
    assert code_of(lambda: scene.client().complete(code, old)) == "E_SIG"
    assert scene.complete(code) == tenge(5_020)


def test_a_client_signs_nothing_for_another_key(scene: Scene) -> None:
    code = scene.code()
    client, offered = scene.client(), scene.client().papers(code)
    other = SoftwareKey(ED25519, derived("other")).public
    register, recover = offered.papers
    assert isinstance(register, RegisterKey)
    assert isinstance(recover, Recover)
    bent: list[Offered] = [
        offered._replace(papers=(replace(register, public_key=other.raw), recover)),
        offered._replace(papers=(register, replace(recover, new=other.kid))),
        offered._replace(lost=scene.dana.kid),
    ]
    tokens = tuple(replace(token, lock=KeyLock(other.kid)) for token in recover.outputs)
    bent.append(offered._replace(papers=(register, replace(recover, outputs=tokens))))
    for one in bent:
        with pytest.raises(Unavailable, match="E_PEER_ANSWER"):
            client.complete(code, one)
    assert scene.held() == (tenge(5_000), 0)


def test_with_a_waiting_time_it_is_too_early_until_the_clock_is_put_forward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = (*recovery_desks.RULES, Rule("wait", "recovery_wait", 3 * DAY))
    monkeypatch.setattr(recovery_desks, "RULES", waits)
    with opened() as whole:
        scene = Scene(whole)
        base = whole.world.real_clock
        assert isinstance(base, ManualClock)
        code = scene.code()
        base.advance(3_600)
        offered = scene.client().papers(code)
        assert offered.ready == whole.world.clock.now() + 3 * DAY
        assert code_of(lambda: scene.client().complete(code, offered)) == "E_RECOVERY_WAIT"
        assert scene.held() == (tenge(5_000), 0)
        whole.world.put_forward(3 * DAY)
        assert scene.client().complete(code, offered)[0] == tenge(5_000)
