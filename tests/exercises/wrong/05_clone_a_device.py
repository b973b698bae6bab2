"""Wrong answers to clone a device: investigators who frame the honest, forget the guilty, or write another file."""

from tests.exercises.answers import Changed, Rewritten

_KEYED = "spends[payer, transfer.record.outpoint].add(transfer.oid)"
_SIGNED = _KEYED.replace("transfer.oid", "transfer.oid + transfer.signature")
_PAIRS = "combinations(sorted(oids), 2)"
_SPENDS = "for (payer, outpoint), oids in spends.items()"
_TAKEN = "zip(village.shops, (False, True), strict=True):"
_SORTED = "low, high = sorted((first, second), key=lambda transfer: transfer.oid)"
_DOUBTED = "except TengeError:\n            continue\n    return"
_FILES = "for data in files:"

# (what stands in the solution, what stands there instead, the check that must fail, and its words)
_INVESTIGATORS = (
    (
        "transfer.verify(certificates[payer].record.key)",
        "pass",
        "find_nothing_among_the_honest",
        "signed by somebody else",
    ),
    (
        _KEYED,
        _KEYED.replace("payer", "min(certificates)"),
        "find_nothing_among_the_honest",
        "different devices",
    ),
    ("if payer not in certificates:", "if False:", "find_nothing_among_the_honest", "KeyError"),
    (
        _KEYED,
        _KEYED.replace("transfer.oid", "transfer.oid + transfer.signature"),
        "find_nothing_among_the_honest",
        "is honest",
    ),
    (f"in {_PAIRS}", f"in list({_PAIRS})[:1]", "find_one_cheat", "is missing"),
    (_PAIRS, "combinations(sorted(oids, reverse=True), 2)", "find_one_cheat", "the smaller id"),
    (_SPENDS, _SPENDS.replace("spends.items()", "2 * list(spends.items())"), "find_one_cheat", "twice"),
    ("clone=clone", "clone=False", "spend_twice", "the shops gained"),
    (
        f"for shop, clone in {_TAKEN}",
        f"for shop, clone in {_TAKEN.replace('(False, True)', '(False, False)')}",
        "spend_twice",
        "the shops gained",
    ),
    ("    village.clone(village.cheat)\n", "", "spend_twice", "KeyError"),
    ("return village.kind(village.cheat, clone=True)", "return 'OPENED'", "spend_twice", "says"),
    (
        "for transfer in village.held(shop)]",
        "for transfer in village.held(shop)[:1]]",
        "the_whole_story",
        "named",
    ),
    (_SORTED, "low, high = first, second", "write_evidence", "E_EVIDENCE"),
    ("[bank.envelope()], evidence", "[bank.envelope()] * 2, evidence", "write_evidence", "not the one file"),
    (_DOUBTED, _DOUBTED.replace("continue", "found |= set(names.values())"), "name_the_cheats", "prove"),
    ("auth.record.kid.startswith(reference)", "True", "write_evidence", "another bank"),
    (
        "for auth in authority.auths if auth.record.role == BANK_CA]",
        "for auth in authority.auths[::-1] if auth.record.role == BANK_CA and (reference := b'') is not None]",
        "write_evidence",
        "another bank",
    ),
    ("return sorted(found)", "return sorted(found, reverse=True)", "name_the_cheats", "prove"),
    (_FILES, "for data in files[:1]:", "name_the_cheats", "prove"),
)

WRONG = [
    *(
        Changed(f"investigator {number}", row[0], row[1], row[2])
        for number, row in enumerate(_INVESTIGATORS, 1)
    ),
    Rewritten("names nobody", {"name_the_cheats": "return []"}, "name_the_cheats"),
    Rewritten("finds nothing", {"find_double_spends": "return []"}, "find_one_cheat"),
    Rewritten(
        "accuses everybody",
        {
            "find_double_spends": "return [(kid, (bytes(32), 0), bytes(32), bytes(32)) for kid in arguments[1]]"
        },
        "find_nothing_among_the_honest",
    ),
    Rewritten("says the right word only", {"spend_twice": "return 'OPENED'"}, "spend_twice"),
    Rewritten("knows the cheat", {"investigate": "return [arguments[0].cheat]"}, "the_whole_story"),
]
