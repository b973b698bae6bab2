"""The treasury: budget money with a purpose.

It gets digital tenge like everybody else (through a bank, against its deposit) or directly (its own request to the
operator), puts a **mark** on it whose signed definition says what the money is for, hands it out to many wallets, and
takes back what was not spent after the last day.

    define      a definition, signed by the treasury's certificate; its id is the mark
    distribute  free money of the treasury account -> marked money in wallets, up to 250 wallets a transaction
    expire      what is left after the last day -> free money at the account the definition names

A distribution has an id and is one plan in pieces: a piece the ledger refuses because of one wallet is halved until
only that wallet's row is refused. Each piece is written down before it is sent, so the same distribution again pays
nobody twice, and refused rows are judged again.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cbdc import canonical
from cbdc.accounts import TREASURY_PARTY
from cbdc.cabinet import Cabinet, Row, follow, follow_nonce
from cbdc.clause import Clause
from cbdc.distribution import CommercialBank, redeem_from_till
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.gateway import Gateway
from cbdc.issuance import NationalBank
from cbdc.keys import Signer
from cbdc.ledger.entry import Receipt
from cbdc.marks import MarkDefinition
from cbdc.money import check_tiyn
from cbdc.record import HASH, Bytes, Group, Signed, Unsigned, open_envelope, sign
from cbdc.register import ISSUE, REDEEM, Request
from cbdc.sales import Answer, SaleOrder
from cbdc.till import Payout, Till
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import ExpireMark, sign_transaction

ROWS_PER_TRANSACTION = 250

_MARKS = "treasury/mark"
_DISTRIBUTIONS = "treasury/distribution"
_PIECES = "treasury/piece"

_SENT = 1
_HALVED = 2
_PIECE = Group((Unsigned(_SENT, _HALVED), Bytes()))
_MARK = Group((Bytes(), Unsigned(0, 1)))


class Voucher(NamedTuple):
    """A row of a distribution: which key id gets how much."""

    kid: bytes
    amount_tiyn: int


class TreasuryKeys(NamedTuple):
    """The key that ROOT certified, and the key of the treasury's account on the ledger."""

    treasury: Signer
    account: Signer


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows start..stop-1 of a distribution."""

    start: int
    stop: int

    def halves(self) -> list["_Piece"]:
        middle = (self.start + self.stop) // 2
        return [_Piece(self.start, middle), _Piece(middle, self.stop)]


class Treasury:
    """The treasury's account, its marks and its distributions."""

    def __init__(
        self,
        gateway: Gateway,
        cabinet: Cabinet,
        national_bank: NationalBank,
        keys: TreasuryKeys,
    ) -> None:
        self._gateway = gateway
        self._cabinet = cabinet
        self._national_bank = national_bank
        self._keys = keys
        self.till = Till(gateway, keys.account, "treasury account")

    @property
    def account_kid(self) -> bytes:
        """The key id of the treasury's account on the ledger."""
        return self.till.kid

    def available_tiyn(self) -> int:
        """The treasury's free digital tenge."""
        return self.till.available_tiyn()

    # --- getting and giving back ---

    def draw(self, id: bytes, bank: CommercialBank, customer: bytes, amount_tiyn: int) -> Receipt:
        """Digital tenge through a bank, against the treasury's deposit there (customer id). Once per `id`."""
        answer = bank.sell([SaleOrder(id, customer, self.account_kid, amount_tiyn)])[0]
        if isinstance(answer, TengeError):
            raise answer
        return answer

    def request_tokens(self, id: bytes, amount_tiyn: int) -> Request:
        """Ask the National Bank directly, against the treasury's account there."""
        return self._request(id, ISSUE, amount_tiyn)

    def order_tokens(self, id: bytes, amount_tiyn: int) -> Receipt:
        """Ask, and have the National Bank's officers at hand approve and issue."""
        self._request(id, ISSUE, amount_tiyn)
        return self._national_bank.approve_and_issue(id)

    def redeem(self, id: bytes, amount_tiyn: int) -> Receipt:
        """Give free digital tenge back to the National Bank; E_TILL, and the refusals of `NationalBank.redeem`."""
        return redeem_from_till(
            self._national_bank, self._gateway, self.till, self._request(id, REDEEM, amount_tiyn)
        )

    def _request(self, id: bytes, kind: int, amount_tiyn: int) -> Request:
        return self._national_bank.ask(self._keys.treasury, (id, kind, TREASURY_PARTY, amount_tiyn))

    # --- marks ---

    def define(
        self,
        label: str,
        purpose: int,
        edges: Sequence[tuple[int, Sequence[int]]],
        valid_from: int,
        valid_until: int,
        payment_cap_tiyn: int = 0,
        release_categories: Sequence[int] = (),
        evidence: bytes = b"",
        person_to_person: bool = False,
        max_hops: int = 0,
        converts_on_redeem: bool = False,
        clauses: Sequence[Clause] = (),
    ) -> Signed[MarkDefinition]:
        """A signed definition, kept; what each part means stands in `cbdc.marks`. Leftovers return to this account.

        `edges` also say whom the treasury may give the money to: (TREASURY_ACCOUNT, [category...]).

        Raises E_FIELD, E_TYPE, E_COUNT or E_CLAUSE for parts out of bounds.
        """
        record = MarkDefinition.from_values(
            (
                self.account_kid,
                label,
                purpose,
                tuple((payer, tuple(payees)) for payer, payees in edges),
                int(person_to_person),
                max_hops,
                payment_cap_tiyn,
                valid_from,
                valid_until,
                self.account_kid,
                tuple(release_categories),
                evidence,
                int(converts_on_redeem),
                tuple(clauses),
            )
        )
        signed = sign(record, self._gateway.network, self._keys.treasury)
        if self._cabinet.get(_MARKS, signed.oid) is None:
            self._keep(signed, published=False)
        return signed

    def _keep(self, definition: Signed[MarkDefinition], published: bool) -> None:
        self._cabinet.put_many(
            [Row(_MARKS, definition.oid, canonical.encode([definition.encode(), int(published)]))]
        )

    def definitions(self) -> list[Signed[MarkDefinition]]:
        """Every mark this treasury defined, oldest first."""
        return [
            open_envelope(
                _MARK.load(canonical.decode(data), "mark")[0], MarkDefinition, self._gateway.network
            )
            for _, data in self._cabinet.all(_MARKS)
        ]

    def _published(self, definition: Signed[MarkDefinition]) -> bool:
        data = self._cabinet.get(_MARKS, definition.oid)
        return data is not None and bool(_MARK.load(canonical.decode(data), "mark")[1])

    def _notice(self, definition: Signed[MarkDefinition] | None, answers: Iterable[Answer]) -> None:
        """Remember that the ledger has the definition: it took money that carries the mark."""
        if definition is None or self._published(definition):
            return
        if any(isinstance(answer, Receipt) for answer in answers):
            self._keep(definition, published=True)

    def publish(self, definition: Signed[MarkDefinition]) -> None:
        """Put a definition on the ledger before any money carries it, so that others may mark by it.

        It travels with a tiyn of the account's own to itself, written down before it is sent. Again: the same payment
        as long as nobody knows whether it arrived, then nothing. E_TILL for an empty account.
        """
        if self._published(definition):
            return
        key = follow("publish", definition.oid)
        kept = self._cabinet.get(_PIECES, key)
        if kept is not None:
            sent = _PIECE.load(canonical.decode(kept, canonical.MAX_MESSAGE_BYTES), "piece")[1]
            answer = self._gateway.submit_many([sent])[0]
            if isinstance(answer, Unavailable):
                raise answer
            if isinstance(answer, Receipt):
                self._keep(definition, published=True)
                return
        output = Token(1, KeyLock(self.account_kid))
        nonce = follow_nonce("publish", definition.oid)
        planned = self.till.chain([Payout(nonce, (output,), definition.encode())])[0]
        if isinstance(planned, TengeError):
            raise planned
        self._write([(key, _SENT, planned.encode())])
        self._gateway.submit(planned.encode())
        self._keep(definition, published=True)

    # --- distribution ---

    def distribute(
        self, id: bytes, definition: Signed[MarkDefinition] | None, rows: Sequence[Voucher]
    ) -> list[Answer]:
        """Hand out money marked by `definition` (free money when None); for each row its receipt or its refusal.

        Raises E_ID_REUSED when `id` stands for other rows, E_MONEY_RANGE for an amount of nothing, E_TILL when the
        account cannot cover what is still to be paid.
        """
        HASH.load(id, "distribution id")
        mark = definition.oid if definition else b""
        self._remember(id, mark, rows)
        answers: dict[int, Answer] = {}
        starts = range(0, len(rows), ROWS_PER_TRANSACTION)
        pieces = [_Piece(start, min(start + ROWS_PER_TRANSACTION, len(rows))) for start in starts]
        waiting = self._settled(id, pieces, answers)
        self._notice(definition, answers.values())
        unpaid = sum(row.amount_tiyn for piece in waiting for row in rows[piece.start : piece.stop])
        available = self.available_tiyn()
        if unpaid > available:
            raise Refused("E_TILL", till=self.till.name, available_tiyn=available, amount_tiyn=unpaid)
        while waiting:
            waiting = self._wave(id, definition, rows, waiting, answers)
        return [answers[place] for place in range(len(rows))]

    def _remember(self, id: bytes, mark: bytes, rows: Sequence[Voucher]) -> None:
        digest = hashlib.sha256(mark)
        for row in rows:
            digest.update(canonical.encode([HASH.load(row.kid, "kid"), check_tiyn(row.amount_tiyn, 1)]))
        content = digest.digest()
        known = self._cabinet.get(_DISTRIBUTIONS, id)
        if known is None:
            self._cabinet.put_many([Row(_DISTRIBUTIONS, id, content)])
        elif known != content:
            raise Refused("E_ID_REUSED", id=id)

    def _piece_id(self, id: bytes, piece: _Piece) -> bytes:
        return follow("piece", id, piece.start.to_bytes(8, "big"), piece.stop.to_bytes(8, "big"))

    def _settled(self, id: bytes, pieces: list[_Piece], answers: dict[int, Answer]) -> list[_Piece]:
        """Answer the pieces that were paid before, step into those that were halved, and return the rest.

        What was sent and not answered is sent again, the same bytes: only the ledger knows whether it arrived.
        """
        waiting: list[_Piece] = []
        sent: list[tuple[_Piece, bytes]] = []
        queue = list(pieces)
        while queue:
            piece = queue.pop(0)
            data = self._cabinet.get(_PIECES, self._piece_id(id, piece))
            if data is None:
                waiting.append(piece)
                continue
            state, transaction = _PIECE.load(canonical.decode(data, canonical.MAX_MESSAGE_BYTES), "piece")
            if state == _HALVED:
                queue[:0] = piece.halves()
            else:
                sent.append((piece, transaction))
        for (piece, _), answer in zip(
            sent, self._gateway.submit_many([transaction for _, transaction in sent]), strict=True
        ):
            if isinstance(answer, Receipt):
                answers.update((place, answer) for place in range(piece.start, piece.stop))
            else:
                waiting.append(piece)
        return sorted(waiting, key=lambda piece: piece.start)

    def _wave(
        self,
        id: bytes,
        definition: Signed[MarkDefinition] | None,
        rows: Sequence[Voucher],
        waiting: list[_Piece],
        answers: dict[int, Answer],
    ) -> list[_Piece]:
        """Plan, write down and send the waiting pieces in one group; the pieces to try in the next."""
        envelope = definition.encode() if definition and not self._published(definition) else b""
        mark = definition.oid if definition else b""
        planned = self.till.chain(
            [self._payout(id, piece, mark, envelope, rows[piece.start : piece.stop]) for piece in waiting]
        )
        sent = [
            (piece, link.encode())
            for piece, link in zip(waiting, planned, strict=True)
            if not isinstance(link, TengeError)
        ]
        self._write([(self._piece_id(id, piece), _SENT, data) for piece, data in sent])
        again: list[_Piece] = []
        halved: list[_Piece] = []
        results: list[Answer | TengeError] = list(self._gateway.submit_many([data for _, data in sent]))
        progress = any(isinstance(answer, Receipt) or answer.code != "E_TOKEN_SPENT" for answer in results)
        outcome = list(zip((piece for piece, _ in sent), results, strict=True))
        outcome += [
            (piece, link)
            for piece, link in zip(waiting, planned, strict=True)
            if isinstance(link, TengeError)
        ]
        for piece, answer in outcome:
            if not isinstance(answer, Receipt):
                if answer.code == "E_TOKEN_SPENT" and progress:
                    again.append(piece)
                    continue
                if piece.stop - piece.start > 1 and isinstance(answer, Refused):
                    halved.append(piece)
                    continue
            answers.update((place, answer) for place in range(piece.start, piece.stop))
        self._notice(definition, results)
        self._write([(self._piece_id(id, piece), _HALVED, b"") for piece in halved])
        return sorted(again + [half for piece in halved for half in piece.halves()], key=lambda p: p.start)

    def _payout(
        self, id: bytes, piece: _Piece, mark: bytes, envelope: bytes, rows: Sequence[Voucher]
    ) -> Payout:
        outputs = tuple(Token(row.amount_tiyn, KeyLock(row.kid), mark) for row in rows)
        return Payout(follow_nonce("distribution", self._piece_id(id, piece)), outputs, envelope)

    def _write(self, pieces: list[tuple[bytes, int, bytes]]) -> None:
        if pieces:
            self._cabinet.put_many(
                [Row(_PIECES, key, canonical.encode([state, data])) for key, state, data in pieces]
            )

    # --- the end of a mark ---

    def expire(self, definition: Signed[MarkDefinition], kids: Sequence[bytes]) -> list[Answer]:
        """Take back what these keys still hold of an expired mark, as free money; the answers, one per transaction.

        Nothing left to take is an empty list, so asking again is harmless. Refusals: E_MARK_NOT_OVER.
        """
        left: list[tuple[TokenId, int]] = []
        for kid in kids:
            left += [
                (identity, token.amount_tiyn)
                for identity, token in self._gateway.owned(kid)
                if token.mark == definition.oid
            ]
        left.sort()
        transactions: list[bytes] = []
        for start in range(0, len(left), ROWS_PER_TRANSACTION):
            part = left[start : start + ROWS_PER_TRANSACTION]
            inputs = tuple(identity for identity, _ in part)
            named = b"".join(identity.transaction_id + bytes([identity.output]) for identity in inputs)
            output = Token(sum(amount for _, amount in part), KeyLock(definition.record.return_to))
            record = ExpireMark(follow_nonce("expire", named), inputs, (output,))
            signed = sign_transaction(record, self._gateway.network, [self._keys.treasury])
            transactions.append(signed.encode())
        return self._gateway.submit_many(transactions)

    def returned_tiyn(self, answers: Sequence[Answer]) -> int:
        """How much the accepted transactions of an `expire` brought back to the account and is still there."""
        accepted = {answer.transaction_id for answer in answers if isinstance(answer, Receipt)}
        return sum(amount for identity, amount in self.till.tokens() if identity.transaction_id in accepted)
