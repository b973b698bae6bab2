"""The tax office's desk for refunds of value added tax: it reads the ledger, decides by rules, and says so there.

An electronic invoice is a fact that the register of invoices put on the ledger: seller, buyer, the tax in it. What was
paid under the tax's mark on that invoice stands in the fact's own counter. So the desk needs nobody's word for either:

    claim      a firm names invoices that it received; once under one claim id
    decide     each rule that is switched on says yes or no, in the order below; the first no is the answer
    confirm    the desk's own certified key attests the sum; the refund is freed on that fact, once

    RULES      paid      the claim is at most what was paid under the mark on these invoices, no more than they say
                         now, and not refunded before
               exported  the firm stands in the register of exports
               ring      no circle of invoices leads from the firm back to it

A circle is a strongly connected part of the graph seller -> buyer, over the invoices of a window of days, with at
least so many firms: goods do not come back to where they started, invoices of a fraud ring do. The window and the
number are parameters (assumptions). The desk is a stand-in for the State Revenue Committee's: its rules are ours.

Source: `docs/domain.md`, digital VAT: marked automatically in payments between firms, e-invoice data go to the
platform, the excess is confirmed and returned without a manual audit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cbdc.cabinet import Cabinet, Row, follow
from cbdc.clause import Fact, fact_id, fact_problem, used_name
from cbdc.errors import Refused, TengeError
from cbdc.keys import Signer
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.state import COUNTER, StateKey, fact_key
from cbdc.ports import Clock
from cbdc.transaction import Attest, sign_transaction

_CLAIMS = "tax/claim"
_REFUNDED = "tax/refunded"
DAY_SECONDS = 86_400


class Invoice(NamedTuple):
    """An electronic invoice as the ledger knows it: its fact's id, seller and buyer (pseudonyms), the tax, and when."""

    fact: bytes
    document: bytes
    seller: bytes
    buyer: bytes
    tax_tiyn: int
    time: int


class FactName(NamedTuple):
    """Where facts of one kind come from: a register's key id and its number for the kind."""

    register: bytes
    kind: int


@dataclass(frozen=True, slots=True)
class TaxRules:
    """Which rules are on. `exported` names the register of exports; `ring_firms` 0 looks for no circles."""

    paid: bool = True
    exported: FactName | None = None
    ring_firms: int = 0
    ring_days: int = 0


