"""The grader's own watcher, and what the product's rules say that each party sees. Students do not get this file."""

import random
from collections.abc import Mapping, Sequence

from turkistan import ROUND_TIYN, Entry, owners

from cbdc.token import TokenId
from wallets.desk import derived
from wallets.pilot.moves import Holder
from wallets.pilot.privacy_report import OFFLINE, ONLINE, VIEWS, Known, Payment


def change_of(entry: Entry, owner: Mapping[TokenId, bytes], printed: Sequence[bytes]) -> list[int]:
    """Outputs that must be the payer's: on a key that pays, beside a printed key, or of another kind of amount."""
    keys = [token.lock.kid for token in entry.outputs]
    if len(keys) < 2:
        return []
    if any(key in printed for key in keys):
        return [place for place, key in enumerate(keys) if key not in printed]
    paying = {owner[one] for one in entry.inputs if one in owner}
    back = [place for place, key in enumerate(keys) if key in paying]
    if back:
        return back
    odd = [place for place, token in enumerate(entry.outputs) if token.amount_tiyn % ROUND_TIYN]
    if len(odd) == 1 or len(odd) == len(keys) - 1:
        return odd if len(odd) < len(keys) else []
    return []


def people(journal: Sequence[Entry], printed: Sequence[bytes]) -> list[list[bytes]]:
    """Keys that pay together are one person's, and so is the change."""
    owner, above = owners(journal), {}

    def top(key: bytes) -> bytes:
        while above.setdefault(key, key) != key:
            key = above[key]
        return key

    for entry in journal:
        together = [owner[one] for one in entry.inputs if one in owner]
        if together:
            together += [entry.outputs[place].lock.kid for place in change_of(entry, owner, printed)]
        for key in together:
            above[top(key)] = top(together[0])
    groups: dict[bytes, list[bytes]] = {}
    for key in sorted(set(owner.values()) - set(printed)):
        groups.setdefault(top(key), []).append(key)
    return sorted(groups.values())


def buyers(journal: Sequence[Entry], pharmacy: bytes, sightings: Sequence[tuple[str, int, int]]) -> list[str]:
    """Who was seen at a till, alone with that amount in that minute, and has a key that paid the pharmacy."""
    owner, groups = owners(journal), people(journal, [pharmacy])
    group_of = {key: number for number, group in enumerate(groups) for key in group}
    sick = {
        group_of[owner[entry.inputs[0]]]
        for entry in journal
        if any(token.lock.kid == pharmacy for token in entry.outputs)
    }
    found = set()
    for name, second, amount_tiyn in sightings:
        fits = [
            entry
            for entry in journal
            if abs(entry.second - second) <= 60
            and any(token.amount_tiyn == amount_tiyn for token in entry.outputs)
        ]
        if len(fits) == 1 and group_of[owner[fits[0].inputs[0]]] in sick:
            found.add(name)
    return sorted(found)


Case = dict[str, object]


def cases(seed: int, channel: str) -> list[Case]:
    """Every party and what it reads, in an order of chance and with facts of chance, four times over."""
    chance = random.Random(f"{seed} {channel}")
    rows: list[Case] = [
        {
            "channel": channel,
            "party": party,
            "reads": reads,
            "same_bank": number % 2 == 0,
            "loaded": number // 2 % 2 == 0,
            "earlier": chance.randrange(1, 4) if channel == OFFLINE else 0,
        }
        for party, reads in VIEWS
        for number in range(4)
    ]
    chance.shuffle(rows)
    return rows


def truth(case: Case, seed: int) -> tuple[int, str, bool, bool]:
    """What the product's report (`wallets.pilot.privacy_report`) says of the case."""
    one = [derived("watcher", seed, number) for number in range(8)]
    offline = case["channel"] == OFFLINE
    payer_bank, payee_bank = 1, 1 if case["same_bank"] else 2
    holders = {one[0]: Holder(payer_bank, 1, one[2]), one[1]: Holder(payee_bank, 1, one[3])}
    customers = {1: frozenset({one[2]} | ({one[3]} if case["same_bank"] else set())), 2: frozenset({one[3]})}
    devices = {one[4]: one[0], one[5]: one[1]}
    loaders = {one[4]: one[0]} if case["loaded"] else {}
    known = Known(holders, customers, devices, loaders)
    payer, payee = (one[4], one[5]) if offline else (one[0], one[1])
    history = tuple(
        Payment(derived("earlier", seed, number), OFFLINE, one[6], payer)
        for number in range(int(str(case["earlier"])))
    )
    payment = Payment(b"this", OFFLINE if offline else ONLINE, payer, payee, history)
    facts = list(VIEWS[str(case["party"]), str(case["reads"])](known, payment))
    this = [fact for fact in facts if fact.payment == b"this"]
    if not this:
        return len(facts), "nothing", False, False
    handle = "pseudonym" if this[0].payer == one[2] else "key"
    return len(facts), handle, this[0].payer_named, this[0].payee_named
