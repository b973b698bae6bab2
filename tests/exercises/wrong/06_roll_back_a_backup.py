"""Wrong answers to roll back a backup: attacks that are none, deceived phones, banks that pay twice."""

from tests.exercises.answers import Changed, Rewritten

_WRITE = "    store.write(free, data)\n"
_ADVANCE = "    chip.advance(number + 1, digest(data))\n"
_FREE = "free = next(slot for slot in SLOTS if digest(store.read(slot)) != known)"
_TRIED = '    state["tries"] += 1\n    _step(store, chip, state)\n    if not chip.pin_is(pin):\n        return False\n'
_STEPPED = (
    '"paid"][order] = [note, amount_tiyn, payee, state["number"] + 1]\n        _step(store, chip, state)'
)
_KNOWN = "if digest(data) == known:"
_SAVED = "    file = stall.save()\n    stall.take()\n"

WRONG = [
    Changed("spends once", "    stall.pay(note, stall.shops[1])\n", "", "spend_again"),
    Changed(
        "hides nothing", "    stall.restore(file)\n    return stall.report()", "    return 0", "hide_a_taking"
    ),
    Changed("saves too late", _SAVED, "    stall.take()\n    file = stall.save()\n", "hide_a_taking"),
    Changed("runs into the block", "if number % 2 == 0:", "if number < 0:", "guess_the_pin"),
    Rewritten("says a year", {"guess_the_pin": "return '1987'"}, "guess_the_pin"),
    Changed(
        "trusts the larger number",
        f"        {_KNOWN}\n            return unpack(data)\n    raise Stale",
        "    states = [unpack(one) for one in map(store.read, SLOTS) if one[:1] == b'{' and one[-1:] == b'}']\n"
        "    if states:\n        return max(states, key=lambda one: one['number'])\n    raise Stale",
        "wake",
    ),
    Changed(
        "trusts the counter alone",
        _KNOWN,
        "if data[-1:] == b'}' and unpack(data)['number'] == chip.held()[0]:",
        "wake",
    ),
    Changed(
        "one slot only", "    for slot in SLOTS:\n        data", "    for slot in 'a':\n        data", "wake"
    ),
    Changed("believes whatever is there", _KNOWN, "if data[-1:] == b'}':", "wake"),
    Rewritten(
        "remembers in memory",
        {
            "wake": "store, chip = arguments\n    kept = wake.__dict__.setdefault('kept', {})\n"
            "    states = [unpack(data) for data in map(store.read, SLOTS) if data]\n"
            "    state = max(states, key=lambda one: one['number'])\n    name = min(state['seen'])\n"
            "    if state['number'] < kept.get(name, 0):\n        raise Stale\n"
            "    kept[name] = state['number']\n    return state"
        },
        "an_old_state_signs_nothing",
    ),
    Rewritten("always stale", {"wake": "raise Stale"}, "wake"),
    Changed(
        "mends by itself",
        f"        {_KNOWN}\n",
        "        if data[-1:] == b'}' and unpack(data)['number'] == chip.held()[0] + 1:\n"
        "            chip.advance(chip.held()[0] + 1, digest(data))\n            return unpack(data)\n"
        f"        {_KNOWN}\n",
        "wake",
    ),
    Changed("the chip first", _WRITE + _ADVANCE, _ADVANCE + _WRITE, "pay_survives_every_cut"),
    Changed(
        "writes over the newest",
        _FREE,
        "free = next(s for s in SLOTS if digest(store.read(s)) == known)",
        "pay_survives_every_cut",
    ),
    Changed("always the same slot", _FREE, "free = 'a'", "pay_survives_every_cut"),
    Changed("never tells the chip", _ADVANCE, "", "pay"),
    Changed(
        "signs before it writes",
        _STEPPED,
        _STEPPED.replace(
            "\n        _step",
            '\n        chip.sign(message(order, note, amount_tiyn, payee, state["number"] + 1))\n        _step',
        ),
        "a_thief_with_copies_and_scissors",
    ),
    Changed("forgets the order", 'if order not in state["paid"]:', "if True:", "pay"),
    Changed("any note under an order", "if (paid[0], paid[2]) != (note, payee):", "if False:", "pay"),
    Changed("another number each time", "payee, paid[3])", 'payee, state["number"])', "pay"),
    Changed("the note stays", 'state["notes"].pop(note)', 'state["notes"][note]', "pay"),
    Changed(
        "swallows the cut",
        "    return data, chip.sign(data)",
        "    try:\n        return data, chip.sign(data)\n    except Exception:\n        return data, bytes(64)",
        "pay_survives_every_cut",
    ),
    Changed("takes what it spent", 'if note not in state["seen"]:', 'if note not in state["notes"]:', "take"),
    Changed(
        "takes in memory only",
        '        state["notes"][note] = amount_tiyn\n        _step(store, chip, state)\n',
        '        state["notes"][note] = amount_tiyn\n',
        "take",
    ),
    Changed(
        "counts after it judged",
        _TRIED,
        '    state["tries"] += 1\n    if not chip.pin_is(pin):\n'
        "        _step(store, chip, state)\n        return False\n",
        "try_pin",
    ),
    Changed("never blocks", 'if state["tries"] >= 3:', "if False:", "try_pin"),
    Changed("blocks too early", 'if state["tries"] >= 3:', 'if state["tries"] >= 2:', "try_pin"),
    Changed("never forgives", '    state["tries"] = 0\n', "", "try_pin"),
    Changed("believes the backup", "in bank.notes_of(device):", 'in backup["notes"]:', "recover"),
    Changed("refunds what is spent", "not spent and", "", "recover"),
    Changed("does not wait", "if closed and", "if", "recover"),
    Changed("refunds twice", " and not refunded:", ":", "recover"),
    Changed("never revokes", "    bank.revoke(device)\n", "", "recover"),
    Rewritten(
        "revokes last",
        {
            "recover": "bank, device, _ = arguments\n    paid = 0\n    for note in bank.notes_of(device):\n"
            "        _, amount, spent, closed, refunded = bank.about(note)\n"
            "        if closed and not spent and not refunded:\n            bank.refund(note)\n"
            "            paid += amount\n    bank.revoke(device)\n    return paid"
        },
        "recover",
    ),
    Changed("forgets the link", " or one.link == two.link", "", "read_papers"),
    Changed("copies are two", "if first.oid == second.oid:", "if False:", "read_papers"),
    Changed("spends before and after alike", " and one.counter <= two.counter", "", "read_papers"),
    Changed(
        "asks no heads", "(low.counter == high.counter) != (low.head == high.head)", "False", "read_papers"
    ),
    Changed("forgets the totals", '    "out_total_tiyn",\n', "", "read_papers"),
    Rewritten("proves nothing", {"read_papers": "return []"}, "read_papers"),
    Rewritten("proves all", {"read_papers": "return [1, 2, 3]"}, "read_papers"),
    Changed("forgets what came in", '    "in_total_tiyn",\n', "", "read_papers"),
    Changed(
        "only the notes of the backup",
        "in bank.notes_of(device):",
        'in set(bank.notes_of(device)) & set(backup["seen"]):',
        "recover",
    ),
    Changed(
        "signs once more after a cut",
        "    return data, chip.sign(data)",
        "    try:\n        return data, chip.sign(data)\n    except Exception:\n        return data, chip.sign(data)",
        "pay_survives_every_cut",
    ),
]
