"""Wrong answers to split the limit: attacks that pass too little, and books that count as the weak desks do."""

from tests.exercises.answers import Changed, Rewritten

_OWN = "if limits.owners[name] == owner and status"
_PAID = "if limits.owners[name] == owner and now < paid + seconds"
_WAITS = 'status == "waits" and now < since + limits.hold_seconds'
_LOADED = 'left for name, left in book["loads"].values() if limits.owners[name] == owner'
_SAME = 'return state, DONE if known == (kind, name, amount_tiyn) else ("E_ID_REUSED", "")'

WRONG = [
    Changed(
        "stops at the limit",
        "    desk.pay(desk.limit_tiyn, midnight, desk.zone_minutes)\n",
        "",
        "over_midnight",
    ),
    Rewritten(
        "midnight by other clocks", {"over_midnight": "around_the_clock(arguments[0])"}, "over_midnight"
    ),
    Rewritten("waits for midnight", {"around_the_clock": "over_midnight(arguments[0])"}, "around_the_clock"),
    Rewritten(
        "one wallet",
        {"two_wallets": "desk = arguments[0]\n    desk.pay(desk.open_wallet(), desk.limit_tiyn)"},
        "two_wallets",
    ),
    Rewritten(
        "one after the other",
        {"all_at_once": "desk = arguments[0]\n    desk.finish(desk.begin(desk.limit_tiyn))"},
        "all_at_once",
    ),
    Rewritten("never comes back", {"round_trip": "arguments[0].pay(arguments[0].limit_tiyn)"}, "round_trip"),
    Changed(
        "cancels before paying",
        "        desk.settle(number)\n        desk.cancel(number)\n",
        "        desk.cancel(number)\n        desk.settle(number)\n",
        "cancel_what_is_paid",
    ),
    Changed("syncs once", "        desk.sync()\n", "        return\n", "tap_and_sync"),
    Rewritten("accepts all", {"step": "return arguments[1], ('', '')"}, "honest_to_the_tiyn"),
    Rewritten("refuses all", {"step": "return arguments[1], ('E_LIMIT_PAYMENT', '')"}, "honest_to_the_tiyn"),
    Changed(
        "a tiyn too strict",
        "+ amount_tiyn > window.limit_tiyn",
        "+ amount_tiyn >= window.limit_tiyn",
        "honest_to_the_tiyn",
    ),
    Changed(
        "each payment alone",
        "_counted(limits, book, name, window.seconds, now) + amount_tiyn",
        "amount_tiyn",
        "honest_to_the_tiyn",
    ),
    Changed(
        "no limit of one payment", "if amount_tiyn > limits.payment_tiyn:", "if False:", "honest_to_the_tiyn"
    ),
    Changed(
        "any wallet",
        'return "E_WALLET", ""\n            if amount_tiyn < 1:',
        "name = next(iter(limits.owners))\n            if amount_tiyn < 1:",
        "honest_to_the_tiyn",
    ),
    Changed("calendar days", "now < paid + seconds", "now // seconds == paid // seconds", "no_midnight"),
    Changed("a second too long", "now < paid + seconds", "now <= paid + seconds", "no_midnight"),
    Changed(
        "the first window only",
        "for window in limits.windows:\n                if",
        "for window in limits.windows[:1]:\n                if",
        "no_midnight",
    ),
    Changed("all wallets alike", _PAID, "if now < paid + seconds", "honest_to_the_tiyn"),
    Changed("per wallet", _PAID, "if name == wallet and now < paid + seconds", "honest_to_the_tiyn"),
    Changed("waiting per wallet", _OWN, "if name == wallet and status", "one_person"),
    Changed("receipts only", _WAITS, "False", "what_waits"),
    Changed("waits for ever", _WAITS, 'status == "waits"', "what_waits"),
    Changed(
        "a second longer", _WAITS, 'status == "waits" and now <= since + limits.hold_seconds', "what_waits"
    ),
    Changed(
        "from the reservation on",
        'book["paid"].append((held[0], held[1], now))',
        'book["paid"].append((held[0], held[1], held[2]))',
        "what_waits",
    ),
    Changed(
        "settles what expired",
        'if now >= held[2] + limits.hold_seconds:\n        return "E_EXPIRED"',
        "pass",
        "what_waits",
    ),
    Changed(
        "cancels what is paid",
        'return "again" if held[3] == "cancelled" else "E_SETTLED"',
        'book["paid"] = [one for one in book["paid"] if one[1] != held[1]]\n        return ""',
        "cancel_and_refund",
    ),
    Changed(
        "refunds make room",
        "    held[4] += amount_tiyn\n",
        "    held[4] += amount_tiyn\n    book['paid'].append((held[0], -amount_tiyn, book['now']))\n",
        "cancel_and_refund",
    ),
    Changed(
        "refunds one by one",
        "if held[4] + amount_tiyn > held[1]:",
        "if amount_tiyn > held[1]:",
        "cancel_and_refund",
    ),
    Changed(
        "refunds what waits",
        'if held is None or held[3] != "settled":',
        "if held is None:",
        "cancel_and_refund",
    ),
    Changed("offline is free", "sum(left for name, left in", "sum(0 for name, left in", "offline"),
    Changed(
        "forgets what was paid offline",
        '    book["paid"].append((load[0], amount_tiyn, now))\n',
        "",
        "offline",
    ),
    Changed("syncs more than was loaded", "if amount_tiyn > load[1]:", "if False:", "offline"),
    Changed("unloads everybody", "if load[0] == name:", "if True:", "offline"),
    Changed("no memory", "if known is not None:", "if False:", "told_twice"),
    Changed("any event under an id", _SAME, "return state, DONE", "told_twice"),
    Changed("never again", _SAME, "return state, ('E_ID_REUSED', '')", "told_twice"),
    Changed(
        "settles twice",
        'return "again" if held[3] == "settled" else "E_CANCELLED"',
        'return "E_CANCELLED"',
        "told_twice",
    ),
    Changed(
        "refusals are remembered",
        "return (state, (code, window)) if code else (book, DONE)",
        "return (book, (code, window)) if code else (book, DONE)",
        "told_twice",
    ),
    Changed(
        "a word more under an id",
        "known == (kind, name, amount_tiyn)",
        "known[1:] == (name, amount_tiyn)",
        "told_twice",
    ),
    Changed("keeps a tiyn offline", "if amount_tiyn > load[1]:", "if amount_tiyn >= load[1]:", "offline"),
    Changed(
        "the amount before the card",
        '    if load is None:\n        return "E_UNKNOWN"\n    if amount_tiyn < 1:\n        return "E_AMOUNT"\n',
        '    if amount_tiyn < 1:\n        return "E_AMOUNT"\n    if load is None:\n        return "E_UNKNOWN"\n',
        "offline",
    ),
    Changed(
        "the last window is named",
        "for window in limits.windows:",
        "for window in limits.windows[::-1]:",
        "no_midnight",
    ),
    Changed("time goes both ways", 'max(state["now"], at)', "at", "a_season_of_events"),
    Changed(
        "a memory beside the state",
        "    book = deepcopy(state)\n",
        "    book = globals().setdefault('kept', deepcopy(state))\n",
        "a_cut_forgets_the_last_step",
    ),
    Changed(
        "room below nothing",
        "max(0, min(limits.payment_tiyn, *left))",
        "min(limits.payment_tiyn, *left) - 1",
        "room",
    ),
    Changed("room of the past", 'now = max(at, state["now"])', "now = at", "room"),
    Changed(
        "room without a payment's limit",
        "max(0, min(limits.payment_tiyn, *left))",
        "max(0, min(left))",
        "room",
    ),
]
