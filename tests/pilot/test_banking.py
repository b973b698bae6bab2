"""The banking verbs: small scripts, each rule refusing what it is for, and accepting it when it is left out."""

from pathlib import Path
from typing import Any

import pytest

from tests.pilot.play import expect, step
from wallets.pilot import runner

HEAD = """
[pilot]
name = "tiny"
title = "A tiny pilot"
start = "2027-03-15"
days = "calendar"

[[bank]]
name = "one"
reserve = "tenge(1000000)"
[[bank]]
name = "two"
reserve = "tenge(1000000)"

[[cast]]
name = "person"
count = 2
category = "person"
bank = "one"
deposit = "tenge(10000)"
device = 1
device_tier = "SE"
[[cast]]
name = "shop"
count = 1
category = "merchant"
bank = "two"
tier = 4
deposit = "tenge(1000)"
[[cast]]
name = "judge"
count = 1
category = "person"
bank = "two"
"""

SETUP = (
    step("order", 0, "09:00", bank="one", amount="tenge(50000)"),
    step("order", 0, "09:05", bank="two", amount="tenge(50000)"),
    step("buy", 0, "10:00", who="person", amount="tenge(2000)"),
)


def rule(name: str, kind: str, **fields: object) -> str:
    """A rule of the section, as TOML."""
    lines = ["[[policy.rule]]", f'name = "{name}"', f'kind = "{kind}"']
    lines += [
        f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"'
        for key, value in fields.items()
    ]
    return "\n".join(lines)


def play(folder: Path, rules: list[str], *steps: str, off: str = "") -> runner.Finished:
    """Play a script with these rules and steps."""
    file = folder / "tiny.toml"
    policy = '[policy]\npreset = "sandbox"'
    file.write_text("\n".join([HEAD, policy, *rules, *SETUP, *steps]), encoding="utf-8")
    return runner.run(str(file), folder / f"run {off}", 7, off=[off] if off else [])


def both(folder: Path, rules: list[str], path: str, *steps: str) -> runner.Finished:
    """Play with every rule, and without the one at `path`; both must end as the script says. The first run."""
    whole = play(folder, rules, *steps)
    assert whole.ok, bad(whole)
    without = play(folder, rules, *steps, off=path)
    # Expectations of the whole script need not hold without the rule; every step must.
    assert [row for row in bad(without) if row["fact"].startswith("step ")] == []
    return whole


def bad(finished: runner.Finished) -> list[dict[str, Any]]:
    return [row for row in finished.report["expectations"] if not row["ok"]]


def test_purchases_have_a_days_limit(tmp_path: Path) -> None:
    both(
        tmp_path,
        [rule("brake", "purchase_day", tier=2, value="tenge(500)")],
        "policy.brake",
        step("bank_buy", who="person", amount="tenge(300)"),
        step(
            "bank_buy",
            at="11:00",
            who="person",
            amount="tenge(201)",
            refused="E_PURCHASE_LIMIT",
            rule="policy.brake",
        ),
        step("bank_buy", 2, who="person", amount="tenge(500)"),
        expect("deposits.person_tiyn", "2 * tenge(10000 - 2000 - 800)"),
        expect("bank.one.deposits_tiyn", "2 * tenge(7200)"),
    )


def test_waterfall_and_reverse_waterfall(tmp_path: Path) -> None:
    finished = both(
        tmp_path,
        [
            rule("holding", "holding", tier=2, value="tenge(2500)"),
            rule("waterfall", "waterfall", tier=4),
            rule("zero", "zero_holding", tier=4),
            rule("down", "waterfall", tier=2),
            rule("up", "reverse_waterfall", tier=2),
        ],
        "policy.zero",
        step("policy_pay", who="person", when="i == 0", to="person", to_member=1, amount="tenge(700)"),
        step("policy_pay", at="11:00", who="person", when="i == 0", to="shop", amount="tenge(2000)"),
        step("sweep", 1, "20:00", who="shop"),
        # The payee had 2,000 and may hold 2,500: 500 stay, 200 go on; the payer lacked 700.
        expect("wallets.person_tiyn", "tenge(2500)"),
        expect("deposits.person_tiyn", "tenge(10000 - 2000 - 700) + tenge(10000 - 2000 + 200)"),
        expect("wallets.shop_tiyn", 0),
        expect("deposits.shop_tiyn", "tenge(3000)"),
    )
    assert finished.report["parts"]["policy"]["preset"] == "Sandbox defaults"


