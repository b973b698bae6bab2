"""The whole life of wallets outside the server, in Python: join, buy, pay by number and by link, offline, home again.

Once in this process over a line that loses answers, once over a real socket, and once with a sandbox that is closed and
opened again in the middle.
"""

from collections.abc import Callable
from pathlib import Path

from cbdc.aliases import normal
from cbdc.http.client import SocketTransport, Transport, WsgiTransport
from cbdc.ledger.audit import audit
from cbdc.money import tenge
from cbdc.ports import ManualClock
from cbdc.request_board import OPEN, PAID
from offline.evidence import verify_evidence
from offline.records import TIER_SW
from tests.site.phone import LosesFirstAnswers, Phone
from tests.site.visitor import opened
from wallets.desk import derived
from wallets.site.opening import customer_id
from wallets.site.serving import running
from wallets.site.whole import Whole

NUMBER = "+7 701 000 11 22"


def code_for(whole: Whole, user_id: str, name: str = "") -> str:
    """A join code, as a clerk hands it out."""
    user = whole.world.users.get(user_id)
    return whole.world.joining[user.bank_id].issue(derived("story code", user_id, name), customer_id(user))


def live_online(payer: Phone, payee: Phone) -> None:
    """Buy, pay by phone number, pay by link; both read what happened."""
    payer.fund(8_000)
    payee.account.claim_alias(NUMBER)
    found = payer.account.look_up(derived("story lookup"), normal(NUMBER))
    assert found == payee.kid
    payer.pay(found, 1_000, "by number")
    link = payee.account.ask_for(derived("story request"), tenge(500), "Түскі ас", 0).request.record.id
    shown = payer.account.request(link)
    assert (shown.state, shown.request.record.memo) == (OPEN, "Түскі ас")
    receipt = payer.pay(shown.request.record.payee, 500, "by link")
    assert payer.account.mark_paid(link, receipt.transaction_id).state == PAID
    assert [one.transaction_id for one in payee.account.requests()] == [receipt.transaction_id]
    page = payee.account.entries(1)
    assert page.next == page.size
    assert receipt.index in [entry.index for entry in page.entries]
    payee.refresh()
    assert (payer.wallet.balance_tiyn(), payee.wallet.balance_tiyn()) == (tenge(6_500), tenge(1_500))
    limits = payer.account.limits()
    assert (limits.holding_tiyn, limits.paid_today_tiyn, limits.frozen) == (tenge(6_500), tenge(1_500), "")


def live_offline(payer: Phone, payee: Phone) -> None:
    """Load, pay with no network, and have both devices answered; the payee's money goes home."""
    for phone in (payer, payee):
        # Whoever makes a key at home gets the lowest tier, whatever its element says of itself.
        assert phone.enrol().certificate.record.tier == TIER_SW
    payer.take_offline(2_000)
    payer.hand_over(payee, 700, b"bread")
    payee.sync(b"evening")
    payer.sync(b"evening")
    payee.go_home(b"night")


def joined(whole: Whole, line: Transport, user_id: str) -> Phone:
    """A demo user's wallet that has joined its bank account."""
    phone = Phone(line, whole.world.users.get(user_id).bank_id, user_id, whole.world.clock)
    phone.join(code_for(whole, user_id))
    return phone


def two_phones(whole: Whole, line: Transport) -> tuple[Phone, Phone]:
    """Two people with wallets."""
    return joined(whole, line, "aigerim"), joined(whole, line, "dana")


def check_ends(whole: Whole, payer: Phone, payee: Phone) -> None:
    """After all notes have closed: who has what, nobody is accused, and the ledger adds up."""
    whole.world.sandbox.close_cases()
    for phone in (payer, payee):
        phone.refresh()
    left = payer.own_device().balance_tiyn(whole.world.clock.now())
    assert left + payer.wallet.balance_tiyn() == tenge(5_800)
    assert payee.wallet.balance_tiyn() == tenge(2_200)
    assert payee.own_device().balance_tiyn(whole.world.clock.now()) == 0
    assert payee.desk.evidence(payer.own_device().status(whole.world.clock.now()).kid) == []
    system = whole.world.system
    found = audit(system.stores.ledger)
    assert found.problems == []
    assert found.outstanding_tiyn == system.ledger.supply().outstanding_tiyn


