"""What the cast does online, in batches: vouchers, purchases, payments, releases, sales, and the way back.

Each call takes the id of what it is (a step of a pilot, a click on the stage); everything below derives its own ids
from that, so the same call again is harmless and a call that was cut off is completed by repeating it.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence

from cbdc import canonical
from cbdc.cabinet import Row as DrawerRow
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger.entry import Receipt
from cbdc.marks import MarkDefinition, Statement
from cbdc.ports import Clock
from cbdc.record import Signed, Unsigned, sign
from cbdc.sales import SaleOrder
from cbdc.system import System
from cbdc.token import TREASURY_ACCOUNT, TokenId
from cbdc.treasury import Voucher
from wallets.basis import NO_BASIS, Basis, arriving, marked_in_part
from wallets.cast import Member
from wallets.store import Done, Intent, Refusal, WalletStore, WalletToken
from wallets.wallet import (
    GROUP,
    MAX_TOKENS_A_PAYMENT,
    Payee,
    Sight,
    amount_of,
    find_tokens_of,
    open_refusal,
    refusal_result,
    save,
    send_one,
    send_saved,
)

Row = tuple[Member, int]
Answers = list[TengeError | None]

_EXPIRED = "expired vouchers"
_POOR = "payments without cover"
_SELLERS = 100


def derived(*parts: bytes | str | int) -> bytes:
    """The 32-byte id that follows from these parts."""
    digest = hashlib.sha256(b"sandbox id\0")
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.digest()


class Desk:
    """The online side of a sandbox. `directory` maps the key ids of its wallets to their names."""

    def __init__(self, system: System, store: WalletStore, clock: Clock, directory: dict[bytes, str]) -> None:
        self._system = system
        self._store = store
        self._clock = clock
        self._directory = directory
        self._bank_ids = {bank.name: number for number, bank in system.banks.items()}

    def bank_id(self, name: str) -> int:
        """The number of a bank by its name; E_BANK_NAME."""
        if name not in self._bank_ids:
            raise Refused("E_BANK_NAME", name=name, known=", ".join(self._bank_ids))
        return self._bank_ids[name]

    # --- the National Bank, the banks and the budget ---

    def order(self, bank: str, amount_tiyn: int, id: bytes) -> None:
        """A bank orders digital tenge against its reserves: request, register, two of three officers, issue."""
        self._system.banks[self.bank_id(bank)].order_tokens(derived(id, "order"), amount_tiyn)

    def redeem(self, bank: str, id: bytes) -> int:
        """A bank gives its whole inventory back to the National Bank; how much (tiyn)."""
        institution = self._system.banks[self.bank_id(bank)]
        request = derived(id, "redeem")
        known = self._system.register.find(request)
        amount = institution.inventory_tiyn() if known is None else known.amount_tiyn
        if amount:
            institution.redeem_surplus(request, amount)
        return amount

    def give_vouchers(self, definition: Signed[MarkDefinition], rows: Sequence[Row], id: bytes) -> Answers:
        """The treasury gives marked money to many wallets; a member without consent is refused (E_CONSENT)."""
        allowed = [(place, row) for place, row in enumerate(rows) if row[0].consent]
        answers: Answers = [Refused("E_CONSENT", member=member.name) for member, _ in rows]
        vouchers = [Voucher(member.wallet.kid, amount) for _, (member, amount) in allowed]
        if vouchers:
            given = self._system.treasury.distribute(derived(id, "voucher"), definition, vouchers)
            for (place, _), answer in zip(allowed, given, strict=True):
                answers[place] = answer if isinstance(answer, TengeError) else None
            self._take_in([member for _, (member, _) in allowed])
        return answers

    def expire(self, definition: Signed[MarkDefinition], members: Sequence[Member], id: bytes) -> int:
        """Vouchers that nobody used return to the budget; how much is back (tiyn)."""
        kids = [member.wallet.kid for member in members]
        returned = self._to_return_tiyn(derived(id, "expire"), definition.oid, kids)
        answers = self._system.treasury.expire(definition, kids)
        refused = [answer for answer in answers if isinstance(answer, TengeError)]
        if refused:
            raise refused[0]
        gone = [
            (member.wallet.name, token.id)
            for member in members
            for token in member.wallet.tokens(definition.oid)
        ]
        if gone:
            self._store.record(dropped=gone)
        return returned

    def _to_return_tiyn(self, name: bytes, mark: bytes, kids: Sequence[bytes]) -> int:
        """What the keys held of a mark when this was asked first.

        It is written down before anything is taken, so that repeating a call that was cut off gives the same answer.
        """
        cabinet = self._system.stores.cabinet
        if cabinet.get(_EXPIRED, name) is None:
            held = [token for kid in kids for _, token in self._system.ledger.owned(kid)]
            amount = sum(token.amount_tiyn for token in held if token.mark == mark)
            cabinet.put_many([DrawerRow(_EXPIRED, name, canonical.encode(amount))])
        return Unsigned().load(canonical.decode(cabinet.get(_EXPIRED, name) or b""), "amount")

    # --- the cast ---

    def _take_in(self, members: Sequence[Member]) -> None:
        find_tokens_of(self._store, self._system.ledger, [member.wallet for member in members])

    def buy(self, rows: Sequence[Row], id: bytes) -> Answers:
        """Members buy digital tenge from their banks with their deposits."""
        answers: Answers = [None] * len(rows)
        for bank in {member.bank for member, _ in rows}:
            places = [place for place, (member, _) in enumerate(rows) if member.bank == bank]
            for start in range(0, len(places), GROUP):
                self._buy(bank, rows, places[start : start + GROUP], id, answers)
        return answers

    def _buy(self, bank: str, rows: Sequence[Row], places: list[int], id: bytes, answers: Answers) -> None:
        orders = [
            SaleOrder(derived(id, "buy", member.name), member.customer, member.wallet.kid, amount)
            for member, amount in (rows[place] for place in places)
        ]
        sold = self._system.banks[self.bank_id(bank)].sell(orders)
        for place, answer in zip(places, sold, strict=True):
            answers[place] = answer if isinstance(answer, TengeError) else None
        self._take_in([rows[place][0] for place in places])

    def pay(
        self,
        rows: Sequence[tuple[Member, Member | None, int]],
        definition: Signed[MarkDefinition] | None,
        id: bytes,
        bases: Sequence[Basis] = (),
        marking: Signed[MarkDefinition] | None = None,
    ) -> Answers:
        """Members pay members (None: the treasury account) in money of one mark (None: free), all in one group.

        `bases` say for each row what it stands on; a payee signs the lines. `marking` is the mark that payers put on a
        share of the free money they pay. Who had too little when this was asked first is refused again, even if the
        group itself has brought money since.
        """
        mark = definition.oid if definition else b""
        cabinet = self._system.stores.cabinet
        answers: Answers = [None] * len(rows)
        saved: list[Intent] = []
        places: list[int] = []
        poor: list[DrawerRow] = []
        taken: set[TokenId] = set()
        # First every coin is chosen and every intent saved, a group at a time; only then is anything sent. So a call
        # that was cut off anywhere finds its intents as they were, and makes the rest out of the same money.
        for start in range(0, len(rows), GROUP):
            ids = [
                derived(id, "pay", start + place, row[0].name)
                for place, row in enumerate(rows[start : start + GROUP])
            ]
            before = cabinet.get_many(_POOR, ids)
            sight = Sight.of(
                self._store,
                [(row[0].wallet.name, name) for row, name in zip(rows[start:], ids, strict=False)],
            )
            intents: list[Intent] = []
            for place, intent_id in enumerate(ids, start=start):
                member, payee, amount = rows[place]
                basis = bases[place] if bases else NO_BASIS
                if intent_id in before:
                    answers[place] = open_refusal(before[intent_id])
                    continue
                try:
                    payees = self._payees(member, payee, amount, marking or definition, marking is not None)
                    signers = [payee.wallet.signer] if basis.lines and payee is not None else []
                    intents.append(
                        member.wallet.prepare_payment(
                            intent_id, payees, mark, taken=taken, sight=sight, basis=basis, co_signers=signers
                        )
                    )
                    places.append(place)
                except TengeError as error:
                    answers[place] = error
                    poor.append(DrawerRow(_POOR, intent_id, refusal_result(error)))
            saved += save(self._store, intents) if intents else []
        if poor and saved:
            cabinet.put_many(poor)
        results = send_saved(self._store, self._system.ledger, saved, self._directory, self._clock)
        for place, answer in zip(places, results, strict=True):
            answers[place] = answer if isinstance(answer, TengeError) else None
        return answers

    def _payees(
        self,
        payer: Member,
        payee: Member | None,
        amount_tiyn: int,
        definition: Signed[MarkDefinition] | None,
        marking: bool,
    ) -> list[Payee]:
        """The outputs that a payee gets, in the order of their marks, free money last."""
        kid = self._system.treasury.account_kid if payee is None else payee.wallet.kid
        category = TREASURY_ACCOUNT if payee is None else payee.category
        if marking and definition is not None:
            parts = marked_in_part(definition, payer.category, category, amount_tiyn)
        else:
            parts = arriving(definition, payer.category, category, amount_tiyn)
        return [Payee(kid, parts[name], name) for name in sorted(parts, reverse=True)]

    def _parts(
        self,
        member: Member,
        mark: bytes,
        id: bytes,
        verb: str,
        prepare: Callable[[bytes, list[WalletToken]], Intent],
    ) -> Iterator[Intent]:
        """The intents that move all of a member's money of a mark, 250 tokens at a time.

        Intents made before (the call was cut off) come first, as they were; then new ones, until nothing is left.
        """
        number = 0
        while True:
            intent_id = derived(id, verb, member.name, number)
            known = self._store.intent(member.wallet.name, intent_id)
            if known is None:
                tokens = member.wallet.tokens(mark)[:MAX_TOKENS_A_PAYMENT]
                if len(tokens) < (2 if verb == "merge" else 1):
                    return
                known = prepare(intent_id, tokens)
            yield known
            number += 1

    def _move(self, intents: Iterator[Intent]) -> int:
        total = 0
        for intent in intents:
            send_one(self._store, self._system.ledger, intent, self._directory, self._clock)
            total += amount_of(intent, self._system.network)
        return total

    def merge(self, members: Sequence[Member], mark: bytes, id: bytes) -> Answers:
        """Each member makes one token of its many, by paying itself."""
        for member in members:
            self._merge(member, mark, id)
        return [None] * len(members)

    def _merge(self, member: Member, mark: bytes, id: bytes) -> None:
        def prepare(intent_id: bytes, tokens: list[WalletToken]) -> Intent:
            return member.wallet.prepare_merge(intent_id, tokens, mark)

        self._move(self._parts(member, mark, id, "merge", prepare))

    def release(self, member: Member, mark: bytes, seen_tiyn: int | None, id: bytes, register: str) -> int:
        """A member turns all its money of a mark into free money; how much (tiyn).

        `seen_tiyn` is what the stand-in register has seen of the member: it signs for no more (E_REGISTER); None asks
        no register. The ledger refuses with E_MARK_EVIDENCE when the definition wants a statement.
        """
        total = member.wallet.balance_tiyn(mark)
        if seen_tiyn is not None and total > seen_tiyn:
            raise Refused("E_REGISTER", holder=member.name, seen_tiyn=seen_tiyn, asked_tiyn=total)

        def prepare(intent_id: bytes, tokens: list[WalletToken]) -> Intent:
            amount = sum(token.amount_tiyn for token in tokens)
            signed = [] if seen_tiyn is None else [self._statement(member, mark, amount, intent_id, register)]
            return member.wallet.prepare_release(intent_id, tokens, signed)

        return self._move(self._parts(member, mark, id, "release", prepare))

    def release_on_documents(
        self, member: Member, mark: bytes, amount_tiyn: int, documents: Sequence[bytes], id: bytes
    ) -> int:
        """A member frees so much of a mark on documents that registers have put on the ledger; the amount (tiyn)."""
        intent = member.wallet.prepare_partial_release(
            derived(id, "release", member.name), mark, amount_tiyn, documents
        )
        send_one(self._store, self._system.ledger, intent, self._directory, self._clock)
        return amount_tiyn

    def _statement(
        self, member: Member, mark: bytes, amount_tiyn: int, document: bytes, register: str
    ) -> bytes:
        signer = self._system.keys.register(register)
        known = self._system.ledger.registered(member.wallet.kid)
        if known is None:
            raise Refused("E_KEY_UNKNOWN", kid=member.wallet.kid)
        statement = Statement(
            signer.public.kid, mark, known.pseudonym, amount_tiyn, document, self._clock.now()
        )
        return sign(statement, self._system.network, signer).encode()

    def sell(self, member: Member, mark: bytes, id: bytes) -> int:
        """A member turns all its money of a mark (free money: empty) into a deposit at its bank; how much (tiyn)."""
        (answer,) = self.sell_each([(member, id)], mark)
        if isinstance(answer, TengeError):
            raise answer
        return answer

    def sell_each(self, rows: Sequence[tuple[Member, bytes]], mark: bytes) -> list[int | TengeError]:
        """`sell` for many members, each under its own id, in groups; for each how much, or its refusal."""
        answers: list[int | TengeError] = []
        for start in range(0, len(rows), _SELLERS):
            answers += self._sell_group(rows[start : start + _SELLERS], mark)
        return answers

    def _sell_group(self, rows: Sequence[tuple[Member, bytes]], mark: bytes) -> list[int | TengeError]:
        sold = [0] * len(rows)
        refused: dict[int, TengeError] = {}
        selling, number = list(range(len(rows))), 0
        # Round by round: each member's first intent, then the second of those who have more, until nothing is left.
        while selling:
            keys = {
                place: (
                    rows[place][0].wallet.name,
                    derived(rows[place][1], "sell", rows[place][0].name, number),
                )
                for place in selling
            }
            sight = Sight.of(self._store, list(keys.values()))
            intents: dict[int, Intent] = {}
            for place, key in keys.items():
                intent = sight.intents.get(key) or self._sale(rows[place][0], key, mark, sight)
                if intent is not None and intent.state == "refused":
                    refused[place] = open_refusal(intent.result)
                elif intent is not None:
                    intents[place] = intent
            refused |= self._buy_back(
                {place: one for place, one in intents.items() if one.state == "saved"}, rows
            )
            selling, number = [place for place in intents if place not in refused], number + 1
            for place in selling:
                sold[place] += amount_of(intents[place], self._system.network)
        return [refused.get(place, amount) for place, amount in enumerate(sold)]

    def _sale(self, member: Member, key: tuple[str, bytes], mark: bytes, sight: Sight) -> Intent | None:
        """The intent that sells up to 250 of a member's tokens of a mark; None when there are none."""
        tokens = [token for token in sight.tokens.get(key[0], ()) if token.mark == mark]
        if not tokens:
            return None
        bank = self._system.banks[self.bank_id(member.bank)]
        return member.wallet.prepare_merge(
            key[1], tokens[:MAX_TOKENS_A_PAYMENT], mark, payee=bank.inventory_kid, sight=sight
        )

    def _buy_back(
        self, intents: dict[int, Intent], rows: Sequence[tuple[Member, bytes]]
    ) -> dict[int, TengeError]:
        """Save open intents by place, hand them to the members' banks, close them; the refusals by place."""
        if not intents:
            return {}
        saved = dict(zip(intents, self._store.save_intents(list(intents.values())), strict=True))
        refused: dict[int, TengeError] = {}
        for name in dict.fromkeys(rows[place][0].bank for place in saved):
            places = [place for place in saved if rows[place][0].bank == name]
            bodies = [saved[place].body for place in places]
            answers = self._system.banks[self.bank_id(name)].buy_back(bodies)
            done: list[Done] = []
            closed: list[Refusal] = []
            for place, answer in zip(places, answers, strict=True):
                intent = saved[place]
                if isinstance(answer, Receipt):
                    done.append(Done(intent.wallet, intent.id, answer.transaction_id))
                    continue
                refused[place] = answer
                if not isinstance(answer, Unavailable):
                    closed.append(Refusal(intent.wallet, intent.id, refusal_result(answer)))
            if done:
                self._store.finish(done)
            if closed:
                self._store.refuse(closed)
        return refused
