"""Wrong answers to who sees what: watchers who guess, wallets that show, and tables that forget a party."""

from tests.exercises.answers import Changed, Rewritten

_PRINTED = "if any(key in printed for key in keys):"
_MELT = "for key in whole:\n            group[key] = whole"
_CHANGE = "together += [entry.outputs[place].lock.kid for place in change_of(entry, owner, printed)]"
_FIRST = "picked = enough[:1]"

WRONG = [
    Changed("guesses among odd ones", "return odd if len(odd) == 1 else []", "return odd[:1]", "change_of"),
    Changed("looks at amounts only", "if back:", "if False:", "change_of"),
    Changed("looks at keys only", "return odd if len(odd) == 1 else []", "return []", "change_of"),
    Changed("forgets the door", _PRINTED, "if False:", "change_of"),
    Changed(
        "the payee is the change",
        "if key not in printed]\n    paying",
        "if key in printed]\n    paying",
        "change_of",
    ),
    Rewritten("no change anywhere", {"change_of": "return []"}, "change_of"),
    Changed("forgets the change", _CHANGE, "pass", "people_are_found"),
    Changed(
        "everything paid together",
        _CHANGE,
        _CHANGE
        + "\n        together += [one.lock.kid for one in entry.outputs if one.lock.kid not in printed]",
        "strangers_are_not_mixed",
    ),
    Changed(
        "melts half a group",
        _MELT,
        "for key in together:\n            group[key] = whole",
        "people_are_found",
    ),
    Rewritten(
        "everybody is one",
        {"people": "return [sorted(set(owners(arguments[0]).values()))]"},
        "strangers_are_not_mixed",
    ),
    Rewritten(
        "everybody is alone",
        {"people": "return [[key] for key in sorted(set(owners(arguments[0]).values()))]"},
        "people_are_found",
    ),
    Changed("the first of two that fit", "if len(fits) == 1 and", "if fits and", "buyers"),
    Changed("any time", "abs(entry.second - second) <= 60", "True", "buyers"),
    Changed("exact clocks", "abs(entry.second - second) <= 60", "entry.second == second", "buyers"),
    Changed(
        "whoever was seen",
        "if len(fits) == 1 and group[owner[fits[0].inputs[0]]] in sick:",
        "if len(fits) == 1:",
        "buyers",
    ),
    Rewritten("names nobody", {"buyers": "return []"}, "buyers"),
    Changed(
        "the old key again",
        "return picked, list(zip(fresh,",
        "fresh = [tokens[picked[0]][1]] * 6\n    return picked, list(zip(fresh,",
        "spend_hides",
    ),
    Changed(
        "halves the change",
        "return [half, half // 2 + 101, change - half - half // 2 - 101]",
        "return [half + 101, change - half - 101]",
        "spend_hides",
    ),
    Changed(
        "change as it comes",
        "list(zip(fresh, pieces(change, price_tiyn), strict=False))",
        "[(fresh[0], change)] if change else []",
        "spend_hides",
    ),
    Changed(
        "keeps the change",
        "    if change == 0:\n        return []",
        "    return []",
        "spend_pays_to_the_tiyn",
    ),
    Changed("pays with nothing", 'raise ValueError("not enough")', "return [], []", "spend_pays_to_the_tiyn"),
    Changed(
        "change of nothing",
        "    if change == 0:\n        return []",
        "    if change == 0:\n        return [0]",
        "spend_pays_to_the_tiyn",
    ),
    Rewritten("refuses all", {"spend": "raise ValueError('no')"}, "spend_pays_to_the_tiyn"),
    Rewritten("shop and wallet by their words", {"sees": "return 1, 'pseudonym', True, True"}, "sees_online"),
    Rewritten("nobody sees anything", {"sees": "return 0, 'nothing', False, False"}, "sees_online"),
    Changed(
        "banks see their customers' payments",
        'case "payer_bank" | "payee_bank" if journal and not offline:',
        'case "payer_bank" | "payee_bank" if not offline:',
        "sees_online",
    ),
    Changed(
        "one bank knows the other's customers",
        "payer or same, same or not payer",
        "True, True",
        "sees_online",
    ),
    Changed("forgets the earlier payments", 'return 1 + case["earlier"],', "return 1,", "sees_offline"),
    Changed(
        "a load tells nothing",
        'journal and (not offline or case["loaded"])',
        "journal and not offline",
        "sees_offline",
    ),
    Changed(
        "the supervisor sees all", 'case "supervisor" if not offline:', 'case "supervisor":', "sees_offline"
    ),
    Changed("pays with all it has", _FIRST, "picked = order[:]", "spend_pays_to_the_tiyn"),
    Changed(
        "one new key for all pieces", "list(zip(fresh,", "list(zip([fresh[0]] * 6,", "spend_pays_to_the_tiyn"
    ),
    Changed(
        "one odd piece beside two round ones",
        "return [half, half // 2 + 101, change - half - half // 2 - 101]",
        "return [half, change - half]",
        "spend_pays_to_the_tiyn",
    ),
    Changed("clocks a second further off", "<= 60", "<= 61", "buyers"),
]
