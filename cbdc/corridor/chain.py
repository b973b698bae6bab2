"""An outside chain, simulated: slow, silent, and able to take back its newest blocks.

What a public chain does to whoever builds on it:

- a transaction waits; it enters a block only after `delay_blocks`, and only if its payer has the units then;
- the chain may not answer (`silent`);
- it may **reorganise**: the newest blocks are taken back, and their transactions wait again, or are lost for ever.

So nothing on it is final at once; it has so many confirmations. Mints are taken only with the minter's signature over
the order, and once for each order: the contract's rule. Blocks come only when `grow` is called, so a run is the same
every time.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row
from cbdc.corridor.records import CORRIDOR_DOMAIN
from cbdc.errors import Refused, Unavailable
from cbdc.keys import PublicKey
from cbdc.record import AMOUNT, HASH, HASH_OR_NONE, Group, Kind, Record, Text, Unsigned, open_envelope

MINT = "mint"
TRANSFER = "transfer"
BURN = "burn"
NOBODY = ""

_WAITING = 0
_TX = Group((Text(), Text(128), Text(128), AMOUNT, HASH_OR_NONE, Unsigned(), Unsigned(), Unsigned(0, 1)))
_STATE = Group((Unsigned(), Unsigned(0, 1)))


@dataclass(frozen=True, slots=True)
class MintOrder(Record):
    """The minter (key id) orders `amount_tiyn` of the coin for an account, against the lock named by `lock`."""

    minter: bytes
    lock: bytes
    account: str
    amount_tiyn: int

    TYPE: ClassVar[int] = 5
    DOMAIN: ClassVar[bytes] = CORRIDOR_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, HASH, Text(128), AMOUNT)


class ChainTransaction(NamedTuple):
    """One transaction: `block` 0 means that it waits, `failed` that the chain included and rejected it.

    `reference` is free; a burn names with it the key on the digital tenge ledger that is to be paid.
    """

    kind: str
    payer: str
    payee: str
    units: int
    reference: bytes
    sent_at: int
    block: int
    failed: int


class ChainState(NamedTuple):
    """The height, and whether it is silent."""

    height: int
    silent: int


class SimulatedChain:
    """One coin on one chain. `minter` is the only key whose orders the contract takes."""

    def __init__(
        self, cabinet: Cabinet, name: str, network: bytes, minter: PublicKey, delay_blocks: int = 1
    ) -> None:
        self.name = name
        self._cabinet = cabinet
        self._network = network
        self._minter = minter
        self._txs = f"chain {name}/tx"
        self._states = f"chain {name}/state"
        self._acts = f"chain {name}/act"
        self._delay = delay_blocks

    # --- what users see ---

    @property
    def height(self) -> int:
        """The number of the newest block; E_CHAIN_SILENT."""
        self._answers()
        return self._state().height

    def find(self, id: bytes) -> ChainTransaction | None:
        """A transaction by its id, waiting or included, or None; E_CHAIN_SILENT."""
        self._answers()
        data = self._cabinet.get(self._txs, HASH.load(id, "chain transaction"))
        return None if data is None else _open(data)

    def confirmations(self, id: bytes) -> int:
        """How many blocks stand on a transaction, its own included; 0 while it waits or if it failed."""
        found = self.find(id)
        if found is None or not found.block or found.failed:
            return 0
        return self._state().height - found.block + 1

    def balances(self) -> Counter[str]:
        """Every account's coins, counted from the blocks; E_CHAIN_SILENT."""
        self._answers()
        return self._fold()

    def balance(self, account: str) -> int:
        """One account's coins."""
        return self.balances()[account]

    def supply(self) -> int:
        """All coins in the blocks."""
        return sum(self.balances().values())

    def waiting_mints(self) -> int:
        """Coins of mints that wait to be included."""
        return sum(tx.units for _, tx in self._all() if tx.kind == MINT and not tx.block)

    def mint(self, order: bytes) -> bytes:
        """Hand in a signed mint order; its id. Once per order. E_SIG, E_MINT_AUTHORITY, E_CHAIN_SILENT."""
        signed = open_envelope(order, MintOrder, self._network)
        signed.verify(self._minter)
        record = signed.record
        if record.minter != self._minter.kid:
            raise Refused("E_MINT_AUTHORITY", minter=record.minter)
        self._send(
            signed.oid,
            ChainTransaction(MINT, NOBODY, record.account, record.amount_tiyn, record.lock, 0, 0, 0),
        )
        return signed.oid

    def transfer(self, id: bytes, payer: str, payee: str, units: int) -> None:
        """Send coins; whether the payer has them is judged when it is included. Once per `id`."""
        self._send(id, ChainTransaction(TRANSFER, payer, payee, units, b"", 0, 0, 0))

    def burn(self, id: bytes, payer: str, units: int, pay_to: bytes) -> None:
        """Destroy coins, naming the key that is to be paid in digital tenge. Once per `id`."""
        self._send(id, ChainTransaction(BURN, payer, NOBODY, units, HASH.load(pay_to, "pay to"), 0, 0, 0))

    def _send(self, id: bytes, tx: ChainTransaction) -> None:
        self._answers()
        known = self._cabinet.get(self._txs, HASH.load(id, "chain transaction"))
        if known is not None:
            if _open(known)[:5] != tx[:5]:
                raise Refused("E_ID_REUSED", id=id)
            return
        sent = tx._replace(sent_at=self._state().height, units=AMOUNT.load(tx.units, "units"))
        self._cabinet.put_many([Row(self._txs, id, canonical.encode(list(sent)))])

    # --- what happens to it ---

    def set_silent(self, silent: bool) -> None:
        """Stop answering, or answer again."""
        self._put(self._state()._replace(silent=int(silent)), [])

    def grow(self, id: bytes, blocks: int) -> int:
        """Add blocks; the height. Once per `id`."""
        if self._done(id):
            return self._state().height
        state = self._state()
        height = state.height
        rows: list[Row] = []
        for _ in range(blocks):
            height += 1
            balances = self._fold(rows)
            for key, tx in self._all(rows):
                if tx.block or tx.sent_at + self._delay > height:
                    continue
                failed = int(tx.payer != NOBODY and balances[tx.payer] < tx.units)
                if not failed:
                    balances[tx.payer] -= tx.units
                    balances[tx.payee] += tx.units
                included = tx._replace(block=height, failed=failed)
                rows.append(Row(self._txs, key, canonical.encode(list(included))))
        self._put(state._replace(height=height), [*rows, Row(self._acts, id, b"\1")])
        return height

    def reorganise(self, id: bytes, depth: int, lose: bool = False) -> int:
        """Take back the newest `depth` blocks; what was in them waits again, or is lost. Once per `id`."""
        if self._done(id):
            return self._state().height
        state = self._state()
        height = max(0, state.height - depth)
        rows: list[Row] = []
        for key, tx in self._all():
            if tx.block > height:
                waiting = tx._replace(block=_WAITING, failed=0, sent_at=height)
                rows.append(Row(self._txs, key, None if lose else canonical.encode(list(waiting))))
        self._put(state._replace(height=height), [*rows, Row(self._acts, id, b"\1")])
        return height

    # --- inside ---

    def _answers(self) -> None:
        if self._state().silent:
            raise Unavailable("E_CHAIN_SILENT", chain=self.name)

    def _state(self) -> ChainState:
        data = self._cabinet.get(self._states, b"state")
        if data is None:
            return ChainState(0, 0)
        values: tuple[Any, ...] = _STATE.load(canonical.decode(data), "chain state")
        return ChainState(*values)

    def _put(self, state: ChainState, rows: list[Row]) -> None:
        self._cabinet.put_many([*rows, Row(self._states, b"state", canonical.encode(list(state)))])

    def _done(self, id: bytes) -> bool:
        return self._cabinet.get(self._acts, HASH.load(id, "act id")) is not None

    def _all(self, newer: list[Row] | None = None) -> list[tuple[bytes, ChainTransaction]]:
        found = {key: _open(data) for key, data in self._cabinet.all(self._txs)}
        for row in newer or []:
            assert row.data is not None, "blocks only add"
            found[row.id] = _open(row.data)
        return list(found.items())

    def _fold(self, newer: list[Row] | None = None) -> Counter[str]:
        balances: Counter[str] = Counter()
        for _, tx in self._all(newer):
            if tx.block and not tx.failed:
                balances[tx.payer] -= tx.units
                balances[tx.payee] += tx.units
        del balances[NOBODY]
        return balances


def _open(data: bytes) -> ChainTransaction:
    values: tuple[Any, ...] = _TX.load(canonical.decode(data), "chain transaction")
    return ChainTransaction(*values)