@pytest.mark.parametrize("left_out", ["policy.holding", "policy.down"])
def test_the_ledger_refuses_what_no_waterfall_takes(tmp_path: Path, left_out: str) -> None:
    rules = [rule("holding", "holding", tier=2, value="tenge(2500)"), rule("down", "waterfall", tier=2)]
    steps = [step("policy_pay", who="person", when="i == 0", to="person", to_member=1, amount="tenge(700)")]
    assert play(tmp_path, rules, *steps).ok
    finished = play(tmp_path, rules, *steps, off=left_out)
    assert finished.ok is (left_out == "policy.holding")


def test_the_settlement_system_rests_at_the_weekend(tmp_path: Path) -> None:
    whole = both(
        tmp_path,
        [rule("hours", "settlement_hours")],
        "policy.hours",
        step("settle_order", 6, bank="one", amount="tenge(100)"),
        step(
            "settle_order",
            6,
            "10:05",
            bank="one",
            amount="tenge(100)",
            wait=0,
            refused="E_SETTLEMENT_CLOSED",
            rule="policy.hours",
        ),
        step("settle_redeem", 6, "10:10", bank="two", amount="tenge(40)"),
        step("settle_transfer", 6, "11:00", who="person", to="shop", amount="tenge(10)"),
        step("pay", 6, "12:00", who="person", to="shop", amount="tenge(5)"),
        # Monday to Tuesday of the second week are Nauryz; the first step after the opening finds all done.
        step("pay", 10, "12:00", who="person", to="shop", amount="tenge(5)"),
        expect("policy.waiting", 0),
        expect("deposits.shop_tiyn", "tenge(1000 + 20)"),
        expect("bank.one.inventory_tiyn", "tenge(50000 - 4000 + 100)"),
        expect("bank.two.inventory_tiyn", "tenge(50000 - 40)"),
        expect("bank.two.reserves_tiyn", "tenge(1000000 + 1000 - 50000 + 40 + 20)"),
    )
    notes = [event["note"] for event in whole.report["events"] if "wait" in event.get("note", "")]
    assert len(notes) == 3


def test_a_failed_banks_wallets_are_handed_over(tmp_path: Path) -> None:
    finished = play(
        tmp_path,
        [],
        step("bank_fails", bank="one"),
        step("buy", 1, "11:00", who="person", amount="tenge(5)", refused="E_BANK_FAILED"),
        step("bank_buy", 1, "11:30", who="person", amount="tenge(5)", refused="E_BANK_FAILED"),
        step("pay", 1, "12:00", who="person", to="shop", amount="tenge(5)"),
        step("hand_over", 2, who="person", bank="two"),
        step("sell", 2, "11:00", who="person", when="i == 0"),
        expect("deposits.person_tiyn", "tenge(2000 - 5)"),
        expect("bank.one.deposits_tiyn", "2 * tenge(8000)"),
    )
    assert finished.ok, bad(finished)


RECOVERY = [
    rule("freeze", "theft_freeze"),
    rule("revoke", "device_revocation"),
    rule("identity", "recovery_identity"),
    rule("wait", "recovery_wait", value=2 * 86_400),
]


