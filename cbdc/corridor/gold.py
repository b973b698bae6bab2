"""Tokenised gold: milligrams on a ledger of their own, never more than the custodian has signed for.

    attest    the custodian signs what lies in its vault, bar by bar; each statement replaces the one before
    issue     tokens for somebody, as long as all tokens together are covered by the newest statement
    retire    tokens are destroyed when bars leave the vault

A custodian needs a licence for custody at every step. Gold and custodian are simulated: nobody looks into the
vault, so a statement is only as good as who signs it (`docs/limits.md`).
"""

from collections.abc import Sequence

from cbdc.cabinet import Cabinet, Row
from cbdc.corridor.events import EventLog
from cbdc.corridor.licences import Gate
from cbdc.corridor.records import CUSTODY_ACTIVITY, HoldingStatement
from cbdc.corridor.units import UnitLedger
from cbdc.errors import Refused, TengeError
from cbdc.keys import PublicKey, Signer
from cbdc.ports import Clock
from cbdc.record import Signed, open_envelope, sign


def attest(
    signer: Signer, network: bytes, asset: str, bars: Sequence[tuple[str, int]], serial: int, now: int
) -> Signed[HoldingStatement]:
    """A custodian's signed statement of its bars: (number, milligrams)."""
    record = HoldingStatement(signer.public.kid, asset, tuple(bars), serial, now)
    return sign(record, network, signer)


class GoldIssuer:
    """The tokens of one custodian. `covered` False leaves the rule out that tokens are backed by a statement."""

    def __init__(
        self,
        units: UnitLedger,
        custodian: PublicKey,
        network: bytes,
        cabinet: Cabinet,
        clock: Clock,
        gate: Gate,
        log: EventLog,
        covered: bool = True,
    ) -> None:
        self.units = units
        self._custodian = custodian
        self._network = network
        self._cabinet = cabinet
        self._clock = clock
        self._gate = gate
        self._log = log
        self._covered = covered
        self._drawer = f"gold {units.name}"

    @property
    def asset(self) -> str:
        """The asset's name."""
        return self.units.name

    def require(self) -> None:
        """Return if the custodian's licence is in force; what `Gate.require` raises."""
        self._gate.require(self._custodian.kid, CUSTODY_ACTIVITY)

    def publish(self, statement: bytes) -> HoldingStatement:
        """Take the custodian's statement.

        E_CORRIDOR_LICENCE, E_SIG, E_GOLD_STATEMENT (another's, or an older one), E_GOLD_UNBACKED when it would not
        cover the tokens that are out.
        """
        self.require()
        signed = open_envelope(statement, HoldingStatement, self._network)
        signed.verify(self._custodian)
        record = signed.record
        before = self.statement()
        newest = before.serial if before else 0
        if (record.custodian, record.asset) != (self._custodian.kid, self.asset) or record.serial < newest:
            raise Refused("E_GOLD_STATEMENT", asset=self.asset, serial=record.serial, newest=newest)
        if before is not None and record.serial == newest:
            if record != before:
                raise Refused("E_GOLD_STATEMENT", asset=self.asset, serial=record.serial, newest=newest)
            return record
        self._check(record.total_mg, self.units.supply())
        self._cabinet.put_many([Row(self._drawer, b"statement", signed.encode())])
        return record

    def statement(self) -> HoldingStatement | None:
        """The newest statement."""
        data = self._cabinet.get(self._drawer, b"statement")
        return None if data is None else open_envelope(data, HoldingStatement, self._network).record

    def issue(self, id: bytes, account: str, units_mg: int) -> None:
        """Tokens for an account. Once per `id`; E_CORRIDOR_LICENCE, E_GOLD_UNBACKED, E_ID_REUSED."""
        try:
            self.require()
            if self.units.moved(id) is None:
                holdings = self.statement()
                self._check(holdings.total_mg if holdings else 0, self.units.supply() + units_mg)
        except TengeError as error:
            self._log.note(self._log.row(id, self.asset, "issue", "refused", code=error.code))
            raise
        self.units.mint(id, account, units_mg)

    def _check(self, held_mg: int, tokens_mg: int) -> None:
        if self._covered and tokens_mg > held_mg:
            raise Refused("E_GOLD_UNBACKED", asset=self.asset, held_mg=held_mg, tokens_mg=tokens_mg)

    def retire(self, id: bytes, account: str, units_mg: int) -> None:
        """Destroy tokens: their gold is handed over. Once per `id`; E_CORRIDOR_LICENCE, E_UNITS."""
        self.require()
        self.units.burn(id, account, units_mg)

    def uncovered_mg(self) -> int:
        """Tokens without gold behind them: 0, or something is wrong."""
        holdings = self.statement()
        return max(0, self.units.supply() - (holdings.total_mg if holdings else 0))
