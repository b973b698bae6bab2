"""A stablecoin backed by locked digital tenge: one coin on an outside chain for each tiyn behind the lock, never
more.

    wrap      the holder's transfer into the vault's lock on the ledger -> a mint order on the chain, against that
    lock redeem    a burn on the chain, with enough confirmations -> the vault pays the key that the burn names, at
    par disclose  once a quarter, signed: locked money, coins, and where both were counted

The vault is a quorum lock on the ledger: two of three keys, all registered for a custodian (decision 17). So nobody
alone, the issuer included, can move what backs the coins, and the ledger itself enforces that.

Rules kept here, each of them data that can be left out to see what it is for:

- **backed**: a mint names a lock of its own on the ledger, for no more than it holds, and minted less redeemed never
  exceeds what is locked; asserted after every operation;
- **burn**: a redemption names a burn on the chain that was not redeemed before;
- **confirmations**: the burn has so many blocks on it, so that a reorganisation cannot bring the coins back;
- **disclosure**: without the quarter's disclosure nothing new is minted. Redemption is never stopped by this rule,
  nor by the state of the issuer's licence: the debt is paid at par at any time.

The order of effects is the usual one: written down, done under ids that follow, written down as done. A wrap stays
open until its mint is confirmed, and is sent again as long as the chain does not know it.

Source: `docs/corridor.md`, what the sources say: AFSA's rule for fiat stablecoins (reserves at least the coins
outstanding, in the same currency, segregated; redemption at par at any time; quarterly disclosure).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.corridor.chain import BURN, MintOrder, SimulatedChain
from cbdc.corridor.events import EventLog
from cbdc.corridor.licences import Gate
from cbdc.corridor.purse import Purse
from cbdc.corridor.records import STABLECOIN_ACTIVITY, Disclosure
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.keys import Signer
from cbdc.ledger.entry import Receipt
from cbdc.ledger.ledger import Ledger
from cbdc.money import check_tiyn
from cbdc.policies import UTC_PLUS_5_SECONDS
from cbdc.ports import Clock
from cbdc.record import AMOUNT, HASH, MOMENT, Bytes, Group, Signed, Text, Unsigned, open_envelope, sign
from cbdc.token import KeyLock, Token
from cbdc.transaction import Transfer, open_transaction

T = TypeVar("T")

DAY_SECONDS = 86_400

_WRAP = Group((Text(128), AMOUNT, Bytes(), MOMENT))
_MINT = Group((Text(128), AMOUNT, MOMENT, HASH))
_REDEMPTION = Group((HASH, AMOUNT, MOMENT, Unsigned(0, 1)))


@dataclass(frozen=True, slots=True)
class StablecoinRules:
    """The rules as data; `confirmations` 0, or `disclosure_days` None (days after a quarter's end), leaves one
    out.
    """

    backed: bool = True
    burn: bool = True
    confirmations: int = 6
    disclosure_days: int | None = 30


class WrapAudit(NamedTuple):
    """Both sides counted again, in tiyn: the lock from the ledger's journal, the coins from the chain's blocks.

    `waiting_tiyn` are mints on their way. `shortfall_tiyn` is by how much coins and mints exceed the locked money:
    0, or the coin is not backed.
    """

    locked_tiyn: int
    wrapped_tiyn: int
    waiting_tiyn: int

    @property
    def shortfall_tiyn(self) -> int:
        """Coins without money behind them."""
        return max(0, self.wrapped_tiyn + self.waiting_tiyn - self.locked_tiyn)


class WrappedTenge:
    """The issuer of one backed coin. `vault` is the purse over the quorum lock, `issuer` the key its licence
    names.
    """

    def __init__(
        self,
        name: str,
        issuer: Signer,
        ledger: Ledger,
        cabinet: Cabinet,
        clock: Clock,
        chain: SimulatedChain,
        vault: Purse,
        gate: Gate,
        log: EventLog,
        rules: StablecoinRules,
    ) -> None:
        self.name = name
        self._issuer = issuer
        self._ledger = ledger
        self._cabinet = cabinet
        self._clock = clock
        self._chain = chain
        self.vault = vault
        self._gate = gate
        self._log = log
        self._rules = rules

    @property
    def kid(self) -> bytes:
        """The issuer's key id."""
        return self._issuer.public.kid

    # --- wrap ---

    def wrap(self, transaction: bytes, account: str) -> bytes:
        """Lock the holder's money and order as many coins for `account` on the chain; the transaction's id.

        Raises E_CORRIDOR_LICENCE, E_DISCLOSURE_LATE, E_WRAP_TRANSFER, E_CORRIDOR_MARKED, E_ID_REUSED, the ledger's
        refusal; what does not answer (E_CHAIN_SILENT) leaves the wrap open for `resume`.
        """
        opened = open_transaction(transaction, self._ledger.network)
        known = self._cabinet.get(self._drawer("wrap.done"), opened.id)
        known = known or self._cabinet.get(self._drawer("wrap.open"), opened.id)
        if known is None:
            return self._told(opened.id, "wrap", lambda: self._begin(opened.id, transaction, account))
        if _WRAP.load(canonical.decode(known), "wrap")[0] != account:
            raise Refused("E_ID_REUSED", id=opened.id)
        self._carry_on(opened.id)
        return opened.id

    def _begin(self, id: bytes, transaction: bytes, account: str) -> bytes:
        self._gate.require(self.kid, STABLECOIN_ACTIVITY)
        self._check_disclosed()
        record = open_transaction(transaction, self._ledger.network).record
        locked = [token for token in record.creates if token.lock == self.vault.lock]
        if not isinstance(record, Transfer) or not locked:
            raise Refused("E_WRAP_TRANSFER", name=self.name)
        if any(token.mark for token in locked):
            raise Refused("E_CORRIDOR_MARKED", provider=self.name)
        amount = sum(token.amount_tiyn for token in locked)
        row = canonical.encode([account, amount, transaction, self._clock.now()])
        self._cabinet.put_many([Row(self._drawer("wrap.open"), id, row)])
        self._carry_on(id)
        return id

    def _carry_on(self, id: bytes) -> None:
        """Lock an open wrap's money, send its mint (again), close it when the mint has its confirmations.

        What was begun under a licence is carried on: money behind the lock gets its coins.
        """
        data = self._cabinet.get(self._drawer("wrap.open"), id)
        if data is None:
            return
        account, amount, transaction, _ = _WRAP.load(canonical.decode(data), "wrap")
        try:
            self._ledger.submit(transaction)
        except Unavailable:
            raise
        except TengeError:
            self._cabinet.put_many([Row(self._drawer("wrap.open"), id, None)])
            raise
        mint = self._mint(id, account, amount)
        if self._chain.confirmations(mint) >= max(1, self._rules.confirmations):
            event = self._log.row(id, self.name, "wrap", "accepted", tiyn=amount)
            moved = [Row(self._drawer("wrap.open"), id, None), Row(self._drawer("wrap.done"), id, data)]
            self._cabinet.put_many([*moved, event])

    def mint(self, lock: bytes, account: str, amount_tiyn: int) -> bytes:
        """Order coins against one lock (the id of the transaction that made it); the chain's id of the mint. Again is
        harmless. E_MINT_UNBACKED, E_CHAIN_SILENT."""
        return self._told(lock, "mint", lambda: self._gated_mint(lock, account, amount_tiyn))

    def _gated_mint(self, lock: bytes, account: str, amount_tiyn: int) -> bytes:
        self._gate.require(self.kid, STABLECOIN_ACTIVITY)
        return self._mint(lock, account, amount_tiyn)

    def _mint(self, lock: bytes, account: str, amount_tiyn: int) -> bytes:
        check_tiyn(amount_tiyn, at_least=1)
        order = sign(MintOrder(self.kid, lock, account, amount_tiyn), self._ledger.network, self._issuer)
        minted = self._minted()
        if order.oid not in minted:
            if self._rules.backed:
                self._check_backed(lock, amount_tiyn, minted)
            row = canonical.encode([account, amount_tiyn, self._clock.now(), lock])
            self._cabinet.put_many([Row(self._drawer("mint"), order.oid, row)])
        self._assert_backed()
        return self._chain.mint(order.encode())

    def _check_backed(self, lock: bytes, amount_tiyn: int, minted: dict[bytes, "_Mint"]) -> None:
        """The lock stands on the ledger, and with what was minted against it before, it covers the mint."""
        receipt = self._ledger.find(lock)
        creates = self._ledger.transaction(receipt.index).record.creates if receipt else ()
        locked = sum(
            token.amount_tiyn for token in creates if token.lock == self.vault.lock and not token.mark
        )
        used = sum(one.amount_tiyn for one in minted.values() if one.lock == lock)
        open_tiyn = sum(one.amount_tiyn for one in minted.values()) - self._redeemed_tiyn()
        free = min(locked - used, self.vault.available_tiyn() - open_tiyn)
        if amount_tiyn > free:
            raise Refused("E_MINT_UNBACKED", amount_tiyn=amount_tiyn, free_tiyn=max(0, free))

    def _assert_backed(self) -> None:
        if self._rules.backed:
            owed = sum(one.amount_tiyn for one in self._minted().values()) - self._redeemed_tiyn()
            assert owed <= self.vault.available_tiyn(), "coins without locked money behind them"

    # --- redeem ---

    def redeem(self, burn: bytes, pay_to: bytes = b"", amount_tiyn: int = 0) -> Receipt:
        """Pay a burn out at par; the ledger's receipt, the same for ever. The burn says whom and how much.

        Raises E_BURN_UNKNOWN, E_BURN_UNCONFIRMED, E_CHAIN_SILENT, or what the ledger says to the payment.
        """
        return self._told(burn, "redeem", lambda: self._redeem(burn, pay_to, amount_tiyn))

    def _redeem(self, burn: bytes, pay_to: bytes, amount_tiyn: int) -> Receipt:
        data = self._cabinet.get(self._drawer("redemption"), HASH.load(burn, "burn"))
        if data is None:
            kid, amount = self._judge_burn(burn, pay_to, amount_tiyn)
            data = canonical.encode([kid, amount, self._clock.now(), 0])
            self._cabinet.put_many([Row(self._drawer("redemption"), burn, data)])
        kid, amount, time, done = _REDEMPTION.load(canonical.decode(data), "redemption")
        payment = self.vault.pay(self._release(burn), [Token(amount, KeyLock(kid))])
        receipt = self.vault.send(payment)
        if not done:
            row = Row(self._drawer("redemption"), burn, canonical.encode([kid, amount, time, 1]))
            self._cabinet.put_many(
                [row, self._log.row(burn, self.name, "redeem", "accepted", asked=time, tiyn=amount)]
            )
        self._assert_backed()
        return receipt

    def _judge_burn(self, burn: bytes, pay_to: bytes, amount_tiyn: int) -> tuple[bytes, int]:
        found = self._chain.find(burn)
        if found is None or found.kind != BURN or found.failed:
            if self._rules.burn:
                raise Refused("E_BURN_UNKNOWN", burn=burn)
            return HASH.load(pay_to, "pay to"), check_tiyn(amount_tiyn, at_least=1)
        seen = self._chain.confirmations(burn)
        if seen < self._rules.confirmations:
            raise Refused("E_BURN_UNCONFIRMED", seen=seen, needed=self._rules.confirmations)
        return found.reference, found.units

    # --- going on ---

    def resume(self) -> list[tuple[bytes, TengeError]]:
        """Carry on every open wrap and redemption; the ids and refusals of those that stay open."""
        stopped: list[tuple[bytes, TengeError]] = []
        for wrap, _ in self._cabinet.all(self._drawer("wrap.open")):
            try:
                self._carry_on(wrap)
            except TengeError as error:
                stopped.append((wrap, error))
        for burn, data in self._cabinet.all(self._drawer("redemption")):
            if not _REDEMPTION.load(canonical.decode(data), "redemption")[3]:
                try:
                    self._redeem(burn, b"", 0)
                except TengeError as error:
                    stopped.append((burn, error))
        return stopped

    def open_wraps(self) -> int:
        """How many wraps wait for the chain."""
        return len(self._cabinet.all(self._drawer("wrap.open")))

    # --- disclosure and audit ---

    def audit(self) -> WrapAudit:
        """Count both sides again: every entry of the ledger's journal, every block of the chain. E_CHAIN_SILENT."""
        unspent: dict[tuple[bytes, int], int] = {}
        for index in range(1, self._ledger.size):
            transaction = self._ledger.transaction(index)
            for spent in transaction.record.spends:
                unspent.pop((spent.transaction_id, spent.output), None)
            for place, token in enumerate(transaction.record.creates):
                if token.lock == self.vault.lock and not token.mark:
                    unspent[transaction.id, place] = token.amount_tiyn
        return WrapAudit(sum(unspent.values()), self._chain.supply(), self._chain.waiting_mints())

    def disclose(self, quarter: int = 0) -> Signed[Disclosure]:
        """The signed disclosure of a quarter that has ended (the last one unless named); again is the same one.

        Its balances are those of the moment it was made. E_CHAIN_SILENT.
        """
        ended = _previous(quarter_of(self._clock.now()))
        quarter = min(quarter or ended, ended)
        name = quarter.to_bytes(8, "big")
        known = self._cabinet.get(self._drawer("disclosure"), name)
        if known is None:
            counted = self.audit()
            minted = [one.amount_tiyn for one in self._minted().values() if quarter_of(one.time) == quarter]
            burned = [one[1] for one in self._redemptions().values() if quarter_of(one[2]) == quarter]
            record = Disclosure(
                self.kid,
                quarter,
                counted.locked_tiyn,
                counted.wrapped_tiyn + counted.waiting_tiyn,
                sum(minted),
                sum(burned),
                self._ledger.size,
                self._chain.height,
                self._clock.now(),
            )
            known = sign(record, self._ledger.network, self._issuer).encode()
            self._cabinet.put_many([Row(self._drawer("disclosure"), name, known)])
        return open_disclosure(known, self._ledger.network)

    def _check_disclosed(self) -> None:
        """E_DISCLOSURE_LATE when a quarter in which coins were out ended too long ago without its disclosure."""
        if self._rules.disclosure_days is None:
            return
        due = _previous(quarter_of(self._clock.now() - self._rules.disclosure_days * DAY_SECONDS))
        first = min((quarter_of(one.time) for one in self._minted().values()), default=due + 1)
        if first <= due and self._cabinet.get(self._drawer("disclosure"), due.to_bytes(8, "big")) is None:
            raise Refused("E_DISCLOSURE_LATE", quarter=due)

    # --- inside ---

    def _told(self, id: bytes, kind: str, call: Callable[[], T]) -> T:
        """What the call gives; a refusal is written to the event log first."""
        try:
            return call()
        except TengeError as error:
            outcome = "unanswered" if isinstance(error, Unavailable) else "refused"
            self._log.note(self._log.row(id, self.name, kind, outcome, code=error.code))
            raise

    def _minted(self) -> dict[bytes, "_Mint"]:
        rows = self._cabinet.all(self._drawer("mint"))
        return {mint: _Mint(*_MINT.load(canonical.decode(data), "mint")) for mint, data in rows}

    def _redemptions(self) -> dict[bytes, tuple[Any, ...]]:
        rows = self._cabinet.all(self._drawer("redemption"))
        return {burn: _REDEMPTION.load(canonical.decode(data), "redemption") for burn, data in rows}

    def _redeemed_tiyn(self) -> int:
        """What left the vault: written as done, or paid and not yet written as done."""
        return sum(
            amount
            for burn, (_, amount, _, done) in self._redemptions().items()
            if done or self.vault.sent(self._release(burn)) is not None
        )

    def _release(self, burn: bytes) -> bytes:
        """The id of the payment for a burn."""
        return follow("release", self.kid, burn)

    def _drawer(self, name: str) -> str:
        return f"stablecoin {self.name}/{name}"


class _Mint(NamedTuple):
    account: str
    amount_tiyn: int
    time: int
    lock: bytes


def quarter_of(moment: int) -> int:
    """The quarter of a moment in Kazakhstan: year * 10 + 1 to 4."""
    day = datetime.fromtimestamp(moment + UTC_PLUS_5_SECONDS, UTC)
    return day.year * 10 + (day.month + 2) // 3


def _previous(quarter: int) -> int:
    return quarter - 1 if quarter % 10 > 1 else (quarter // 10 - 1) * 10 + 4


def open_disclosure(data: bytes, network: bytes) -> Signed[Disclosure]:
    """The disclosure in these bytes; not yet verified."""
    return open_envelope(data, Disclosure, network)