@pytest.mark.parametrize("off", ["policy.freeze", "policy.identity", "policy.wait"])
def test_a_stolen_phone_is_frozen_and_its_wallet_restored(tmp_path: Path, off: str) -> None:
    steps = {
        "policy.freeze": step(
            "thief_pays",
            1,
            "11:00",
            who="person",
            to="shop",
            amount="tenge(5)",
            refused="E_FROZEN",
            rule="policy.freeze",
        ),
        "policy.identity": step(
            "ask_recovery",
            1,
            "11:10",
            who="person",
            document=0,
            refused="E_RECOVERY_IDENTITY",
            rule="policy.identity",
        ),
        "policy.wait": step("recover", 2, who="person", refused="E_RECOVERY_WAIT", rule="policy.wait"),
    }
    finished = play(
        tmp_path,
        RECOVERY,
        step("thief_pays", 1, "09:00", who="person", to="shop", amount="tenge(100)"),
        step("report_stolen", 1, "10:00", who="person"),
        *steps.values(),
        step("ask_recovery", 1, "12:00", who="person"),
        step("recover", 4, who="person"),
        step("thief_pays", 4, "11:00", who="person", to="shop", amount="tenge(5)", refused="E_FUNDS"),
        step("pay", 4, "12:00", who="person", when="i == 0", to="shop", amount="tenge(400)"),
        step("pay", 4, "13:00", who="shop", to="person", amount="tenge(1)"),
        expect("wallets.person_tiyn", "tenge(2000 - 100 - 400 + 1 + 2000)"),
        expect("wallets.shop_tiyn", "tenge(499)"),
    )
    assert finished.ok, bad(finished)
    without = play(tmp_path, RECOVERY, steps[off], off=off) if off != "policy.wait" else None
    if without is not None:
        assert without.ok


def test_phone_numbers(tmp_path: Path) -> None:
    both(
        tmp_path,
        [rule("lookups", "alias_lookups", value=2)],
        "policy.lookups",
        step("alias_claim", who="person", number="77010000000 + i"),
        step("alias_claim", 1, "10:10", who="judge", number="77010000000", refused="E_ALIAS_TAKEN"),
        step("alias_pay", 1, "11:00", who="person", when="i == 0", number="77010000001", amount="tenge(50)"),
        step(
            "alias_pay",
            1,
            "11:10",
            who="person",
            when="i == 0",
            number="77019999999",
            amount="tenge(50)",
            refused="E_ALIAS_UNKNOWN",
        ),
        step(
            "alias_pay",
            1,
            "11:20",
            who="person",
            when="i == 0",
            number="77010000001",
            amount="tenge(1)",
            refused="E_ALIAS_RATE",
            rule="policy.lookups",
        ),
        step("alias_move", 1, "12:00", who="person", when="i == 1", number="77010000001", to="judge"),
        step("alias_pay", 2, "11:00", who="person", number="77010000001", amount="tenge(7)"),
        step("alias_drop", 2, "12:00", who="judge", number="77010000001"),
        step(
            "alias_pay",
            2,
            "13:00",
            who="person",
            when="i == 1",
            number="77010000001",
            amount="tenge(1)",
            refused="E_ALIAS_UNKNOWN",
        ),
        expect("wallets.judge_tiyn", "tenge(14)"),
        expect("wallets.person_tiyn", "tenge(4000 - 14)"),
    )


@pytest.mark.parametrize("off", ["policy.once", "policy.expiry"])
def test_requests_are_paid_once_and_in_time(tmp_path: Path, off: str) -> None:
    both(
        tmp_path,
        [rule("once", "request_once"), rule("expiry", "request_expiry")],
        off,
        *(
            step("request", 1, f"10:0{n}", who="person", to="shop", name=name, amount="tenge(20)", hours=2)
            for n, name in enumerate(("bill-1", "bill-2", "bill-3"))
        ),
        step("accept", 1, "10:10", who="person", name="bill-1"),
        step("accept", 1, "10:20", who="person", name="bill-1", refused="E_REQUEST_PAID", rule="policy.once"),
        step("decline", 1, "10:30", who="person", name="bill-2"),
        step("accept", 1, "10:40", who="person", name="bill-2", refused="E_REQUEST_DECLINED"),
        step(
            "accept",
            1,
            "13:00",
            who="person",
            name="bill-3",
            refused="E_REQUEST_EXPIRED",
            rule="policy.expiry",
        ),
        expect("wallets.shop_tiyn", "tenge(40)"),
    )


RENT: dict[str, Any] = {"who": "person", "name": "rent"}


