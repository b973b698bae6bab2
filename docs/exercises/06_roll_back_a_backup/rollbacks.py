"""What the grader brings to this lab: thieves with copies, and papers that a real, rolled-back device signed."""

import random
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from cbdc.authority import Authority
from cbdc.errors import Refused
from cbdc.record import Signed
from cbdc.token import MERCHANT, PERSON
from offline.evidence import double_spend, equivocation, fell, held_and_spent
from offline.opened import open_for_attack
from offline.records import DeviceCertificate, SyncRequest, Transfer
from wallets.desk import derived
from wallets.sandbox import Sandbox

_FIELDS = (
    "counter",
    "invoice_number",
    "out_total_tiyn",
    "in_total_tiyn",
    "out_count",
    "in_count",
    "trust_sequence",
)


@dataclass(frozen=True, slots=True)
class Papers:
    """What one device signed before and after it was put back, and all that a judge needs."""

    authority: Authority
    certificate: Signed[DeviceCertificate]
    signed: tuple[Signed[Any], ...]
    aimed: tuple[tuple[Signed[Any], Signed[Any]], ...]
    """Pairs of which one column of the page's table, and no other, tells what they prove."""


@lru_cache(maxsize=4)
def rolled_back(seed: int) -> Papers:
    """A real device of the sandbox, opened; two payments in a row, and then old states put back again and again."""
    chance = random.Random(seed)
    sandbox = Sandbox.in_memory(seed)
    sandbox.issue(tenge=200_000)
    owner = sandbox.person("Owner", deposit_tenge=60_000, category=PERSON)
    shops = [sandbox.person(name, category=MERCHANT) for name in ("Shop", "Stand")]
    tenge = chance.sample(range(1_000, 3_000, 100), 3)
    for amount in tenge:
        sandbox.buy_and_load(owner, amount)
    now = sandbox.clock.now()
    opened = open_for_attack(owner.device.element, "a rollback for a grader")
    picks = list(opened.status(now).purse)

    def paid(number: int, pick: int) -> Signed[Any]:
        shop = shops[number % 2]
        invoice = shop.device.invoice(derived("rollback", number), chance.randrange(1_00, 900_00), 0, now)
        return opened.pay(invoice, shop.device.certificate, [picks[pick]], now)[0]

    def stated(number: int) -> Signed[Any]:
        return opened.sync_begin(derived("state", number))

    start = opened.capture()
    early = stated(1)
    opened.rollback(start)
    first, second = paid(1, 0), paid(2, 1)
    honest = stated(2)
    opened.rollback(start)
    again, between = paid(3, 0), stated(3)
    opened.rollback(start)
    other, without = paid(4, 2), stated(4)
    opened.rollback(start)
    elsewhere = [paid(5, 1), paid(6, 0)]
    elsewhere.append(opened.sign_anything(replace(second.record, counter=second.record.counter + 5)))
    later = replace(honest.record, sync_number=honest.record.sync_number + chance.randint(1, 3))
    grown = replace(later, **{name: getattr(later, name) + chance.randint(1, 9) for name in _FIELDS[1:]})
    made = [later, grown, replace(grown, head=chance.randbytes(32))]
    above = [name for name in _FIELDS[1:] if getattr(honest.record, name) > 0]
    made += [
        replace(grown, **{name: getattr(honest.record, name) - 1})
        for name in chance.sample(above, min(3, len(above)))
    ]
    made.append(replace(grown, counter=grown.counter + 1, head=chance.randbytes(32)))
    signed = [early, first, second, honest, again, between, other, without]
    signed += [*elsewhere, *map(opened.sign_anything, made)]
    base = replace(grown, counter=grown.counter + 2)
    high = replace(base, sync_number=base.sync_number + 1)
    turned = [replace(high, **{name: getattr(base, name) - 1}) for name in _FIELDS[1:]]
    turned.append(replace(high, counter=base.counter - 1, head=chance.randbytes(32)))
    turned.append(replace(high, counter=base.counter + 1))
    turned.append(replace(high, counter=base.counter + 1, head=chance.randbytes(32)))
    aimed = [(opened.sign_anything(base), opened.sign_anything(one)) for one in turned]
    record = first.record  # its note's neighbour: of one earlier payment, with another index
    neighbour = opened.sign_anything(
        replace(record, index=record.index + 1, counter=record.counter + 9, link=chance.randbytes(32))
    )
    aimed.append((first, neighbour))
    aimed.append((opened.sign_anything(replace(early.record, counter=record.counter + 9)), neighbour))
    return Papers(sandbox.system.authority, owner.device.certificate, tuple(signed), tuple(aimed))


def proven(papers: Papers, first: Signed[Any], second: Signed[Any]) -> list[int]:
    """The types that the product's own judge finds in two papers, of 1, 2 and 3 (forms 2 and 3)."""
    statements = [one for one in (first, second) if isinstance(one.record, SyncRequest)]
    transfers = [one for one in (first, second) if isinstance(one.record, Transfer)]
    tries: list[tuple[int, Any, list[Signed[Any]]]] = []
    if len(transfers) == 2:
        tries = [(1, double_spend, transfers), (2, equivocation, transfers)]
    elif len(statements) == 2:
        tries = [(3, fell, statements)]
    else:
        tries = [(3, held_and_spent, statements + transfers)]
    found = []
    for number, make, pair in tries:
        try:
            make(papers.authority, papers.certificate, *pair)
        except Refused:
            continue
        found.append(number)
    return found
