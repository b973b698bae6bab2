"""The balance sheets: whose debt digital tenge is, step by step: issue, buy, load, pay offline, settle.

marimo edit docs/exercises/notebooks/balance_sheets.py
"""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import marimo as mo

    from cbdc.money import format_tenge
    from wallets.sandbox import Sandbox

    return Sandbox, format_tenge, mo


@app.cell
def _(mo):
    mo.md(
        """
        # The balance sheets

        Digital tenge is a debt of the National Bank, a deposit is a debt of a commercial bank. Take one step after the
        other and watch which line moves to where. The figures are read from the sandbox's own books after each step.
        **Test money; not affiliated with the National Bank of Kazakhstan.**
        """
    )


@app.cell
def _(Sandbox):
    STEPS = (
        "a deposit at the bank",
        "the National Bank issues to the bank",
        "Aigerim buys digital tenge with her deposit",
        "she loads her device",
        "she pays the bakery with no network",
        "the bakery brings the money home",
    )

    def after_each_step() -> list[dict]:
        """The books and the supply after each step; every figure is read, none is written here."""
        world, found = Sandbox.in_memory(7), []

        def note() -> None:
            supply = world.supply()
            holders = (
                "bank_inventory_tiyn",
                "treasury_tiyn",
                "wallets_tiyn",
                "escrow_tiyn",
                "loss_reserve_tiyn",
            )
            found.append(
                {
                    "step": STEPS[len(found)],
                    "sheets": world.balance_sheets(),
                    "supply": {name: getattr(supply, name) for name in holders},
                    "outstanding_tiyn": supply.outstanding_tiyn,
                    "adds_up": supply.outstanding_tiyn == supply.held_tiyn,
                }
            )

        aigerim = world.person("Aigerim", deposit_tenge=20_000)
        bakery = world.person("Bakery")
        note()
        world.issue(tenge=50_000)
        note()
        world.buy_once(aigerim, tenge=8_000)
        note()
        world.load([(aigerim, [300_000])], b"", b"notebook load".ljust(32, b"."))
        note()
        world.pay_offline_once(aigerim, bakery, tenge=3_000)
        note()
        world.sync([bakery, aigerim])
        world.redeem_offline(bakery)
        world.reconcile()
        note()
        return found

    steps = after_each_step()
    return (steps,)


@app.cell
def _(mo, steps):
    step = mo.ui.slider(0, len(steps) - 1, value=0, label="step", show_value=True)
    step
    return (step,)


@app.cell
def _(format_tenge, mo, step, steps):
    now = steps[step.value]
    before = steps[max(step.value - 1, 0)]

    def sheet(one: dict, other: dict):
        """A balance sheet as a table, with what the step changed."""
        was = {row["account"]: row["tiyn"] for row in other["accounts"]}
        rows = [
            {
                "side": row["side"],
                "account": row["account"],
                "tenge": format_tenge(row["tiyn"]),
                "change": format_tenge(row["tiyn"] - was.get(row["account"], 0)),
            }
            for row in one["accounts"]
        ]
        return mo.vstack(
            [mo.md(f"### {one['institution']}"), mo.ui.table(rows) if rows else mo.md("nothing yet")]
        )

    mo.vstack(
        [
            mo.md(f"## Step {step.value}: {now['step']}"),
            *(sheet(one, other) for one, other in zip(now["sheets"], before["sheets"], strict=True)),
        ]
    )
    return (now,)


@app.cell
def _(format_tenge, mo, now):
    mo.vstack(
        [
            mo.md("### Who holds digital tenge"),
            mo.ui.table(
                [{"holder": name, "tenge": format_tenge(one)} for name, one in now["supply"].items()]
            ),
            mo.md(
                f"Issued minus redeemed: **{format_tenge(now['outstanding_tiyn'])}**, which adds up: {now['adds_up']}."
            ),
            mo.md(
                "At which step did the bank's debt become smaller? At which one did money change hands on no book?"
            ),
        ]
    )


if __name__ == "__main__":
    app.run()
