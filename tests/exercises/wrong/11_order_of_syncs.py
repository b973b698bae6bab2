"""Wrong answers to the exercise on the order of syncs: orders that do nothing, and decisions that lack one thought."""

from tests.exercises.answers import Changed, Rewritten

LOSE, TWICE, TABLE = "make_the_shop_lose", "paid_twice", "measure"
HONEST, FORKS = "decide_settles_honest_papers", "decide_books_each_loss_once"
CLOSE, INNOCENT, ORDER, DIGEST = (
    "decide_looks_at_the_close",
    "decide_names_nobody_honest",
    "decide_knows_no_order",
    "digest",
)

_ORDER = "return [pasture.spared, *pasture.ring, pasture.victim]"
_ROW = "rows.append((order, *losses, pasture.product(order)["
_COUNT = "losses[outpoint] = (count - 1) * output.amount_tiyn"
_INDEX = "return steps(pasture, longer)[length].record.index == line.position"
_MIN = "arrived[transfer.oid] = min(moment, arrived.get(transfer.oid, moment))"
_VERIFY = "signed.verify(public_key(*keys[signed.record.payer]))"

_VISITS = "return [(name, place), (other, there)]"
_GUILTY = "guilty.add(output.owner)"
_PAYEES = "guilty.update(o.owner for p, o in outputs.items() if p.previous in spends[outpoint])"
_CERTIFIED = "if signed.record.payer not in keys:\n            return None\n        signed"
_CAUGHT = "    except TengeError:\n        return None\n    return signed"
_FIRST = "                if child.record.outpoint not in spends and follows("
_NO_DIGEST = "rows.append((order, *losses, str(order)) if 1 else (pasture.product(order)["

_CHANGES = (
    ("the ring before both shops", _ORDER, "return [*pasture.ring, pasture.spared, pasture.victim]", LOSE),
    ("the victim first", _ORDER, "return [pasture.victim, *pasture.ring, pasture.spared]", LOSE),
    ("the victim alone", _ORDER, "return [pasture.victim]", LOSE),
    ("the order as they are shown", _ORDER, "return list(pasture.claimants)", LOSE),
    ("change taken for a copy", _INDEX, "return line.position == 1", TWICE),
    ("the longer line first", "[(name, place), (other, there)]", "[(other, there), (name, place)]", TWICE),
    ("the same visit twice", "[(name, place), (other, there)]", "[(name, place), (name, place)]", TWICE),
    ("visits around it", _VISITS, "return [(name, place)] * 2 + [(other, there)]", TWICE),
    ("half of the table", "return rows\n", "return rows[:12]\n", TABLE),
    ("one row for all", "return rows\n", "return rows[:1] * 24\n", TABLE),
    ("losses changed", "refused.get(pasture.spared, 0)\n", "0\n", TABLE),
    ("losses without a digest", _ROW, _NO_DIGEST, TABLE),
    ("only who comes first is credited", "        if count == 0:", "        if count == 99:", HONEST),
    ("each pair is a loss", _COUNT, "losses[outpoint] = count * (count - 1) // 2 * output.amount_tiyn", FORKS),
    ("one loss for each fork", _COUNT, "losses[outpoint] = output.amount_tiyn", FORKS),
    ("every spend is a loss", _COUNT, "losses[outpoint] = count * output.amount_tiyn", FORKS),
    ("first seen: one branch only", "                if follows(", _FIRST, FORKS),
    ("the payees are named", _GUILTY, _PAYEES, FORKS),
    ("the guilty in another order", '"guilty": sorted(guilty)}', '"guilty": sorted(guilty, reverse=True)}', FORKS),
    ("nobody is named", "guilty.add(output.owner)", "pass", FORKS),
    ("no close", "if arrived[oid] <= closes_at:", "if arrived[oid]:", CLOSE),
    ("the last second does not count", "if arrived[oid] <= closes_at:", "if arrived[oid] < closes_at:", CLOSE),
    ("a copy's arrival counts", _MIN, "arrived[transfer.oid] = max(moment, arrived.get(transfer.oid, moment))", CLOSE),
    ("no signature is verified", _VERIFY, "pass", INNOCENT),
    ("unknown devices count", _CERTIFIED, "if signed.record.payer in keys:\n            signed", INNOCENT),
    ("nothing needs to follow", "        check_follows(child, parent, note)", "        pass", INNOCENT),
    ("bytes make it fail", _CAUGHT, _CAUGHT.replace("TengeError", "ZeroDivisionError"), INNOCENT),
    ("the digest of the order", "credited = sorted([kid, tiyn] for", "credited = list([kid, tiyn] for", DIGEST),
    ("the digest without losses", "[credited, losses, sorted", "[credited, [], sorted", DIGEST),
    ("the digest without the guilty", "[credited, losses, sorted(decision[\"guilty\"])]", "[credited, losses]", DIGEST),
)  # fmt: skip

_ARRIVAL_ORDER = """
    outputs, spends, notes_of = {}, {}, {}
    for data in notes:
        note = opened_note(data, network)
        outputs[Outpoint(note.oid, 0)] = Output(note.record.amount_tiyn, note.record.owner)
        notes_of[note.oid] = (note, note)
    for moment, papers in batches:
        for data in papers:
            one = opened(data, keys, network)
            if one is None or moment > closes_at or one.record.previous not in notes_of:
                continue
            parent, note = notes_of[one.record.previous]
            if follows(one, parent, note):
                spends.setdefault(one.record.outpoint, set()).add(one.oid)
                for place, output in enumerate(one.record.outputs):
                    outputs[Outpoint(one.oid, place)] = output
                notes_of[one.oid] = (one, note)
    credited, losses, guilty = {}, {}, set()
    for point, output in outputs.items():
        count = len(spends.get(point, ()))
        if not count:
            credited[output.owner] = credited.get(output.owner, 0) + output.amount_tiyn
        elif count > 1:
            losses[point] = (count - 1) * output.amount_tiyn
            guilty.add(output.owner)
    return {'credited': credited, 'losses': losses, 'guilty': sorted(guilty)}
"""

_BY_COPIES = """
    seen = {}
    for moment, papers in batches:
        for data in papers:
            one = opened(data, keys, network)
            if one is not None and moment <= closes_at:
                seen.setdefault(one.record.outpoint, []).append((one.oid, one.record.payer))
    losses = {point: 1 for point, rows in seen.items() if len(rows) > 1}
    named = sorted({rows[0][1] for rows in seen.values() if len(rows) > 1})
    return {'credited': {}, 'losses': losses, 'guilty': named}
"""


def _decide(name: str, body: str, fails: str) -> Rewritten:
    text = "notes, batches, keys, network, closes_at = arguments\n" + body
    return Rewritten(name, {"decide": text}, fails)


WRONG = [
    *(Changed(*row) for row in _CHANGES),
    _decide("papers are taken as they come", _ARRIVAL_ORDER, ORDER),
    _decide("copies are spends", _BY_COPIES, INNOCENT),
    _decide("nothing is decided", "    return {'credited': {}, 'losses': {}, 'guilty': []}", HONEST),
    _decide(
        "everybody is named", "    return {'credited': {}, 'losses': {}, 'guilty': sorted(keys)}", INNOCENT
    ),
    _decide("everything is refused", "    raise ValueError('no')", HONEST),
    Rewritten("one digest for all", {"digest": "return bytes(32)"}, DIGEST),
    Rewritten(
        "the length of a decision", {"digest": "return repr(arguments).encode()[:32].ljust(32)"}, DIGEST
    ),
]
