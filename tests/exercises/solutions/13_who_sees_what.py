"""A solution of who sees what. Students: this is where the fun ends."""

from collections.abc import Mapping, Sequence

from turkistan import ROUND_TIYN, Entry, Held, owners

from cbdc.token import TokenId


def change_of(entry: Entry, owner: Mapping[TokenId, bytes], printed: Sequence[bytes]) -> list[int]:
    """A printed key beside it, a key that pays, or the one amount that is not round."""
    keys = [token.lock.kid for token in entry.outputs]
    if len(keys) < 2:
        return []
    if any(key in printed for key in keys):
        return [place for place, key in enumerate(keys) if key not in printed]
    paying = {owner[token] for token in entry.inputs if token in owner}
    back = [place for place, key in enumerate(keys) if key in paying]
    if back:
        return back
    odd = [place for place, token in enumerate(entry.outputs) if token.amount_tiyn % ROUND_TIYN]
    return odd if len(odd) == 1 else []


def people(journal: Sequence[Entry], printed: Sequence[bytes]) -> list[list[bytes]]:
    """Groups grow together: keys that pay together, and the change."""
    owner = owners(journal)
    group = {key: {key} for key in owner.values() if key not in printed}
    for entry in journal:
        together = [owner[token] for token in entry.inputs if token in owner]
        if not together:
            continue
        together += [entry.outputs[place].lock.kid for place in change_of(entry, owner, printed)]
        whole = set().union(*(group[key] for key in together))
        for key in whole:
            group[key] = whole
    return sorted({tuple(sorted(one)) for one in group.values()})


def buyers(journal: Sequence[Entry], pharmacy: bytes, sightings: Sequence[tuple[str, int, int]]) -> list[str]:
    """From a sighting to a payment, to its keys, to the group, to the pharmacy."""
    owner = owners(journal)
    group = {key: number for number, keys in enumerate(people(journal, [pharmacy])) for key in keys}
    sick = {
        group[owner[entry.inputs[0]]]
        for entry in journal
        if any(token.lock.kid == pharmacy for token in entry.outputs)
    }
    found = set()
    for name, second, amount in sightings:
        near = [entry for entry in journal if abs(entry.second - second) <= 60]
        fits = [entry for entry in near if any(token.amount_tiyn == amount for token in entry.outputs)]
        if len(fits) == 1 and group[owner[fits[0].inputs[0]]] in sick:
            found.add(name)
    return sorted(found)


def spend(
    tokens: Sequence[Held], price_tiyn: int, fresh: Sequence[bytes]
) -> tuple[list[int], list[tuple[bytes, int]]]:
    """One token if one suffices, the smallest such; change on new keys, in pieces that look like the price."""
    if sum(token[2] for token in tokens) < price_tiyn:
        raise ValueError("not enough")
    order = sorted(range(len(tokens)), key=lambda place: tokens[place][2])
    enough = [place for place in order if tokens[place][2] >= price_tiyn]
    picked = enough[:1]
    while sum(tokens[place][2] for place in picked) < price_tiyn:
        picked.append(order.pop())
    change = sum(tokens[place][2] for place in picked) - price_tiyn
    return picked, list(zip(fresh, pieces(change, price_tiyn), strict=False))


def pieces(change: int, price: int) -> list[int]:
    """Like the price, all round or all not; where that cannot be, as many of the one kind as of the other."""
    if change == 0:
        return []
    if change < 4 * ROUND_TIYN or bool(change % ROUND_TIYN) == bool(price % ROUND_TIYN):
        return [change]
    half = change // 2 // ROUND_TIYN * ROUND_TIYN
    if price % ROUND_TIYN:
        return [half + 101, change - half - 101]
    return [half, half // 2 + 101, change - half - half // 2 - 101]


def sees(case: Mapping[str, object]) -> tuple[int, str, bool, bool]:
    """The table."""
    offline, journal = case["channel"] == "offline", case["reads"] == "journal"
    match case["party"]:
        case "national_bank":
            return 1, "pseudonym", False, False
        case "payee":
            told = journal and (not offline or case["loaded"])
            return 1 + case["earlier"], "pseudonym" if told else "key", False, False
        case "supervisor" if not offline:
            return 1, "pseudonym", False, False
        case "payer_bank" | "payee_bank" if journal and not offline:
            same = bool(case["same_bank"])
            payer = case["party"] == "payer_bank"
            return 1, "pseudonym", payer or same, same or not payer
    return 0, "nothing", False, False
