"""The tax office's desk in a pilot: `cbdc.tax` over the registers that a script has.

    [tax]
    invoices = ["invoices", "invoice"]           # register and fact of electronic invoices
    refund = ["tax", "refund"]                   # register and fact that the desk itself speaks with

    [[tax.rule]]
    name = "paid"
    kind = "paid"                                # or "exported" (register, fact) or "ring" (firms, days)

    claim_refund   members claim `amount` on `documents`; what is confirmed is a fact (document ["claim", number]) that
                   frees refund money

Facts: `tax.invoices`, and `tax.rings` (circles among the invoices of the window at the end) with `tax.ring_firms`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cbdc.tax import FactName, TaxDesk, TaxRules
from wallets.pilot.extension import Extension
from wallets.pilot.folder import RunFolder
from wallets.pilot.papers import document_id, documents_of
from wallets.pilot.play import Arguments, Outcome, Play, Tries
from wallets.pilot.reader import Reader
from wallets.pilot.script import Script, Step
from wallets.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class TaxPlan:
    """What a script says of the desk: register names and fact numbers, and the rules that are on."""

    invoices: tuple[str, int]
    refund: tuple[str, int]
    paid: bool
    exported: tuple[str, int] | None
    ring_firms: int
    ring_days: int


def parse(script: Script) -> TaxPlan:
    """The section `[tax]`; E_SCRIPT with the place of the first mistake."""
    reader = Reader(script.file, "[tax]", script.extra["tax"])

    def fact(inner: Reader, pair: object) -> tuple[str, int]:
        if not isinstance(pair, list) or tuple(pair) not in script.facts:
            raise inner.wrong(f"{pair!r} is no [register, fact] of this script")
        return str(pair[0]), script.facts[str(pair[0]), str(pair[1])]

    invoices, refund = fact(reader, reader.list("invoices")), fact(reader, reader.list("refund"))
    on: dict[str, Any] = {}
    for number, row in enumerate(reader.list("rule"), start=1):
        inner = Reader(script.file, f"[tax], rule number {number}", row)
        inner.name("name")
        kind = inner.text("kind")
        if kind == "paid":
            on["paid"] = True
        elif kind == "exported":
            on["exported"] = fact(inner, [inner.text("register"), inner.text("fact")])
        elif kind == "ring":
            on["ring"] = (inner.value("firms", script.names), inner.value("days", script.names))
        else:
            raise inner.wrong(f"there is no kind {kind[:20]}; there are paid, exported, ring")
        inner.done()
    reader.done()
    firms, days = on.get("ring", (0, 0))
    return TaxPlan(invoices, refund, on.get("paid", False), on.get("exported"), firms, days)


class TaxWorld:
    """The desk of a run, and what it confirmed so far."""

    def __init__(self, plan: TaxPlan, sandbox: Sandbox) -> None:
        keys, system = sandbox.system.keys, sandbox.system
        self.sandbox = sandbox

        def name(pair: tuple[str, int]) -> FactName:
            return FactName(keys.register(pair[0]).public.kid, pair[1])

        rules = TaxRules(
            plan.paid, name(plan.exported) if plan.exported else None, plan.ring_firms, plan.ring_days
        )
        self.desk = TaxDesk(
            system.ledger,
            system.stores.cabinet,
            keys.register(plan.refund[0]),
            sandbox.clock,
            name(plan.invoices),
            plan.refund[1],
            rules,
        )


def _open(plan: TaxPlan, sandbox: Sandbox, folder: RunFolder) -> TaxWorld:
    return TaxWorld(plan, sandbox)


def _claim_refund(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world: TaxWorld = play.worlds["tax"]
    members, amount = arguments.members(), arguments.raw("amount")
    documents, claim = arguments.raw("documents"), arguments.raw("claim")
    arguments.done()
    outcome = Outcome()
    tries = Tries(play, step, outcome)
    for i, member in members:
        tiyn = arguments.at(amount, i)
        identity = document_id(["claim"], arguments.at(claim, i))
        papers = documents_of(arguments, documents, i)
        ask = partial(world.desk.claim, identity, play.sandbox.pseudonym(member), papers, tiyn)
        outcome.amount_tiyn += tries(ask) or 0
    return outcome


def _facts(world: TaxWorld) -> Mapping[str, int]:
    rings = world.desk.rings(world.sandbox.clock.now())
    return {
        "tax.invoices": len(world.desk.read()),
        "tax.rings": len(rings),
        "tax.ring_firms": sum(len(ring) for ring in rings),
    }


TAX = Extension(
    "tax",
    frozenset({"tax"}),
    parse,
    _open,
    {"claim_refund": _claim_refund},
    frozenset({"tax"}),
    _facts,
)
