"""Every verb of a script: what it does, what it refuses, that playing it again changes nothing, and that a step with
anything at all in its arguments is refused and never breaks."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cbdc.errors import Malformed, TengeError, Unavailable
from cbdc.money import tenge
from cbdc.ports import ManualClock, no_checkpoint
from tests.pilot.play import parsed, step
from wallets.pilot import setting
from wallets.pilot.folder import RunFolder
from wallets.pilot.perform import VERBS, check, perform
from wallets.pilot.play import Outcome, Play
from wallets.pilot.runner import plan_of
from wallets.pilot.script import Step
from wallets.pilot.verbs import MAX_NOTES, MAX_TIMES
from wallets.sandbox import Sandbox

CAST = """
[[bank]]
name = "other"
reserve = 0

[budget]
bank = "bank"
deposit = "tenge(50000)"

[[cast]]
name = "shop"
count = 2
category = "merchant"
bank = "bank"
tier = 4
device = "i == 0"

[[cast]]
name = "pupil"
count = 3
category = "pupil"
bank = "bank"
device = 1
device_tier = "SE"
consent = "i < 2"

[[cast]]
name = "canteen"
count = 1
category = "canteen"
bank = "bank"
tier = 4
device = 1

[[mark]]
name = "meal"
purpose = 7
max_hops = 2
release = ["canteen"]
converts_on_redeem = 1

[[mark.rule]]
name = "chain"
kind = "pays"
edges = [["treasury_account", ["pupil"]], ["pupil", ["canteen"]]]

[[mark.rule]]
name = "term"
kind = "until"
last_day = 5

