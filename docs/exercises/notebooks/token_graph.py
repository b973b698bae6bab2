"""The token graph: how a note passes from hand to hand, and what a double spend looks like in it: a fork.

marimo edit docs/exercises/notebooks/token_graph.py
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
        # The token graph

        A device that pays signs a **transfer** of one outpoint: one output of a note, or of the transfer before. Below
        three people pay each other with no network. Then Bolat opens his device, copies it, and pays again with the
        copy. Nothing here is drawn by hand: the picture is made from the transfers that the devices really signed.
        **Test money; not affiliated with the National Bank of Kazakhstan.**
        """
    )


@app.cell
def _(mo):
    seed = mo.ui.slider(1, 50, value=7, label="seed")
    copies = mo.ui.switch(value=True, label="Bolat opens and copies his device")
    mo.hstack([seed, copies])
    return copies, seed


@app.cell
def _(Sandbox, copies, seed):
    def played(number: int, cheats: bool):
        """A world in which Aigerim pays Bolat, Bolat pays Dana, and, if he cheats, his copy pays Erlan."""
        world = Sandbox.in_memory(number)
        world.issue(tenge=100_000)
        people = {
            name: world.person(name, deposit_tenge=20_000) for name in ("Aigerim", "Bolat", "Dana", "Erlan")
        }
        world.buy_and_load(people["Aigerim"], 3_000)
        world.pay_offline_once(people["Aigerim"], people["Bolat"], tenge=3_000)
        if cheats:
            world.clone(people["Bolat"])
        world.pay_offline_once(people["Bolat"], people["Dana"], tenge=2_000)
        if cheats:
            world.pay_offline_once(people["Bolat"], people["Erlan"], tenge=3_000, clone=True)
        return world, people

    sandbox, people = played(seed.value, copies.value)
    return people, sandbox


@app.cell
def _(people, sandbox):
    now = sandbox.clock.now()
    names = {member.device.kid: name for name, member in people.items()}
    lines = {}
    for member in people.values():
        for outpoint in member.device.status(now).purse:
            found = member.device.line(outpoint)
            lines[outpoint] = found
    transfers = {one.oid: one for line in lines.values() for one in line.transfers}
    notes = {line.note.oid: line.note for line in lines.values()}
    spends = {}
    for one in transfers.values():
        spends.setdefault(one.record.outpoint, []).append(one)
    forks = {outpoint: rows for outpoint, rows in spends.items() if len(rows) > 1}
    return forks, names, notes, transfers


@app.cell
def _(format_tenge, forks, mo, names, notes, transfers):
    def drawn() -> str:
        """The graph in Mermaid's words: notes as boxes, transfers as arrows, forks in red."""
        text = ["flowchart LR"]
        spent_twice = {one.oid for rows in forks.values() for one in rows}
        for oid, note in notes.items():
            text.append(f'  {oid.hex()[:8]}["note of {format_tenge(note.record.amount_tiyn)}"]')
        for oid, one in transfers.items():
            payer = names[one.record.payer]
            whom = names.get(one.record.outputs[0].owner, "a bank")
            words = f"{payer} pays {whom} {format_tenge(one.record.outputs[0].amount_tiyn)}"
            text.append(f'  {oid.hex()[:8]}("{words}"){":::fork" if oid in spent_twice else ""}')
            parent, output = one.record.outpoint
            text.append(f"  {parent.hex()[:8]} -- output {output} --> {oid.hex()[:8]}")
        text.append("  classDef fork stroke:#a00,stroke-width:3px")
        return "\n".join(text)

    graph = drawn()
    mo.vstack([mo.mermaid(graph), mo.md(f"Outpoints that were spent more than once: **{len(forks)}**.")])
    return (graph,)


@app.cell
def _(mo, people, sandbox):
    sandbox.sync(list(people.values()))
    case = sandbox.reconcile()
    files = [name for name, _ in sandbox.evidence_files() if name.startswith("case-")]
    mo.md(
        f"""
        ## What settlement says

        After everybody has synced, settlement derives the same graph from what the devices handed in. Evidence files:
        **{len(files)}**. They name a device by its own two signatures, and can be checked with the root key alone.

        Try it without the copy. Then ask: which of the two payees did something wrong?
        """
    )
    return case, files


if __name__ == "__main__":
    app.run()
