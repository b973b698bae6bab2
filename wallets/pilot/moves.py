"""The journal as moves of money: for each entry who held what was spent, and who holds what was made.

One pass from entry 0 to the end, in the order of the journal, for reports over runs of any size. It reads a journal
that a ledger of this process wrote, so forms are decoded and signatures are not checked again: that is the business
of `cbdc.ledger.audit`. What it keeps is one short row for each unspent token and one for each registered key, as the
audit and the supervisor do; nothing grows with the number of payments.

Every kind of transaction that has inputs or outputs is read by the names of its fields, so a new kind needs no line
here. The holder of a lock is the ledger's own (`cbdc.token`): the key itself, the first of a group, or the payer of a
hash lock until it is claimed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.keys import key_id
from cbdc.ledger.store import EntryRow
from cbdc.token import holder_class
from cbdc.transaction import KINDS, MAX_OUTPUTS, HandOver, RegisterKey, RotateKey, SettleOffline

# A token is found by the beginning of its transaction's id: 16 of 32 bytes, 128 bits, which do not meet by chance.
_PREFIX = 16
_KEY_LOCK, _QUORUM_LOCK = 1, 2
assert MAX_OUTPUTS <= 256, "an output's number is kept in one byte"


class Piece(NamedTuple):
    """An amount (tiyn) with its mark (empty: free) in the hands of a key."""

    holder: bytes
    amount_tiyn: int
    mark: bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """What the journal says of a key: its bank, category and pseudonym, and its line of the supply table."""

    bank_id: int
    category: int
    pseudonym: bytes

    @property
    def line(self) -> str:
        """bank_inventory, treasury, wallets, escrow or loss_reserve."""
        return holder_class(self.category)


class Move(NamedTuple):
    """One entry that moved money. `type` is the transaction's (`cbdc.transaction`), `settled` the kind of a settlement,
    `device` the device key that a load names.

    `spent` is all one holder's (guard G7) and empty for an issue; what is spent and not made again was destroyed.
    """

    entry: int
    time: int
    type: int
    settled: int
    spent: tuple[Piece, ...]
    made: tuple[Piece, ...]
    device: bytes = b""

    @property
    def payer(self) -> bytes:
        """The key that held what was spent; empty for an issue."""
        return self.spent[0].holder if self.spent else b""


def _places() -> dict[int, dict[str, int]]:
    return {
        kind: {field.name: place for place, field in enumerate(fields(cls))} for kind, cls in KINDS.items()
    }


class Journal:
    """The moves of a journal; `keys` fills with every key as it is registered."""

    def __init__(self, rows: Iterable[EntryRow]) -> None:
        """`rows` are the store's entries from entry 0 on."""
        self._rows = rows
        self._unspent: dict[bytes, Piece] = {}
        self._places = _places()
        self._keys: dict[bytes, Holder] = {}
        self._known: dict[bytes, bytes] = {}

    @property
    def keys(self) -> Mapping[bytes, Holder]:
        """Every key registered so far, by its id."""
        return self._keys

    def moves(self) -> Iterator[Move]:
        """Each entry that spends or makes tokens, in order. To be read once."""
        for row in self._rows:
            if not row.index:
                continue
            _, time, payload = _array(row.data)
            type_number, data, _ = _array(payload)
            body = _array(data)
            places = self._places[type_number]
            if type_number == RegisterKey.TYPE:
                self._register(body, places)
            elif type_number == RotateKey.TYPE:
                self._rotate(body, places)
            elif type_number == HandOver.TYPE:
                self._hand_over(body, places)
            if "inputs" in places or "outputs" in places:
                yield self._move(row, time, type_number, body, places)

    def _register(self, body: list[Any], places: Mapping[str, int]) -> None:
        kid = key_id(body[places["algorithm"]], body[places["public_key"]])
        pseudonym = self._one(body[places["pseudonym"]])
        self._keys[self._one(kid)] = Holder(body[places["bank_id"]], body[places["category"]], pseudonym)

    def _rotate(self, body: list[Any], places: Mapping[str, int]) -> None:
        kid = key_id(body[places["algorithm"]], body[places["public_key"]])
        self._keys[self._one(kid)] = self._keys[body[places["old"]]]

    def _hand_over(self, body: list[Any], places: Mapping[str, int]) -> None:
        for kid in body[places["keys"]]:
            self._keys[kid] = replace(self._keys[kid], bank_id=body[places["to_bank"]])

    def _one(self, value: bytes) -> bytes:
        """The same bytes as one object, however often they stand in the journal."""
        return self._known.setdefault(value, value)

    def _move(
        self, row: EntryRow, time: int, type_number: int, body: list[Any], places: Mapping[str, int]
    ) -> Move:
        prefix = row.transaction_id[:_PREFIX]
        spent = tuple(
            self._unspent.pop(identity[:_PREFIX] + bytes([output]))
            for identity, output in (body[places["inputs"]] if "inputs" in places else ())
        )
        made = tuple(
            Piece(self._one(_holder(lock)), amount_tiyn, self._one(mark))
            for amount_tiyn, lock, mark in (body[places["outputs"]] if "outputs" in places else ())
        )
        for output, piece in enumerate(made):
            self._unspent[prefix + bytes([output])] = piece
        settled = body[places["kind"]] if type_number == SettleOffline.TYPE else 0
        device = self._one(body[places["device"]]) if "device" in places else b""
        return Move(row.index, time, type_number, settled, spent, made, device)


def _array(data: bytes) -> list[Any]:
    return canonical.decode_array(data)


def _holder(lock: list[Any]) -> bytes:
    holder: bytes = lock[1] if lock[0] == _KEY_LOCK else lock[2][0] if lock[0] == _QUORUM_LOCK else lock[3]
    return holder
