"""The section [policy] of a script chooses who bears losses and the mode; verbs report a device and switch the mode."""

from pathlib import Path

from tests.pilot.play import expect, step
from tests.pilot.test_banking import HEAD, SETUP, bad, rule
from wallets.pilot import runner

POLICY = '[policy]\npreset = "sandbox"\nlosses = "PRO_RATA"\nmode = "staged"\n' + rule(
    "early", "offline", parameter="early_payout", value=800
)
SHOP = """
[[cast]]
name = "till"
count = 1
category = "merchant"
bank = "two"
tier = 4
deposit = "tenge(1000)"
device = 1
device_tier = "SE"
"""


def test_v15_a_script_reports_a_lost_device_switches_the_mode_and_shares_a_loss(tmp_path: Path) -> None:
    file = tmp_path / "tiny.toml"
    steps = [
        step("load", 0, "11:00", who="person", amount="tenge(1000)"),
        step("pay_offline", 1, "09:00", who="person", when="i == 0", to="till", amount="tenge(400)"),
        step("sync", 1, "12:00", who="till"),
        step("report_lost", 2, "09:00", who="person", member=1),
        step("switch_mode", 2, "10:00", mode="extended"),
        step("switch_mode", 2, "11:00", mode="for ever", refused="E_PARAMETER_SET"),
        step("sync", 3, "09:00", who="till"),
        step("report_lost", 3, "10:00", who="judge", refused="E_NO_DEVICE"),
        step("early_payout", 3, "11:00", who="person", refused="E_PAYOUT_REPORT"),
        step("early_payout", 3, "12:00", who="person", member=1),
        step("settle_payout", 4, "12:00", who="person", member=1, refused="E_PAYOUT_OPEN"),
        # The lost device's note is refunded when it has closed, at the latest 105 days and a bit after its load.
        step("close_cases", 120, "09:00"),
        step("settle_payout", 121, "09:00", who="person", member=1),
        # Eight tenths at once and the rest when it came, onto the deposit; the other one's refund went to its wallet.
        expect("wallets.person_tiyn", "tenge(2 * 1000 + 600)"),
        expect("deposits.person_tiyn", "tenge(2 * (10000 - 2000) + 800 + 200)"),
        expect("wallets.till_tiyn", "tenge(400)"),
    ]
    file.write_text("\n".join([HEAD, SHOP, POLICY, *SETUP, *steps]), encoding="utf-8")
    finished = runner.run(str(file), tmp_path / "run", 7)
    assert finished.ok, bad(finished)