class TaxDesk:
    """Refunds of one tax. `invoices` says where invoices come from, `refund_kind` is the number of its own facts."""

    def __init__(
        self,
        ledger: Ledger,
        cabinet: Cabinet,
        signer: Signer,
        clock: Clock,
        invoices: FactName,
        refund_kind: int,
        rules: TaxRules,
    ) -> None:
        self._ledger = ledger
        self._cabinet = cabinet
        self._signer = signer
        self._clock = clock
        self._source = invoices
        self._refund_kind = refund_kind
        self._rules = rules
        self._invoices: dict[bytes, Invoice] = {}
        self._read = 1

    # --- reading ---

    def read(self) -> Mapping[bytes, Invoice]:
        """The invoices that stand, by document, after reading the journal to its end."""
        for entry in self._ledger.entries(self._read):
            transaction = self._ledger.transaction(entry.index)
            record = transaction.record
            if isinstance(record, Attest) and record.fact_kind == self._source.kind:
                by = {kid for kid, _ in transaction.witnesses}
                if self._source.register in by and record.document and record.counterparty:
                    self._take(record, entry.time)
            self._read = entry.index + 1
        return self._invoices

    def _take(self, record: Attest, time: int) -> None:
        identity = fact_id(
            self._source.register, record.fact_kind, record.subject, record.counterparty, record.document
        )
        if record.standing:
            self._invoices[record.document] = Invoice(
                identity, record.document, record.subject, record.counterparty, record.amount_tiyn, time
            )
        else:
            self._invoices.pop(record.document, None)

    def paid_tiyn(self, invoice: Invoice) -> int:
        """What was paid under the tax's mark on an invoice."""
        key = StateKey(COUNTER, used_name(invoice.fact))
        value = self._ledger.load([key])[key]
        return value if isinstance(value, int) else 0

    def rings(self, now: int) -> list[frozenset[bytes]]:
        """The circles of firms among the invoices of the last `ring_days`, each of at least `ring_firms`."""
        if not self._rules.ring_firms:
            return []
        since = now - self._rules.ring_days * DAY_SECONDS
        sales: dict[bytes, set[bytes]] = {}
        for invoice in self.read().values():
            if invoice.time >= since:
                sales.setdefault(invoice.seller, set()).add(invoice.buyer)
        return [ring for ring in circles(sales) if len(ring) >= self._rules.ring_firms]

    # --- deciding ---

    def claim(self, id: bytes, firm: bytes, documents: Sequence[bytes], amount_tiyn: int) -> int:
        """Decide a claim of `firm` (pseudonym) for so much tax on these invoices, and confirm it; the sum confirmed.

        The same claim again gives the same answer. Raises E_ID_REUSED, E_TAX_INVOICE (not an invoice to this firm),
        E_TAX_EXPORT, E_TAX_RING, E_TAX_UNPAID.
        """
        content = follow("claim", firm, amount_tiyn.to_bytes(8, "big"), *documents)
        known = self._cabinet.get(_CLAIMS, id)
        if known is not None and known != content:
            raise Refused("E_ID_REUSED", id=id)
        if known is None:
            parts = self._decide(firm, documents, amount_tiyn)
            rows = [
                Row(_REFUNDED, document, (self.refunded_tiyn(document) + part).to_bytes(8, "big"))
                for document, part in parts
            ]
            self._cabinet.put_many([Row(_CLAIMS, id, content), *rows])
        self._confirm(id, firm, amount_tiyn)
        return amount_tiyn

    def refunded_tiyn(self, document: bytes) -> int:
        """What was confirmed on an invoice before."""
        return int.from_bytes(self._cabinet.get(_REFUNDED, document) or b"", "big")

    def _decide(self, firm: bytes, documents: Sequence[bytes], amount_tiyn: int) -> list[tuple[bytes, int]]:
        invoices = self.read()
        mine = [invoices[document] for document in dict.fromkeys(documents) if document in invoices]
        if not mine or len(mine) != len(set(documents)) or any(item.buyer != firm for item in mine):
            raise Refused("E_TAX_INVOICE", invoices=len(documents))
        parts, left, open_tiyn = [], amount_tiyn, 0
        for item in mine:
            owed = item.tax_tiyn
            if self._rules.paid:
                # An invoice may have been corrected after it was paid: what it says now is the most it can prove.
                proven = min(item.tax_tiyn, self.paid_tiyn(item))
                owed = max(0, proven - self.refunded_tiyn(item.document))
            open_tiyn += owed
            parts.append((item.document, min(owed, left)))
            left -= min(owed, left)
        if left:
            raise Refused("E_TAX_UNPAID", paid_tiyn=open_tiyn, claimed_tiyn=amount_tiyn)
        now = self._clock.now()
        self._check_export(firm, now)
        ring = next((ring for ring in self.rings(now) if firm in ring), None)
        if ring is not None:
            raise Refused("E_TAX_RING", firms=len(ring), days=self._rules.ring_days)
        return parts

    def _check_export(self, firm: bytes, now: int) -> None:
        if self._rules.exported is None:
            return
        key = fact_key(fact_id(self._rules.exported.register, self._rules.exported.kind, firm, b"", b""))
        fact = self._ledger.load([key])[key]
        problem = fact_problem(fact if isinstance(fact, Fact) else None, now)
        if problem:
            raise Refused("E_TAX_EXPORT", problem=problem)

    def _confirm(self, id: bytes, firm: bytes, amount_tiyn: int) -> None:
        record = Attest(
            follow("refund", id)[:16], self._refund_kind, firm, b"", id, amount_tiyn, (), _NO_END, 1
        )
        answer = self._ledger.submit_many(
            [sign_transaction(record, self._ledger.network, [self._signer]).encode()]
        )
        if isinstance(answer[0], TengeError):
            raise answer[0]


_NO_END = 4_102_444_800  # the year 2100


def circles(edges: Mapping[bytes, Iterable[bytes]]) -> list[frozenset[bytes]]:
    """The strongly connected parts of a graph with more than one node, in the order of their smallest node.

    Tarjan's algorithm without recursion: each node and edge is looked at once.
    """
    order: dict[bytes, int] = {}
    low: dict[bytes, int] = {}
    on_stack: set[bytes] = set()
    stack: list[bytes] = []
    found: list[frozenset[bytes]] = []
    for start in sorted(edges):
        if start in order:
            continue
        order[start] = low[start] = len(order)
        stack.append(start)
        on_stack.add(start)
        work = [(start, iter(sorted(edges[start])))]
        while work:
            node, rest = work[-1]
            following = next(rest, None)
            if following is not None:
                if following not in order:
                    order[following] = low[following] = len(order)
                    stack.append(following)
                    on_stack.add(following)
                    work.append((following, iter(sorted(edges.get(following, ())))))
                elif following in on_stack:
                    low[node] = min(low[node], order[following])
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == order[node]:
                part = set()
                while node not in part:
                    part.add(stack.pop())
                on_stack -= part
                if len(part) > 1:
                    found.append(frozenset(part))
    return sorted(found, key=min)
