"""The interrupted payment as a small transition system: what of DTO/1 decides whether value stays whole.

Two payments among three devices, and settlement. A state is one tuple of small values; `steps` gives every step that
anybody can make from it: the hosts (which may have wrong clocks), the link (which loses, repeats, reorders and keeps
what it likes: a message that was ever let out may arrive at any time, any number of times, or never), strangers who
hand things in, power cuts at each journal point, a host that loses its data, time, and settlement.

What is left out, because it has no part in this: amounts of limits, certificates, TRUST lists, marks, redemption.

    for label, after in steps(scenario, rules, state): ...

Rules that the protocol rests on can be taken out one by one (`Rules`): each must then give a counterexample.

Source: DTO/1, sections 5.5, 5.7, 5.8 and 5.9.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.model.states import NONE, D, Label, P, Rules, Scenario, State, Statement


@dataclass
class Model:
    """One scenario under some rules."""

    scenario: Scenario
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        self.pays = self.scenario.payments
        self.values = {f"n{number}": value for number, (_, value) in enumerate(self.scenario.notes)}
        self.parent: dict[str, int | None] = dict.fromkeys(self.values)
        self.change: dict[int, str] = {}
        for number, payment in enumerate(self.pays):
            self.values[str(number)] = payment.value
            self.parent[str(number)] = number
            rest = self.values[payment.coin] - payment.value
            if rest:
                self.change[number] = f"{number}c"
                self.values[f"{number}c"] = rest
                self.parent[f"{number}c"] = number
        self.history = {coin: self._history(coin) for coin in self.values}

    def _history(self, coin: str) -> frozenset[int]:
        """The payments on a coin's line."""
        found = set()
        number = self.parent[coin]
        while number is not None:
            found.add(number)
            number = self.parent[self.pays[number].coin]
        return frozenset(found)

    def line_of(self, number: int) -> frozenset[int]:
        """The payments that a payment's message shows."""
        return self.history[str(number)]

    # --- all steps ---

    def steps(self, state: State) -> Iterator[tuple[Label, State]]:
        """Every step from a state that changes it: (what, after)."""
        for label, after in self._all(state):
            plain = self.plain(after)
            if plain != state:
                yield label, plain

    def plain(self, state: State) -> State:
        """The state without what can matter no more."""
        rows = []
        for number, payment in enumerate(state.payments):
            fields: dict[str, Any] = {}
            if payment.ivrow and payment.inv != 1 and number in state.invoices:
                fields["ivrow"] = False
            inbox, inrow = payment.inbox, payment.inrow
            if inrow == 1 and payment.inv == 3:
                # It can be accepted no more: kept or set aside, it will be handed in.
                inbox, inrow = True, 0
            if self.line_of(number) <= state.known:
                inbox, inrow = False, 0 if inrow == 2 else inrow
            if (inbox, inrow) != (payment.inbox, payment.inrow):
                fields |= {"inbox": inbox, "inrow": inrow}
            if payment.prow and payment.out == 2:
                fields["prow"] = False
            if payment.epoch and payment.out and payment.inv != 1:
                fields["epoch"] = 0
            rows.append(payment._replace(**fields) if fields else payment)
        cancelled = tuple(
            NONE if number in state.claimed else counters for number, counters in enumerate(state.cancelled)
        )
        devices = tuple(
            device._replace(floor=0, answered_at=0)
            if (device.floor or device.answered_at) and not self._clock_matters(rows, place)
            else device
            for place, device in enumerate(state.devices)
        )
        state = state._replace(payments=tuple(rows))
        devices = tuple(
            device._replace(lines=device.lines & self._useful(state, device)) if device.lines else device
            for device in devices
        )
        if self.scenario.alone:
            devices = tuple(
                device._replace(
                    gathered=frozenset(one for one in device.gathered if getattr(rows[one[1]], one[0]))
                )
                if device.gathered
                else device
                for device in devices
            )
        return state._replace(devices=devices, cancelled=cancelled)

    def _clock_matters(self, rows: list[P], place: int) -> bool:
        """Whether a device still has a deadline that its host might put its clock back for."""
        return any(
            (pays.payer == place and payment.inv and not payment.out and not payment.epoch)
            or (
                pays.payee == place
                and not payment.epoch
                and (payment.inv == 1 or (payment.inv and not payment.shown))
            )
            for payment, pays in zip(rows, self.pays, strict=True)
        )

    def _all(self, state: State) -> Iterator[tuple[Label, State]]:
        for number in range(len(self.pays)):
            yield from self._ask(state, number)
            yield from self._pay(state, number)
            yield from self._deliver(state, number)
            payment = state.payments[number]
            if payment.net and not self.line_of(number) <= state.known:
                yield ("hand in", number), self._learn(state, self.line_of(number), NONE)
        for place in self.scenario.syncers:
            yield from self._sync(state, place)
        for place in range(3):
            if state.devices[place].down:
                yield from self._restart(state, place)
            elif self.scenario.wipes and not state.wiped:
                yield ("wipe", place), self._wipe(state, place)
        if self.scenario.late and state.time == 0:
            yield ("time",), state._replace(time=1)

    # --- small changes ---

    def _p(self, state: State, number: int, **fields: Any) -> State:
        row = list(state.payments)
        row[number] = row[number]._replace(**fields)
        return state._replace(payments=tuple(row))

    def _d(self, state: State, place: int, **fields: Any) -> State:
        row = list(state.devices)
        row[place] = row[place]._replace(**fields)
        return state._replace(devices=tuple(row))

    def _useful(self, state: State, device: D) -> frozenset[str]:
        """Lines that matter: of what is held, and of what is spent and not yet kept as a message."""
        spent = {
            self.pays[n].coin for n in device.log if state.payments[n].out == 1 and not state.payments[n].prow
        }
        return device.held | spent

    # --- invoices ---

    def _ask(self, state: State, number: int) -> Iterator[tuple[Label, State]]:
        payment, payee = state.payments[number], self.pays[number].payee
        device = state.devices[payee]
        if device.down:
            return
        if payment.inv == 0:
            # Making an invoice lets go those that have expired.
            for other, pays in enumerate(self.pays):
                row = state.payments[other]
                if pays.payee == payee and row.inv == 1 and row.epoch < state.time:
                    state = self._p(state, other, inv=3)
            made = self._p(state, number, inv=1, epoch=state.time)
            yield ("invoice", number), self._p(made, number, shown=True, ivrow=True)
            if self.scenario.crashes:
                yield ("invoice, cut after the journal", number), self._d(made, payee, down=True)
        elif not payment.shown and state.wiped != payee + 1 and device.floor <= payment.epoch:
            yield ("invoice again", number), self._p(state, number, shown=True, ivrow=True)

    # --- paying ---

    def _pay(self, state: State, number: int) -> Iterator[tuple[Label, State]]:
        payment, pays = state.payments[number], self.pays[number]
        device = state.devices[pays.payer]
        if device.down or not payment.shown:
            return
        if payment.out == 0:
            ready = pays.coin in device.held and pays.coin in device.lines
            if not ready or device.floor > payment.epoch:
                return
            spent = self._spend(state, number)
            kept = self._keep_message(spent, number)
            name = "pay" if state.time == payment.epoch else "pay, clock put back"
            yield (name, number), self._p(kept, number, net=True)
            if self.scenario.crashes and name == "pay":
                yield ("pay, cut after the journal", number), self._d(spent, pays.payer, down=True)
                yield ("pay, cut after the message was kept", number), self._d(kept, pays.payer, down=True)
                if not self.rules.journal_before_release:
                    out = self._p(state, number, net=True)
                    yield ("pay, cut before the journal", number), self._d(out, pays.payer, down=True)
        elif payment.prow and not payment.net:
            yield ("resend", number), self._p(state, number, net=True)

    def _spend(self, state: State, number: int) -> State:
        """The payer's element: the coin is struck out, the change is there, the transfer is in the outbox."""
        pays = self.pays[number]
        device = state.devices[pays.payer]
        held = device.held - {pays.coin}
        if number in self.change:
            held |= {self.change[number]}
        state = self._p(state, number, out=1)
        return self._d(state, pays.payer, held=held, log=(*device.log, number))

    def _keep_message(self, state: State, number: int) -> State:
        """The payer's host: the message is kept, and the change's line."""
        pays = self.pays[number]
        lines = state.devices[pays.payer].lines
        if number in self.change:
            lines |= {self.change[number]}
        state = self._p(state, number, prow=True)
        return self._d(state, pays.payer, lines=lines)

    # --- receiving ---

    def _deliver(self, state: State, number: int) -> Iterator[tuple[Label, State]]:
        payment, payee = state.payments[number], self.pays[number].payee
        device = state.devices[payee]
        if not payment.net or device.down or (payment.inrow == 2 and self.rules.accept_consumes_invoice):
            return
        now = max(state.time, device.floor)
        if payment.inv == 1 and payment.epoch < now and payment.epoch >= device.floor:
            taken = self._take(state, number)
            yield ("deliver, clock put back", number), self._p(taken, number, inrow=2)
        takes = payment.inv == 2 or (payment.inv == 1 and payment.epoch >= now)
        if not takes:
            aside = self._p(state, number, inbox=True)
            if aside != state:
                yield ("deliver", number), aside
            return
        taken = self._take(state, number)
        yield ("deliver", number), self._p(taken, number, inrow=2)
        if self.scenario.crashes and payment.inv == 1:
            kept = self._p(state, number, inrow=max(1, payment.inrow))
            yield ("deliver, cut before the journal", number), self._d(kept, payee, down=True)
            kept = self._p(taken, number, inrow=1)
            yield ("deliver, cut after the journal", number), self._d(kept, payee, down=True)

    def _take(self, state: State, number: int) -> State:
        """The payee's element accepts; asked again, it gives the same receipt and takes nothing."""
        payee = self.pays[number].payee
        device = state.devices[payee]
        payment = state.payments[number]
        if payment.inv == 2 and self.rules.accept_consumes_invoice:
            # The host keeps the line again if the coin is still there.
            return self._d(state, payee, lines=device.lines | {str(number)})
        coin = {str(number)}
        state = self._p(state, number, inv=2)
        return self._d(state, payee, held=device.held | coin, lines=device.lines | coin)

    # --- restarts and lost data ---

    def _restart(self, state: State, place: int) -> Iterator[tuple[Label, State]]:
        state = self._d(state, place, down=False)
        for number in state.devices[place].log:
            payment = state.payments[number]
            lost = payment.prow or self.pays[number].coin not in state.devices[place].lines
            if payment.out == 1 and not lost and self.rules.outbox_keeps_transfers:
                state = self._keep_message(state, number)
        cut: list[State] = []
        for number, pays in enumerate(self.pays):
            payment = state.payments[number]
            if pays.payee != place or payment.inrow != 1:
                continue
            if payment.inv == 2:
                state = self._p(state, number, inrow=2)
            elif (
                payment.ivrow
                and payment.inv == 1
                and payment.epoch >= max(state.time, state.devices[place].floor)
            ):
                taken = self._take(state, number)
                cut.append(self._d(taken, place, down=True))
                state = self._p(taken, number, inrow=2)
            elif payment.ivrow:
                state = self._p(state, number, inrow=0, inbox=True)
            # Without the invoice the host leaves it as it is; the next sync hands it in.
        yield ("restart", place), state
        if self.scenario.crashes and cut:
            yield ("restart, cut after the journal", place), cut[0]

    def _wipe(self, state: State, place: int) -> State:
        """The host's rows are gone; the element is as it was."""
        for number, pays in enumerate(self.pays):
            if pays.payer == place:
                state = self._p(state, number, prow=False)
            if pays.payee == place:
                state = self._p(state, number, ivrow=False, inrow=0, inbox=False)
        state = self._d(state, place, lines=NONE, gathered=None)
        return state._replace(wiped=place + 1)

    # --- sync ---

    def _sync(self, state: State, place: int) -> Iterator[tuple[Label, State]]:
        device = state.devices[place]
        if device.down:
            return
        if device.asks is None:
            begun = self._begin(state, place)
            yield ("sync begins", place), self._gather(begun, place)
            if self.scenario.crashes:
                yield ("sync begins, cut after the journal", place), self._d(begun, place, down=True)
            return
        yield ("sync handed in", place), self._submit(self._gather(state, place), place)
        if self.scenario.alone:
            alone = self._state(self._gather(state, place), place, set(), set())
            yield ("statement handed in alone", place), alone
        if device.answer:
            committed = self._commit(state, place)
            yield ("acknowledged", place), self._let_go(committed, place)
            if self.scenario.crashes:
                cut = self._d(committed, place, down=True, gathered=None)
                yield ("acknowledged, cut after the journal", place), cut

    def _begin(self, state: State, place: int) -> State:
        """The element states what it holds and cancels its open invoices."""
        device = state.devices[place]
        mine = [number for number, pays in enumerate(self.pays) if pays.payee == place]
        issued = frozenset(number for number in mine if state.payments[number].inv)
        if self.rules.sync_cancels_invoices:
            for number in mine:
                if state.payments[number].inv == 1:
                    state = self._p(state, number, inv=3)
        state = self._d(state, place, gathered=None)
        said = Statement(
            len(device.log), frozenset(coin for coin in device.held if self.history[coin]), issued
        )
        return self._d(state, place, asks=said, answer=0, answered_at=0)

    def _gather(self, state: State, place: int) -> State:
        """The host writes down what it hands in, the first time for a statement."""
        device = state.devices[place]
        if not self.scenario.alone or device.gathered is not None:
            return state
        assert device.asks is not None
        rows: set[tuple[str, int]] = set()
        for number, pays in enumerate(self.pays):
            payment = state.payments[number]
            if pays.payee == place:
                rows |= {("inbox", number)} if payment.inbox else set()
                rows |= {("ivrow", number)} if payment.ivrow and number in device.asks.issued else set()
                rows |= {("inrow", number)} if payment.inrow else set()
        return self._d(state, place, gathered=frozenset(rows))

    def _submit(self, state: State, place: int) -> State:
        """Settlement gets what the host has, and the statement; the answer is made once."""
        device = state.devices[place]
        assert device.asks is not None
        known: set[int] = set()
        invoices: set[int] = set()
        for coin in device.asks.purse & device.lines:
            known |= self.history[coin]
        for number, pays in enumerate(self.pays):
            payment = state.payments[number]
            if pays.payer == place and payment.prow:
                known |= self.line_of(number)
            elif pays.payer == place and payment.out == 1 and self.rules.outbox_keeps_transfers:
                known.add(number)
            if pays.payee == place:
                if payment.inrow or payment.inbox:
                    known |= self.line_of(number)
                if payment.ivrow:
                    invoices.add(number)
        return self._state(state, place, known, invoices)

    def _state(self, state: State, place: int, known: set[int], invoices: set[int]) -> State:
        """The statement arrives with these objects; settlement answers it once, by what it knows then."""
        device = state.devices[place]
        assert device.asks is not None
        cancelled = list(state.cancelled)
        for number in device.asks.issued:
            if str(number) not in device.asks.purse or not self.rules.claim_needs_purse_without:
                cancelled[number] |= {device.asks.counter}
        state = state._replace(cancelled=tuple(cancelled))
        state = self._learn(state, frozenset(known), frozenset(invoices))
        if device.answer:
            return state
        complete = self._complete(state, place, device.asks.counter)
        return self._d(state, place, answer=2 if complete else 1, answered_at=state.time)

    def _complete(self, state: State, place: int, counter: int) -> bool:
        return set(state.devices[place].log[:counter]) <= state.known

    def _commit(self, state: State, place: int) -> State:
        """The element takes the acknowledgement."""
        device = state.devices[place]
        assert device.asks is not None
        if device.answer == 2 or not self.rules.outbox_freed_only_when_complete:
            for number in device.log[: device.asks.counter]:
                state = self._p(state, number, out=2)
        floor = max(device.floor, device.answered_at)
        return self._d(state, place, asks=None, answer=0, answered_at=0, floor=floor)

    def _let_go(self, state: State, place: int) -> State:
        """The host forgets what was gathered first for the acknowledged statement."""
        device = state.devices[place]
        for row, number in device.gathered or ():
            state = self._p(state, number, **{row: 0 if row == "inrow" else False})
        return self._d(state, place, lines=device.lines & device.held, gathered=None)

    # --- settlement ---

    def _learn(self, state: State, transfers: frozenset[int], invoices: frozenset[int]) -> State:
        """Settlement gets to know these, and credits what has become certain."""
        state = state._replace(known=state.known | transfers, invoices=state.invoices | invoices)
        claimed = set(state.claimed)
        for number in range(len(self.pays)):
            if number not in claimed and self._due(state, number):
                claimed.add(number)
        return state._replace(claimed=frozenset(claimed))

    def admitted(self, state: State, number: int) -> bool:
        """Whether settlement has the whole line of a payment."""
        return self.line_of(number) <= state.known

    def _due(self, state: State, number: int) -> bool:
        """Whether a payment is certainly undelivered, in settlement's eyes."""
        if not self.admitted(state, number) or number not in state.invoices:
            return False
        payee = self.pays[number].payee
        if not self.rules.claim_needs_cancelling_statement:
            return True
        log = state.devices[payee].log
        for counter in state.cancelled[number]:
            spent = any(self.pays[made].coin == str(number) for made in log[:counter] if made in state.known)
            complete = self._complete(state, payee, counter) or not self.rules.claim_needs_complete_log
            if complete and not spent:
                return True
        return False