@pytest.mark.parametrize("off", ["policy.payment", "policy.period", "policy.window"])
def test_mandates_keep_their_limits(tmp_path: Path, off: str) -> None:
    both(
        tmp_path,
        [
            rule("payment", "mandate_payment"),
            rule("period", "mandate_period"),
            rule("window", "mandate_window"),
        ],
        off,
        step(
            "mandate",
            who="person",
            to="shop",
            name="rent",
            payment_limit="tenge(300)",
            period_limit="tenge(500)",
            payments=2,
            period_days=7,
            from_day=1,
            until_day=14,
        ),
        step("collect", 1, "11:00", who="person", name="rent", amount="tenge(300)"),
        step(
            "collect",
            1,
            "11:20",
            amount="tenge(201)",
            **RENT,
            refused="E_MANDATE_PERIOD",
            rule="policy.period",
        ),
        step("collect", 1, "11:30", amount="tenge(1)", **RENT, to="judge", refused="E_MANDATE_PAYEE"),
        step(
            "collect",
            8,
            "11:10",
            amount="tenge(301)",
            **RENT,
            refused="E_MANDATE_PAYMENT",
            rule="policy.payment",
        ),
        step(
            "collect", 15, "11:00", amount="tenge(1)", **RENT, refused="E_MANDATE_OVER", rule="policy.window"
        ),
        expect("wallets.shop_tiyn", "2 * tenge(300)"),
        expect("deposits.person_tiyn", "2 * tenge(8000 - 300)"),
    )


def test_a_revoked_mandate_collects_nothing(tmp_path: Path) -> None:
    finished = play(
        tmp_path,
        [rule("window", "mandate_window")],
        step(
            "mandate",
            who="person",
            to="shop",
            name="rent",
            payment_limit="tenge(300)",
            period_limit="tenge(500)",
            period_days=7,
            from_day=1,
            until_day=14,
        ),
        step("mandate_revoke", 1, "11:00", who="person", name="rent"),
        step("collect", 1, "12:00", who="person", name="rent", amount="tenge(1)", refused="E_MANDATE_OVER"),
    )
    assert finished.ok, bad(finished)


@pytest.mark.parametrize("off", ["policy.sum", "policy.payer"])
def test_refunds_are_bound_to_their_payment(tmp_path: Path, off: str) -> None:
    both(
        tmp_path,
        [rule("sum", "refund_sum"), rule("payer", "refund_payer")],
        off,
        step("policy_pay", who="person", to="shop", name="coat", amount="tenge(500)"),
        step("refund", 1, "11:00", who="person", name="coat", amount="tenge(200)"),
        step(
            "refund",
            1,
            "11:10",
            who="person",
            when="i == 0",
            name="coat",
            amount="tenge(301)",
            refused="E_REFUND_SUM",
            rule="policy.sum",
        ),
        step(
            "refund",
            1,
            "11:20",
            who="person",
            when="i == 1",
            name="coat",
            to="judge",
            amount="tenge(10)",
            refused="E_REFUND_PAYEE",
            rule="policy.payer",
        ),
        step("refund", 1, "11:30", who="person", name="hat", amount="tenge(1)", refused="E_REFUND_ORIGINAL"),
        expect("wallets.shop_tiyn", "2 * tenge(300)"),
    )


def test_locks_split_payments_and_an_arbiter(tmp_path: Path) -> None:
    finished = play(
        tmp_path,
        [],
        step("lock", who="person", to="shop", name="goods", amount="tenge(100)", hours=2),
        step("claim", 1, "10:30", who="person", to="shop", name="goods", secret=0, refused="E_LOCKED"),
        step("claim", 1, "11:00", who="person", when="i == 0", to="shop", name="goods"),
        step("take_back", 1, "11:10", who="person", when="i == 1", name="goods", refused="E_LOCKED"),
        step("take_back", 1, "13:00", who="person", when="i == 1", name="goods"),
        step("lock", 2, "10:00", who="person", to="shop", arbiter="judge", name="deal", amount="tenge(60)"),
        step(
            "share_out",
            2,
            "11:00",
            who="person",
            to="shop",
            name="deal",
            share="tenge(40)",
            refused="E_QUORUM",
        ),
        step(
            "share_out",
            2,
            "12:00",
            who="person",
            when="i == 0",
            to="shop",
            name="deal",
            signed_by="judge",
            share="tenge(40)",
        ),
        step("split_pay", 3, "10:00", who="person", when="i == 1", to="person", amount=101),
        expect("policy.locked_tiyn", "tenge(60)"),
        expect("wallets.shop_tiyn", "tenge(140)"),
        expect("wallets.person_tiyn", "tenge(4000 - 100 - 40 - 60)"),
    )
    assert finished.ok, bad(finished)