def test_a_whole_life_on_a_line_that_loses_answers() -> None:
    with opened() as whole:
        line = LosesFirstAnswers(WsgiTransport(whole))
        payer, payee = two_phones(whole, line)
        live_online(payer, payee)
        live_offline(payer, payee)
        check_ends(whole, payer, payee)
        assert line.repeated > 15


def test_a_whole_life_over_a_socket() -> None:
    with opened() as whole, running(whole, "127.0.0.1", 0) as port:
        payer, payee = two_phones(whole, SocketTransport(f"http://127.0.0.1:{port}"))
        live_online(payer, payee)
        live_offline(payer, payee)
        check_ends(whole, payer, payee)


def test_devices_of_outside_wallets_live_through_restarts(tmp_path: Path) -> None:
    """The server is closed and opened again between every two steps; the wallets keep what they have."""
    folder = tmp_path / "site"
    with opened(folder=folder) as whole:
        payer, payee = two_phones(whole, WsgiTransport(whole))
        live_online(payer, payee)
        for phone in (payer, payee):
            phone.enrol()
    steps: list[Callable[[], None]] = [
        lambda: payer.take_offline(2_000),
        lambda: payer.hand_over(payee, 700, b"bread"),
        lambda: payee.sync(b"evening"),
        lambda: payer.sync(b"evening"),
        lambda: payee.go_home(b"night"),
    ]
    for step in steps:
        with opened(folder=folder) as whole:
            for phone in (payer, payee):
                phone.connect(WsgiTransport(whole), whole.world.clock)
            step()
    with opened(folder=folder) as whole:
        for phone in (payer, payee):
            phone.connect(WsgiTransport(whole), whole.world.clock)
        check_ends(whole, payer, payee)


def test_a_copied_outside_device_is_caught_and_its_owner_is_known_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    with opened(folder=folder) as whole:
        line = WsgiTransport(whole)
        payer, baker, dairy = phones = [joined(whole, line, name) for name in ("aigerim", "dana", "bolat")]
        payer.fund(8_000)
        for phone in phones:
            phone.enrol()
        payer.take_offline(2_000)
        copy = payer.copied_device()
        payer.hand_over(baker, 700, b"bread")
        payer.device, genuine = copy, payer.device
        payer.hand_over(dairy, 600, b"milk")
        payer.device = genuine
        kid = payer.own_device().status(whole.world.clock.now()).kid
        baker.sync(b"evening")
        assert baker.desk.evidence(kid) == []
        dairy.sync(b"evening")
        proofs = [
            verify_evidence(data, whole.world.system.authority.root) for data in baker.desk.evidence(kid)
        ]
        assert {proof.kid for proof in proofs} == {kid}
        for phone in (baker, dairy):
            phone.go_home(b"night")
    with opened(folder=folder) as whole:
        for phone in phones:
            phone.connect(WsgiTransport(whole), whole.world.clock)
        assert [(one.kid, one.revoked) for one in payer.losses.devices()] == [(kid, True)]
        whole.world.sandbox.close_cases()
        base = whole.world.real_clock
        assert isinstance(base, ManualClock)
        base.advance(60 * 86_400)
        case = whole.world.sandbox.close_cases()
        for phone in (baker, dairy):
            phone.refresh()
        assert baker.wallet.balance_tiyn() + dairy.wallet.balance_tiyn() == tenge(1_300)
        assert case.double_spends == 1
        assert {row["named"] for row in case.evidence} == {kid.hex()}
        # Both payees took it in good faith and are paid, so what was paid twice is lost, once, and borne once.
        assert sum(case.borne.values()) == case.loss_tiyn > 0