[[mark.rule]]
name = "served"
kind = "evidence"
"""


class Stage:
    """A play of the tiny script with a cast, and steps done by hand, each with a number of its own."""

    def __init__(self, folder: Path) -> None:
        self.script = parsed(CAST, people="3")
        self.clock = ManualClock(self.script.moment_of(0, "00:00"))
        plan = plan_of(self.script, {"seed": 7, "store": ""}, self.clock)
        self.sandbox = Sandbox.open(plan)
        setting.set_up(self.script, self.sandbox)
        self.folder = RunFolder(folder, no_checkpoint)
        self.play = Play(self.script, self.sandbox, self.folder)
        self._numbers = itertools.count()
        self.do("order", bank="bank", amount="tenge(100000)")

    def step(self, verb: str, day: int = 1, refused: str = "", **arguments: Any) -> Step:
        return Step(next(self._numbers), day, "10:00", verb, arguments, refused, "a step")

    def do(self, verb: str, day: int = 1, **arguments: Any) -> Outcome:
        """Play a step, and play it again: the answer is the same."""
        one = self.step(verb, day, **arguments)
        self.clock.move_to(max(self.clock.now(), self.script.moment_of(day, "10:00")))
        outcome = perform(self.play, one)
        state = self.state()
        again = perform(self.play, one)
        assert (codes(again), again.amount_tiyn) == (codes(outcome), outcome.amount_tiyn)
        assert self.state() == state
        return outcome

    def state(self) -> object:
        members = self.sandbox.members()
        return (
            self.sandbox.supply(),
            [(m.wallet.total_tiyn(), self.sandbox.deposit_tiyn(m)) for m in members],
            [m.device.balance_tiyn(self.clock.now()) for m in members if m.device],
        )

    def free(self, group: str) -> list[int]:
        return [member.wallet.balance_tiyn() for member in self.sandbox.group(group)]

    def marked(self, group: str) -> list[int]:
        mark = self.sandbox.marks["meal"]
        return [member.wallet.balance_tiyn(mark) for member in self.sandbox.group(group)]

    def close(self) -> None:
        self.sandbox.close()
        self.folder.close()


def codes(outcome: Outcome) -> list[str]:
    return ["" if error is None else error.code for error in outcome.results]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


# --- what each verb does ---


def test_order(stage: Stage) -> None:
    issued = stage.sandbox.supply().issued_tiyn
    assert stage.do("order", bank="bank", amount=500).amount_tiyn == 500
    assert stage.sandbox.supply().issued_tiyn == issued + 500
    assert codes(stage.do("order", bank="other", amount=500)) == ["E_FUNDS_ACCOUNT"]


def test_budget_buys(stage: Stage) -> None:
    assert codes(stage.do("budget_buys", bank="bank", amount="tenge(300)")) == [""]
    assert stage.sandbox.supply().treasury_tiyn == tenge(300)
    assert codes(stage.do("budget_buys", bank="bank", amount="tenge(60000)")) == ["E_FUNDS_ACCOUNT"]


def test_vouchers_need_consent_and_money(stage: Stage) -> None:
    stage.do("budget_buys", bank="bank", amount="tenge(300)")
    outcome = stage.do("voucher", mark="meal", to="pupil", amount="tenge(100) * (i + 1)")
    assert (codes(outcome), outcome.amount_tiyn) == (["", "", "E_CONSENT"], tenge(300))
    assert stage.marked("pupil") == [tenge(100), tenge(200), 0]
    assert codes(stage.do("voucher", mark="meal", to="shop", amount=100)) == ["E_TILL"]


def test_buy(stage: Stage) -> None:
    outcome = stage.do("buy", who="person", when="i != 1", amount="tenge(10) + i")
    assert (codes(outcome), outcome.amount_tiyn) == (["", ""], tenge(20) + 2)
    assert stage.free("person") == [tenge(10), 0, tenge(10) + 2]
    assert codes(stage.do("buy", who="person", amount="tenge(9995) if i == 1 else tenge(10001)")) == [
        "E_FUNDS_ACCOUNT",
        "",
        "E_FUNDS_ACCOUNT",
    ]


def test_pay(stage: Stage) -> None:
    stage.do("buy", who="person", amount="tenge(10)")
    outcome = stage.do("pay", who="person", to="shop", to_member="i % 2", amount="tenge(4 * i)")
    assert (codes(outcome), outcome.amount_tiyn) == (["", ""], tenge(12))
    assert stage.free("person") == [tenge(10), tenge(6), tenge(2)]
    assert stage.free("shop") == [tenge(8), tenge(4)]
    assert codes(stage.do("pay", who="person", to="shop", amount="tenge(7)")) == ["", "E_FUNDS", "E_FUNDS"]
    stage.do("pay", who="shop", to="treasury", amount="tenge(1)")
    assert stage.sandbox.supply().treasury_tiyn == tenge(2)


def test_merge(stage: Stage) -> None:
    for _ in range(3):
        stage.do("buy", who="person", when="i < 2", amount=100)
    assert codes(stage.do("merge", who="person", when="i == 0")) == [""]
    assert [len(member.wallet.tokens()) for member in stage.sandbox.group("person")] == [1, 3, 0]
    assert stage.free("person") == [300, 300, 0]


def test_load_and_pay_offline(stage: Stage) -> None:
    stage.do("buy", who="person", amount=1_000)
    outcome = stage.do("load", who="person", notes="i + 1", amount=300)
    assert (codes(outcome), outcome.amount_tiyn) == (["", "", ""], 1_800)
    assert codes(stage.do("load", who="person", amount=800)) == ["E_FUNDS"] * 3
    assert codes(stage.do("load", who="person", notes=0, amount=1)) == ["E_COUNT"] * 3
    paid = stage.do("pay_offline", who="person", when="i == 2", to="shop", amount=300, times=3)
    assert (codes(paid), paid.amount_tiyn, paid.offline_payments, paid.hops) == ([""] * 3, 900, 3, 1)
    assert codes(stage.do("pay_offline", who="person", when="i == 2", to="shop", amount=300)) == ["E_COINS"]
    assert stage.do("pay_offline", who="person", to="shop", amount=300, times=0).results == []
    passed = stage.do("pay_offline", who="shop", to="person", to_member="1", amount=300)
    assert (codes(passed), passed.hops) == (["", "E_NO_DEVICE"], 2)
    assert codes(
        stage.do("pay_offline", who="person", when="i == 0", to="shop", to_member=1, amount=300)
    ) == ["E_NO_DEVICE"]
    assert codes(stage.do("load", who="shop", amount=1)) == ["E_FUNDS", "E_NO_DEVICE"]


def test_a_clone_is_found_and_paid_for(stage: Stage) -> None:
    stage.do("buy", who="person", amount=1_000)
    stage.do("load", who="person", notes=1, amount=600)
    assert codes(stage.do("pay_offline", who="person", when="i == 0", clone=1, to="shop", amount=600)) == [
        "E_NO_DEVICE"
    ]
    stage.do("clone", who="person", member=0)
    for clone in (0, 1):
        stage.do("pay_offline", who="person", when="i == 0", clone=clone, to="shop", amount=600)
    assert codes(stage.do("sync", who="shop")) == [""]
    found = stage.do("reconcile")
    assert found.amount_tiyn == 600
    assert found.note.startswith("1 double spend; the proof names the device of person-0")
    assert codes(stage.do("redeem_offline", who="shop")) == ["", "E_NO_DEVICE"]
    assert stage.free("shop") == [1_200, 0]
    stage.do("close_cases", day=120)
    assert stage.free("person") == [0, 1_000, 1_000]
    assert codes(stage.do("clone", who="shop", member=1, day=120)) == ["E_NO_DEVICE"]


def test_release_wants_what_the_register_saw(stage: Stage) -> None:
    stage.do("budget_buys", bank="bank", amount=900)
    stage.do("voucher", mark="meal", to="pupil", amount=450)
    stage.do("pay", who="pupil", when="i == 0", to="canteen", amount=300, mark="meal")
    assert stage.folder.served_tiyn("canteen-0") == 300
    assert codes(stage.do("release", who="canteen", mark="meal", statements=0)) == ["E_MARK_EVIDENCE"]
    assert codes(stage.do("release", who="canteen", mark="meal")) == [""]
    assert (stage.free("canteen"), stage.marked("canteen")) == ([300], [0])
    assert codes(stage.do("release", who="pupil", mark="meal")) == ["E_REGISTER", "E_REGISTER", ""]
    assert codes(stage.do("pay", who="pupil", when="i == 1", to="shop", amount=1, mark="meal")) == [
        "E_MARK_EDGE"
    ]
    assert codes(stage.do("sell", who="pupil", when="i == 1", mark="meal")) == ["E_MARK_BLOCKS"]
    assert stage.do("expire", day=9, who="pupil", mark="meal").amount_tiyn == 600
    assert stage.marked("pupil") == [0, 0, 0]
    assert stage.sandbox.supply().treasury_tiyn == 600


def test_expire_before_the_last_day(stage: Stage) -> None:
    stage.do("budget_buys", bank="bank", amount=900)
    stage.do("voucher", mark="meal", to="pupil", amount=450)
    assert codes(stage.do("expire", who="pupil", mark="meal")) == ["E_MARK_NOT_OVER"]


def test_sell_and_redeem(stage: Stage) -> None:
    stage.do("buy", who="person", amount=1_000)
    assert stage.do("sell", who="person", when="i < 2").amount_tiyn == 2_000
    assert stage.free("person") == [0, 0, 1_000]
    assert stage.do("redeem", bank="bank").amount_tiyn == tenge(100_000) - 1_000
    assert stage.sandbox.supply().bank_inventory_tiyn == 0
    assert stage.do("redeem", bank="other").amount_tiyn == 0


# --- what no step may say ---


@pytest.mark.parametrize(
    ("verb", "arguments", "problem"),
    [
        ("dance", {}, "there is no verb dance; there are accept"),
        ("order", {"amount": 1}, "bank is missing"),
        ("order", {"bank": 7, "amount": 1}, "bank must be a text"),
        ("order", {"bank": "bank"}, "amount is missing"),
        ("order", {"bank": "bank", "amount": 1, "colour": 2}, "unknown: colour"),
        ("buy", {"amount": 1}, "who is missing"),
        ("buy", {"who": "robots", "amount": 1}, "there is no group robots"),
        ("buy", {"who": "person"}, "amount is missing"),
        ("pay", {"who": "person", "amount": 1}, "to is missing"),
        ("pay", {"who": "person", "to": "robots", "amount": 1}, "there is no group robots"),
        ("pay", {"who": "person", "to": "shop", "to_member": 2, "amount": 1}, "shop has no member 2"),
        ("pay", {"who": "person", "to": "shop", "to_member": "-i", "amount": 1}, "shop has no member -1"),
        ("pay", {"who": "person", "to": "shop", "amount": 1, "mark": "gold"}, "there is no mark gold"),
        ("pay", {"who": "person", "to": "shop", "amount": 1, "mark": ["meal"]}, "mark must be a text"),
        ("clone", {"who": "person", "member": 3}, "there is no member 3"),
        ("clone", {"who": "person", "member": -1}, "there is no member -1"),
        ("clone", {"who": "robots", "member": 0}, "there is no member 0"),
        ("pay_offline", {"who": "person", "to": "treasury", "amount": 1}, "the treasury takes no offline"),
        ("pay_offline", {"who": "person", "to": "shop", "amount": 1, "times": 10**6}, "times is 1000000"),
        ("pay_offline", {"who": "person", "to": "shop", "amount": 1, "times": -1}, "times is -1"),
        ("load", {"who": "person", "amount": 1, "notes": 10**9}, "notes is 1000000000"),
        ("reconcile", {"who": "person"}, "unknown: who"),
        ("close_cases", {"who": "person"}, "unknown: who"),
        ("redeem", {"bank": "bank", "amount": 1}, "unknown: amount"),
    ],
)
def test_bad_steps(stage: Stage, verb: str, arguments: dict[str, Any], problem: str) -> None:
    before = stage.state()
    with pytest.raises(Malformed) as caught:
        perform(stage.play, stage.step(verb, **arguments))
    assert caught.value.code == "E_VERB"
    assert caught.value.facts["step"] == f"{verb} on day 1"
    assert str(caught.value.facts["problem"]).startswith(problem)
    assert stage.state() == before


def test_refusals_of_a_whole_step_are_one_try(stage: Stage) -> None:
    assert codes(perform(stage.play, stage.step("order", bank="nowhere", amount=1))) == ["E_BANK_NAME"]


def test_a_refused_try_stays_refused_when_the_step_is_played_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Person 0 has nothing to pay with until person 1 has paid; the run is killed after that."""
    stage.do("buy", who="person", when="i == 1", amount=300)
    stage.do("load", who="person", when="i == 1", amount=300)
    chain = {"who": "person", "to": "person", "to_member": "(i + 2) % 3", "amount": 300}
    one = stage.step("pay_offline", **chain)
    really, tried = stage.sandbox.pay_offline, itertools.count(1)

    def killed(*arguments: Any, **named: Any) -> int:
        if next(tried) == 3:
            raise KeyboardInterrupt
        return really(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(stage.sandbox, "pay_offline", killed)
        with pytest.raises(KeyboardInterrupt):
            perform(stage.play, one)
    outcome = perform(stage.play, one)
    assert codes(outcome) == ["E_COINS", "", "E_COINS"]
    assert outcome.amount_tiyn == 300
    assert "{" not in "".join(str(error) for error in outcome.results if error)


def test_what_is_no_verdict_stops_the_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no refusal: the step is not finished, and is played again when there is room."""
    down = Unavailable("E_STORE_UNAVAILABLE", detail="the disk is full")
    one = stage.step("sync", who="person")
    with monkeypatch.context() as patch:
        patch.setattr(stage.sandbox, "sync", lambda members, id: [None, down, None])
        with pytest.raises(Unavailable):
            perform(stage.play, one)
    with monkeypatch.context() as patch:
        patch.setattr(stage.sandbox, "order", lambda *_: (_ for _ in ()).throw(down))
        with pytest.raises(Unavailable):
            perform(stage.play, stage.step("order", bank="bank", amount=1))
    assert codes(perform(stage.play, one)) == [""] * 3


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        (step("dance"), "there is no verb dance"),
        (step("buy", who="robots", amount=1), "who: there is no robots"),
        (step("pay", who="person", to="robots", amount=1), "to: there is no robots"),
        (step("pay", who="person", to="treasury", mark="gold", amount=1), "mark: there is no gold"),
        (step("redeem", bank="bunk"), "bank: there is no bunk"),
    ],
)
def test_a_script_is_checked_before_it_is_played(part: str, problem: str) -> None:
    with pytest.raises(Malformed) as caught:
        check(parsed(part))
    assert caught.value.code == "E_VERB"
    assert str(caught.value.facts["problem"]).startswith(problem)


def test_a_whole_script_passes_the_check() -> None:
    check(parsed(CAST, step("pay", who="person", to="treasury", mark="", amount=1)))


# --- whatever a stranger writes ---

_NUMBERS = st.sampled_from(
    [0, 1, -1, 300, 2**53, 2**63, True, 1.5, None, [], {}, "i", "1 // i", "-i", "x", "", "tenge(1)", "day"]
)
_TEXTS = st.sampled_from(["person", "shop", "pupil", "treasury", "bank", "meal", "", "robots", 7, None, []])
_ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("who", "to", "bank", "mark"), _TEXTS),
        **dict.fromkeys(("amount", "when", "to_member", "member", "clone", "statements"), _NUMBERS),
        "notes": _NUMBERS | st.sampled_from([MAX_NOTES, MAX_NOTES + 1]),
        "times": st.sampled_from([0, 1, 2, -1, MAX_TIMES + 1, "i", "x", None]),
        "colour": st.just(1),
    },
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("fuzz"))
    made.do("buy", who="person", amount=5_000)
    made.do("load", who="person", notes=5, amount=300)
    yield made
    made.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(verb=st.sampled_from(sorted(VERBS)), arguments=_ARGUMENTS)
def test_any_arguments(shared: Stage, verb: str, arguments: dict[str, Any]) -> None:
    """An outcome or a refusal; and whatever happened, the money adds up."""
    try:
        outcome = perform(shared.play, shared.step(verb, **arguments))
    except Malformed:
        outcome = Outcome()
    assert all(error is None or isinstance(error, TengeError) for error in outcome.results)
    supply = shared.sandbox.supply()
    assert supply.outstanding_tiyn == supply.held_tiyn
