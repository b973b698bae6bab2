"""Explores a model exhaustively, breadth first: every reachable state, what holds in each, and that nothing is stuck.

In each state (`fault_of`):

- **no value doubled, none lost**: held by elements + credited by settlement + on the way = the notes, and no coin is
  held twice, nor held and spent, nor held and credited;
- **fair syncs settle** (`settled_after_syncs`): when from here on every device is restarted and syncs to the end twice,
  and nothing else happens, every payment has exactly one owner: accepted, or credited, or (only when a host lost its
  data) known to settlement, which refunds it to its payee when the note closes.

And for the whole graph: from every state one with all value settled can be reached.
"""

from collections import deque
from dataclasses import dataclass, field

from tests.model.protocol import Model
from tests.model.states import NAMES, Label, State, start


@dataclass
class Explored:
    """What an exploration found; `trace` leads to the first fault, if there is one."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    fault: str = ""
    trace: list[tuple[Label, State]] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)

    def line(self, name: str) -> str:
        """One line for people."""
        return f"{name:34} {self.states:>9,} states {self.transitions:>10,} transitions, depth {self.depth}"


def fault_of(model: Model, state: State) -> str:
    """What is wrong in a state; empty if nothing is."""
    held = 0
    seen: dict[str, int] = {}
    for place, device in enumerate(state.devices):
        for coin in device.held:
            held += model.values[coin]
            if coin in seen:
                return f"coin {coin} is held by {NAMES[seen[coin]]} and by {NAMES[place]}"
            seen[coin] = place
    for number, pays in enumerate(model.pays):
        if state.payments[number].out and pays.coin in seen:
            return f"coin {pays.coin} is held though payment {number} spent it: doubled"
    away = credited = 0
    for number, pays in enumerate(model.pays):
        payment = state.payments[number]
        if number in state.claimed:
            credited += pays.value
            if payment.inv == 2:
                return f"payment {number} was credited by settlement and accepted: doubled"
        elif payment.out and payment.inv != 2:
            away += pays.value
    total = held + credited + away
    if total != model.scenario.total:
        what = "doubled" if total > model.scenario.total else "lost"
        return (
            f"{held} held + {credited} credited + {away} on the way, of {model.scenario.total}: value {what}"
        )
    return ""


def is_settled(model: Model, state: State) -> bool:
    """Whether every payment that was made has one owner.

    Where a payee's host may have lost its invoice it is enough that settlement has the payment: it is refunded to the
    payee when its note closes.
    """
    forgets = bool(state.wiped) or model.scenario.alone
    return all(
        payment.inv == 2 or number in state.claimed or (forgets and model.admitted(state, number))
        for number, payment in enumerate(state.payments)
        if payment.out
    )


def after_syncs(model: Model, state: State) -> State:
    """The state after every device was restarted and synced to the end, twice over."""
    for _ in range(2):
        for place in range(3):
            for _ in range(4):
                if state.devices[place].down:
                    state = dict(model._restart(state, place))["restart", place]
            if state.devices[place].asks is None:
                state = model._begin(state, place)
            state = model._submit(model._gather(state, place), place)
            state = model.plain(model._let_go(model._commit(state, place), place))
    return state


def explore(model: Model, most_states: int = 10**7, syncs_each: int = 1) -> Explored:
    """Breadth first to the end, or to the first fault. `syncs_each` asks for fair syncs of every n-th state only."""
    first = start(model.scenario)
    found = Explored()
    parent: dict[State, tuple[State, Label] | None] = {first: None}
    into: dict[State, list[State]] = {}
    level: dict[State, int] = {first: 0}
    queue = deque([first])
    while queue:
        state = queue.popleft()
        found.states += 1
        found.depth = max(found.depth, level[state])
        fault = fault_of(model, state)
        if not fault and found.states % syncs_each == 0:
            later = after_syncs(model, state)
            fault = fault_of(model, later)
            if not fault and not is_settled(model, later):
                fault = "after fair syncs of every device a payment still has no owner: value is stuck"
        if fault:
            found.fault, found.trace = fault, trace_to(parent, state)
            return found
        for label, after in model.steps(state):
            found.transitions += 1
            found.kinds[label[0]] = found.kinds.get(label[0], 0) + 1
            into.setdefault(after, []).append(state)
            if after not in parent:
                parent[after] = (state, label)
                level[after] = level[state] + 1
                queue.append(after)
                assert len(parent) <= most_states, "the model is larger than it was meant to be"
    stuck = parent.keys() - _can_settle(model, parent, into)
    if stuck:
        state = min(stuck, key=level.__getitem__)
        found.fault, found.trace = "no step leads to a state with all value settled", trace_to(parent, state)
    return found


def _can_settle(
    model: Model, states: dict[State, tuple[State, Label] | None], into: dict[State, list[State]]
) -> set[State]:
    """Every state from which a settled one can be reached (settled ones reach themselves)."""
    good = {state for state in states if is_settled(model, state)}
    queue = deque(good)
    while queue:
        for before in into.get(queue.popleft(), ()):
            if before not in good:
                good.add(before)
                queue.append(before)
    return good


def trace_to(parent: dict[State, tuple[State, Label] | None], state: State) -> list[tuple[Label, State]]:
    """The steps that lead to a state."""
    steps: list[tuple[Label, State]] = []
    place = parent[state]
    while place is not None:
        before, label = place
        steps.append((label, state))
        state, place = before, parent[before]
    return steps[::-1]


def told(model: Model, found: Explored) -> str:
    """A counterexample as people read it."""
    lines = [f"{model.scenario.name}: {found.fault}"]
    for number, (label, state) in enumerate(found.trace, start=1):
        lines.append(f"  {number:2}. {say(model, label):58} {picture(model, state)}")
    return "\n".join(lines)


def say(model: Model, label: Label) -> str:
    """One step in words."""
    what = str(label[0])
    if len(label) == 1:
        return what
    if what.startswith(("sync", "ack", "statement", "restart", "wipe")):
        return f"{NAMES[label[1]]}: {what}"
    pays = model.pays[label[1]]
    return f"payment {label[1]} ({NAMES[pays.payer]} to {NAMES[pays.payee]}): {what}"


def picture(model: Model, state: State) -> str:
    """Who has what."""
    held = "  ".join(
        f"{NAMES[place]} {'+'.join(sorted(device.held)) or '-'}{' (off)' if device.down else ''}"
        for place, device in enumerate(state.devices)
    )
    words = ("not asked", "open", "accepted", "closed")
    invoices = ", ".join(words[payment.inv] for payment in state.payments)
    return f"{held}  invoices: {invoices}  credited: {sorted(state.claimed) or '-'}"
