"""The laboratory's curves: what another hop buys, and who bears a loss under each policy, from small real runs.

marimo edit docs/exercises/notebooks/laboratory_curves.py
"""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import tempfile
    from pathlib import Path

    import marimo as mo

    from cbdc.money import format_tenge
    from wallets.lab import jobs, plots_chart

    return Path, format_tenge, jobs, mo, plots_chart, tempfile


@app.cell
def _(mo):
    mo.md(
        """
        # The laboratory's curves

        A village of real devices and the real settlement, with one opened device. Everything about its people is
        assumed. The same seed gives the same bytes. The worlds are small, so that a run takes seconds: read the shape
        of a curve, not its decimals. **Test money; not affiliated with the National Bank of Kazakhstan.**
        """
    )


@app.cell
def _(mo):
    seed = mo.ui.slider(1, 30, value=7, label="seed")
    people = mo.ui.slider(6, 24, value=8, step=2, label="people")
    mo.hstack([seed, people])
    return people, seed


@app.cell
def _(people, seed):
    WORLD = f"""
    [lab]
    name = "lesson"
    title = "A small village"
    days = 3
    slots = 2
    seed = {seed.value}
    [people]
    count = {people.value}
    villages = 1
    household = 2
    neighbours = 2
    [shops]
    per_village = 1
    [[habit]]
    kind = "exponential"
    hours = 36
    [[opened]]
    count = 1
    copies = 3
    from_day = 0
    """
    HOPS = (
        WORLD
        + """
    [sweep]
    max_hops = [1, 2, 4]
    [[plot]]
    title = "Payments that succeed, by the hops allowed"
    x = "max_hops"
    y = "success_permille"
    """
    )
    POLICIES = {
        name: WORLD.replace("days = 3", f'days = 3\n    loss_policy = "{name}"')
        for name in ("ISSUER", "WATERFALL", "PRO_RATA")
    }
    return HOPS, POLICIES


@app.cell
def _(HOPS, POLICIES, Path, jobs, tempfile):
    def measured(toml: str) -> dict:
        """All runs of a plan, played in this process and nowhere kept."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "lesson.toml"
            file.write_text(toml, encoding="utf-8")
            plan = jobs.begin(Path(folder) / "run", str(file), {})
            return jobs.run(Path(folder) / "run", plan, 1, lambda *_: None)

    by_hops = measured(HOPS)
    by_policy = {name: measured(toml) for name, toml in POLICIES.items()}
    return by_hops, by_policy


@app.cell
def _(by_hops, mo, plots_chart):
    curves = [plots_chart.svg(picture) for _, picture in plots_chart.pictures(by_hops)]
    mo.vstack([mo.md("## Hops"), *(mo.Html(one) for one in curves)])
    return (curves,)


@app.cell
def _(by_policy, format_tenge, mo):
    bearers = ("device", "owner", "bank", "reserve", "payees")
    rows = []
    for policy, found in by_policy.items():
        measured_run = found["runs"][0]["measures"]
        borne = measured_run["borne_tiyn"]
        rows.append(
            {
                "policy": policy,
                "loss_tiyn": measured_run["loss_tiyn"],
                **{f"{one}_tiyn": borne[one] for one in bearers},
            }
        )
    shown = [
        {name: format_tenge(one) if isinstance(one, int) else one for name, one in row.items()}
        for row in rows
    ]
    mo.vstack(
        [
            mo.md("## Who bears the loss\n\nThe days are the same under each policy, and so is the loss."),
            mo.ui.table(shown),
            mo.md("Who is worse off under the policy that you like best? Move the seed before you answer."),
        ]
    )
    return (rows,)


if __name__ == "__main__":
    app.run()
