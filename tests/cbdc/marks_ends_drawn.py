"""Random ends of marked money for the programs: release, return, seizure, load, settlement, redemption."""

from typing import TYPE_CHECKING, Any

from tests.cbdc.marks_model import Coin, holder
from tests.cbdc.marks_model_ends import Move
from tests.cbdc.marks_rules_drawn import PAPERS
from tests.cbdc.marks_world import KEYS, PEOPLE

if TYPE_CHECKING:
    from tests.cbdc.marks_programs import Program

KINDS = ("release",) * 6 + (
    "load",
    "load",
    "redeem",
    "refund",
    "recover",
    "loss",
    "expire",
    "expire",
    "seize",
    "burn",
)


def drawn_end(program: "Program") -> Move | None:
    """Any of them; nothing when nobody has such money."""
    random, model = program.random, program.model
    kind = random.choice(KINDS)
    source = {
        "redeem": "escrow",
        "refund": "escrow",
        "recover": "escrow",
        "loss": "reserve",
        "burn": "budget",
    }
    keys = [source[kind]] if kind in source else list(KEYS)
    if kind == "release" and random.random() < 0.9:
        able = [
            key for key in KEYS if any(PEOPLE[holder(key)] in rule.release for rule in model.rules.values())
        ]
        keys = able or keys
    if kind == "release" and random.random() < 0.5:
        # Somebody who may free money on documents, if there is such a mark.
        names = {
            name
            for name, rule in model.rules.items()
            if any(one["kind"] == "release" for one in rule.clauses)
        }
        rich = [one for one, coin in model.coins.items() if coin.mark in names and coin.key in KEYS]
        if rich:
            return _release(program, random.choice(rich))
    marked = [
        (one, coin)
        for one, coin in model.coins.items()
        if coin.key in keys and (coin.mark or kind not in ("release", "expire"))
    ]
    if not marked:
        return None
    one, coin = random.choice(marked)
    inputs = [one]
    if random.random() < 0.2:
        inputs += [other for other in program.coins_of(coin.key, coin.mark) if other != one][:1]
    if random.random() < 0.05:
        inputs += [random.choice([other for other in model.coins if other not in inputs])]
    total = sum(model.coins[each].amount for each in inputs)
    part = random.choice((total, min(total, 20), min(total, 60)))
    move = _move(program, kind, coin, inputs, part)
    if total > part:
        move.outputs.append(Coin(total - part, coin.key, coin.mark))
    return _bent(program, move) if random.random() < 0.2 else move


def _release(program: "Program", one: Any) -> Move:
    """A release of about what its documents allow, perhaps again and again on the same ones."""
    random, model = program.random, program.model
    coin = model.coins[one]
    part = min(coin.amount, random.choice((10, 15, 30, 50, coin.amount)))
    move = _move(program, "release", coin, [one], part)
    move.documents = list(random.choice((PAPERS[:1], PAPERS[:1] * 2, PAPERS[:2])))
    program.prepare(model.rules[coin.mark], holder(coin.key), holder(coin.key), move, part)
    if coin.amount > part:
        move.outputs.append(Coin(coin.amount - part, coin.key, coin.mark))
    return move


def _move(program: "Program", kind: str, coin: Coin, inputs: list[Any], part: int) -> Move:
    random, model = program.random, program.model
    rule = model.rules.get(coin.mark)
    if kind == "release":
        move = Move(kind, inputs, [Coin(part, coin.key, "")], {coin.key})
        move.documents = random.sample(PAPERS, random.choice((0, 1, 2, 2)))
        if rule is not None and rule.evidence and random.random() < 0.9:
            move.statements = [_said(program, rule.evidence, coin, random.choice((part, part, part - 1)))]
        if rule is not None:
            program.prepare(rule, holder(coin.key), holder(coin.key), move, part)
        return move
    if kind == "expire":
        to = random.choice(("budget",) * 5 + ("inventory1", "reserve"))
        if rule is not None and program.ledger.now <= rule.end and random.random() < 0.5:
            program.ledger.now = rule.end + random.choice((0, 1))
        return Move(kind, inputs, [Coin(part, to, "")], {"treasury"})
    if kind == "seize":
        return Move(kind, inputs, [Coin(part, random.choice(("budget", "reserve")), "")], {"enforcement"})
    if kind == "load":
        return Move(kind, inputs, [Coin(part, "escrow", coin.mark)], {coin.key})
    if kind == "burn":
        left = [Coin(1, coin.key, coin.mark)] if part > 1 and random.random() < 0.5 else []
        return Move(kind, inputs, left, {coin.key, "operator"})
    if kind == "loss":
        mark = random.choice(("", *model.rules))
        return Move(kind, inputs, [Coin(part, "escrow", mark)], {"settle"})
    if kind == "recover":
        return Move(kind, inputs, [Coin(part, "reserve", "")], {"settle"})
    payee = random.choice(KEYS)
    drops = kind == "redeem" and rule is not None and rule.converts and model.category(payee) in rule.release
    if random.random() < 0.1:
        drops = not drops
    return Move(kind, inputs, [Coin(part, payee, "" if drops else coin.mark)], {"settle"})


def _said(program: "Program", register: str, coin: Coin, amount: int) -> dict[str, Any]:
    number = program.random.randrange(4)
    return {
        "register": register,
        "mark": coin.mark,
        "holder": holder(coin.key),
        "amount": max(1, amount),
        "id": (f"{number} {coin.mark} {holder(coin.key)} {max(1, amount)}"),
    }


def _bent(program: "Program", move: Move) -> Move:
    random = program.random
    place = random.randrange(len(move.outputs)) if move.outputs else 0
    match random.randrange(6):
        case 0 if move.outputs:
            key = random.choice((*KEYS, "budget", "escrow", "inventory1", "reserve"))
            move.outputs[place] = move.outputs[place]._replace(key=key)
        case 1 if move.outputs:
            mark = random.choice(("", *program.model.rules))
            move.outputs[place] = move.outputs[place]._replace(mark=mark)
        case 2 if move.outputs:
            move.outputs[place] = move.outputs[place]._replace(amount=move.outputs[place].amount + 1)
        case 3:
            move.signers = {random.choice((*KEYS, "treasury", "settle", "enforcement"))}
        case 4 if move.statements:
            move.statements = move.statements * 2
        case _:
            move.documents = random.choices(PAPERS, k=3)
    return move
