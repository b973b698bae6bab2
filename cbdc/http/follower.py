"""An auditor far away: it follows a ledger over HTTP, believes no answer, and remembers what it saw.

    follower = Follower(transport, mirror, evidence_folder)
    follower.look() -> Look

Each look asks for the newest signed head, holds it against the last one it kept, fetches the entries it does not have
yet, a page at a time, shows for each page that it belongs to the log that the ledger signed, and replays it by the
rules. So it catches a history that was rewritten or forked, an older head shown again, an issue or any other entry
that no rule allows, a transaction that vanished though somebody holds its receipt, a head that a stranger signed, and
another network in the ledger's place. What it finds it writes down with what was signed, for others to check.

Rules kept here: a page is replayed only after its place in a signed log was shown; a page is kept whole or not at all;
memory does not grow with the ledger; whatever a server answers ends in a finding or a refusal, never in a traceback.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.http import wire
from cbdc.http.client import Transport
from cbdc.ledger.ahead import read_ahead
from cbdc.ledger.audit import Audit, check_supply
from cbdc.ledger.entry import (
    Genesis,
    LogHead,
    Receipt,
    check_consistency,
    leaf_hash,
    open_entry,
    open_genesis,
)
from cbdc.ledger.entry_form import parts_of
from cbdc.ledger.fold import Fold
from cbdc.ledger.mirror import Frontier, Mirror
from cbdc.ledger.state import ISSUED, REDEEMED, class_counter
from cbdc.ledger.store import EntryRow
from cbdc.private import make_folder, opener
from cbdc.record import ONLINE_DOMAIN, Signed, object_id, open_envelope
from cbdc.token import HOLDER_CLASSES

EVIDENCE = "tenge-audit-evidence/1"
GENESIS_TYPE = 80
_PATIENCE = 30

_decode = msgspec.msgpack.decode


@dataclass(slots=True)
class Look:
    """What one look found: the audit so far, how many entries there were before, and the evidence that was written."""

    audit: Audit
    before: int
    evidence: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Page:
    """A page that belongs to the signed log: its rows, the log after it, and the head that shows it."""

    rows: list[EntryRow]
    log: Frontier
    head: Signed[LogHead]


class _Found(Exception):
    """A finding that ends the look: subject, refusal, and what goes into the evidence."""

    def __init__(self, subject: str, error: TengeError, **evidence: Any) -> None:
        super().__init__(subject)
        self.subject, self.error, self.evidence = subject, error, evidence


class Follower:
    """An auditor of the ledger behind `transport`, with what it keeps in `mirror`.

    `root` is the envelope of the ROOT that is trusted: without it the first look trusts what it is shown, and every
    later one the same. `told` hears (entries replayed, entries in all). `wait` is asked to let a second pass when the
    server says that it is asked too often.
    """

    def __init__(
        self,
        transport: Transport,
        mirror: Mirror,
        folder: Path,
        *,
        root: bytes | None = None,
        workers: int = 0,
        told: Callable[[int, int], None] | None = None,
        wait: Callable[[], None] | None = None,
    ) -> None:
        self._transport = transport
        self._mirror = mirror
        self._folder = folder
        self._root = root
        self._workers = workers
        self._told = told
        self._wait = wait
        self._payload = mirror.genesis or b""
        self._genesis: Genesis | None = open_genesis(self._payload) if self._payload else None

    def look(self, receipts: Sequence[bytes] = (), heads: Sequence[bytes] = ()) -> Look:
        """One look; `receipts` are receipts as the server answered them (JSON), `heads` envelopes kept elsewhere.

        Raises E_PEER_DOWN or E_PEER_ANSWER when the server does not answer in a way that can be understood: that shows
        nothing of the ledger.
        """
        look = Look(Audit(), self._mirror.size)
        try:
            self._look(look, receipts, heads)
        except _Found as found:
            look.audit.note(found.subject, found.error)
            look.evidence.append(self._write(found))
        finally:
            self._mirror.undo()
        self._sum_up(look)
        return look

    # --- the steps of a look ---

    def _look(self, look: Look, receipts: Sequence[bytes], heads: Sequence[bytes]) -> None:
        self._begin()
        held = [wire.read_receipt(wire.parse_json(data), self._network) for data in receipts]
        head = self._newest()
        if head.record.size > self._mirror.size:
            head = self._fetch(head)
        # The ledger may have gone on while its entries were read. What a receipt names must be among them.
        while any(self._mirror.size <= one.index < head.record.size for one in held):
            head = self._fetch(head)
        if self._mirror.size == head.record.size and self._mirror.log.root() != head.record.root:
            error = Refused("E_AUDIT_HEAD", size=head.record.size)
            raise _Found(f"head {head.record.size}", error, heads=[head])
        if self._mirror.size > look.before:
            check_supply(look.audit, self._mirror)
        for data in heads:
            self._check_head(open_envelope(data, LogHead, self._network), head)
        for receipt in held:
            self._check_receipt(receipt, head)

    @property
    def _network(self) -> bytes:
        assert self._genesis is not None
        return self._genesis.network

    def _begin(self) -> None:
        """Know the genesis, and that the server is of its network."""
        network = wire.as_text(_object(self._get("/v1/health")).get("network", ""))
        if self._genesis is None:
            first = self._page(0, 1)[0]
            try:
                entry = open_entry(first)
                genesis = open_genesis(entry.payload)
            except TengeError as error:
                raise _Found("entry 0", error, entries=[first]) from None
            if self._root is not None and genesis.authority.root.encode() != self._root:
                raise _Found("genesis", Refused("E_AUDIT_ROOT"), entries=[first])
            self._genesis, self._payload = genesis, entry.payload
        elif self._root is not None and self._genesis.authority.root.encode() != self._root:
            raise _Found("genesis", Refused("E_AUDIT_ROOT"))
        if network != self._network.hex():
            raise _Found(
                "network",
                Refused("E_AUDIT_NETWORK", kept=self._network, shown=network[:16]),
                shown=network[:64],
            )

    def _newest(self) -> Signed[LogHead]:
        """The newest head, which continues the one that was kept."""
        head = self._signed(_object(self._get("/v1/head")))
        kept = self._mirror.head(self._network)
        if kept is None:
            return head
        self._compare(kept, head)
        if head.record.size > kept.record.size:
            return self._continued(kept, head)
        return head

    def _signed(self, answer: Any) -> Signed[LogHead]:
        """A head in an answer, signed by the ledger; else a finding."""
        with wire.understood("head"):
            head = open_envelope(wire.as_octets(answer["envelope"]), LogHead, self._network)
        assert self._genesis is not None
        try:
            self._genesis.verify_head(head)
        except TengeError as error:
            raise _Found(f"head {head.record.size}", error, heads=[head]) from None
        return head

    def _compare(self, kept: Signed[LogHead], head: Signed[LogHead]) -> None:
        """What two signed heads say of each other by themselves."""
        old, new = kept.record, head.record
        subject = f"head {new.size}"
        if new.size == old.size and new != old:
            raise _Found(subject, Refused("E_AUDIT_FORK", size=new.size), heads=[kept, head])
        if new.size < old.size:
            error = Refused("E_AUDIT_ROLLBACK", size=new.size, kept=old.size)
            raise _Found(subject, error, heads=[kept, head])
        if new.time < old.time:
            raise _Found(subject, Refused("E_AUDIT_FORK", size=old.size), heads=[kept, head])

    def _continued(self, kept: Signed[LogHead], head: Signed[LogHead]) -> Signed[LogHead]:
        """The head, or a newer one, after a proof that it continues the kept one."""
        shown, proof = self._proof(kept.record.size)
        self._compare(head, shown)
        try:
            check_consistency(kept.record.size, kept.record.root, shown.record.size, shown.record.root, proof)
        except TengeError:
            error = Refused("E_AUDIT_FORK", size=kept.record.size)
            raise _Found(
                f"head {shown.record.size}", error, heads=[kept, shown], proof=[node.hex() for node in proof]
            ) from None
        return shown

    def _proof(self, size: int) -> tuple[Signed[LogHead], list[bytes]]:
        answer = _object(self._get(f"/v1/consistency/{size}"))
        with wire.understood("proof"):
            proof = [wire.as_octets(node) for node in wire.as_list(answer["proof"])]
        return self._signed(_object(answer.get("head"))), proof

    # --- entries ---

    def _fetch(self, head: Signed[LogHead]) -> Signed[LogHead]:
        """Fetch, show and replay what is new up to the head; the newest head that was seen on the way."""
        assert self._genesis is not None
        mirror = self._mirror
        fold = Fold(mirror)
        fold.genesis = self._genesis if mirror.size else None
        fold.size, fold.last_time = mirror.size, mirror.last_time
        shown: deque[_Page] = deque()
        pages = self._pages(head, shown)
        with closing(
            read_ahead(self._genesis, mirror, pages, mirror.size, self._workers, signatures=True)
        ) as read:
            for unit in read:
                page = shown.popleft()
                mirror.begin()
                times = fold.take(unit)
                self._keep(page, fold, times)
                if self._told is not None:
                    self._told(mirror.size, head.record.size)
                if fold.bad is not None:
                    assert fold.error is not None
                    raise _Found(
                        f"entry {fold.bad}",
                        fold.error,
                        heads=[page.head],
                        entries=[page.rows[len(times)].data],
                        index=fold.bad,
                    )
                head = page.head if page.head.record.size > head.record.size else head
        return head

    def _keep(self, page: _Page, fold: Fold, times: Sequence[int]) -> None:
        """Keep what was right of a page; the head only if all of it was."""
        assert self._genesis is not None
        mirror = self._mirror
        log, whole = page.log, fold.bad is None
        if not whole:
            log = mirror.log.copy()
            for row in page.rows[: len(times)]:
                log.append(leaf_hash(row.data))
        ids = [(row.transaction_id, time) for row, time in zip(page.rows, times, strict=False)]
        kept = mirror.head(self._network) if mirror.size else None
        newer = whole and (kept is None or page.head.record.size >= kept.record.size)
        mirror.keep(self._payload, log, fold.last_time, ids, page.head.encode() if newer else None)

    def _pages(self, head: Signed[LogHead], shown: deque[_Page]) -> Iterator[list[EntryRow]]:
        """The rows of page after page up to the head, each of which was shown to belong to the signed log."""
        log = self._mirror.log.copy()
        while log.size < head.record.size:
            start = log.size
            page = self._page(start, min(wire.MAX_PAGE_ENTRIES, head.record.size - start))
            rows = [self._row(start + place, data) for place, data in enumerate(page)]
            if start == 0 and open_entry(page[0]).payload != self._payload:
                # What is replayed is what is judged by: a server may not show one genesis and sign another.
                raise _Found("entry 0", Refused("E_AUDIT_FORK", size=1), entries=page[:1])
            log = log.copy()
            for row in rows:
                log.append(row.leaf)
            shown.append(_Page(rows, log, self._shown(log, head, page)))
            yield rows

    def _shown(self, log: Frontier, head: Signed[LogHead], page: list[bytes]) -> Signed[LogHead]:
        """The signed head that shows that the log up to here is the ledger's."""
        shown, proof = (head, []) if log.size == head.record.size else self._proof(log.size)
        try:
            check_consistency(log.size, log.root(), shown.record.size, shown.record.root, proof)
        except TengeError:
            error = Refused("E_AUDIT_HEAD", size=shown.record.size)
            raise _Found(
                f"head {shown.record.size}",
                error,
                heads=[shown],
                proof=[node.hex() for node in proof],
                start=log.size - len(page),
                entries=page,
            ) from None
        return shown

    def _row(self, index: int, data: bytes) -> EntryRow:
        return EntryRow(index, _identity(data, index, self._network), data, leaf_hash(data))

    def _page(self, start: int, count: int) -> list[bytes]:
        answer = _object(self._get(f"/v1/entries/{start}/{count}"))
        with wire.understood("entries"):
            page = [wire.as_octets(data) for data in wire.as_list(answer["entries"])]
        if not 1 <= len(page) <= count:
            raise Unavailable("E_PEER_ANSWER", answer=f"{len(page)} entries")
        return page

    # --- what somebody holds ---

    def _check_head(self, kept: Signed[LogHead], head: Signed[LogHead]) -> None:
        """A head that somebody kept elsewhere must be part of the history."""
        assert self._genesis is not None
        try:
            self._genesis.verify_head(kept)
        except TengeError as error:
            raise _Found("kept head", error, heads=[kept]) from None
        old, new = kept.record, head.record
        if old.size > new.size:
            raise _Found(
                "kept head", Refused("E_AUDIT_TAIL", size=old.size, entries=new.size), heads=[kept, head]
            )
        shown, proof = (head, []) if old.size == new.size else self._proof(old.size)
        try:
            check_consistency(old.size, old.root, shown.record.size, shown.record.root, proof)
        except TengeError:
            raise _Found(
                "kept head",
                Refused("E_AUDIT_FORK", size=old.size),
                heads=[kept, shown],
                proof=[node.hex() for node in proof],
            ) from None

    def _check_receipt(self, receipt: Receipt, head: Signed[LogHead]) -> None:
        """What a receipt promises must stand in the journal; E_LOG_PROOF for a receipt that promises nothing."""
        if receipt.index >= receipt.head.record.size:
            raise Refused("E_LOG_PROOF", index=receipt.index, size=receipt.head.record.size)
        self._check_head(receipt.head, head)
        if self._mirror.placed(receipt.index) != (receipt.transaction_id, receipt.time):
            subject = f"receipt {receipt.transaction_id.hex()}"
            error = Refused("E_AUDIT_RECEIPT", id=receipt.transaction_id, index=receipt.index)
            raise _Found(subject, error, heads=[receipt.head, head], receipt=receipt)

    # --- asking and writing ---

    def _get(self, path: str) -> object:
        reply = self._transport.request("GET", path, {}, b"")
        for _ in range(_PATIENCE):
            if reply.status != 429 or self._wait is None:
                break
            self._wait()
            reply = self._transport.request("GET", path, {}, b"")
        value = wire.parse_json(reply.body)
        if not 200 <= reply.status < 300:
            raise wire.read_problem(value)
        return value

    def _write(self, found: _Found) -> Path:
        """Write a finding down with what was signed and shown; the file."""
        evidence: dict[str, Any] = {
            "format": EVIDENCE,
            "subject": found.subject,
            "code": found.error.code,
            "sentence": found.error.sentence(),
            "network": self._genesis.network.hex() if self._genesis else "",
            "genesis": self._payload.hex(),
        }
        for name, value in found.evidence.items():
            evidence[name] = _plain(value)
        make_folder(self._folder)
        text = json.dumps(evidence, indent=1, sort_keys=True) + "\n"
        name = f"{found.error.code.lower()}-{leaf_hash(text.encode()).hex()[:12]}.json"
        path = self._folder / name
        with open(path, "w", encoding="utf-8", opener=opener) as file:
            file.write(text)
        return path

    def _sum_up(self, look: Look) -> None:
        mirror, audit = self._mirror, look.audit
        audit.genesis = self._genesis
        audit.entries, audit.log_root = mirror.size, mirror.log.root()
        audit.issued_tiyn, audit.redeemed_tiyn = mirror.number(ISSUED), mirror.number(REDEEMED)
        audit.held_tiyn = {name: mirror.number(class_counter(name)) for name in HOLDER_CLASSES}


def check_evidence(data: bytes, root: bytes) -> str:
    """Which two signed heads in a file of evidence cannot both be true, for whoever trusts this ROOT (its envelope).

    Two different heads of one size, or a larger one that is earlier: no honest ledger signs both. Raises
    E_AUDIT_EVIDENCE for anything else: what a server said proves nothing to others.
    """
    try:
        evidence = wire.as_object(wire.parse_json(data))
        genesis = open_genesis(wire.as_octets(evidence["genesis"]))
        heads = [open_envelope(wire.as_octets(text), LogHead, genesis.network) for text in evidence["heads"]]
        for head in heads:
            genesis.verify_head(head)
    except (TengeError, KeyError, TypeError, ValueError) as error:
        raise Refused("E_AUDIT_EVIDENCE", problem=getattr(error, "code", "it has no such heads")) from None
    if genesis.authority.root.encode() != root:
        raise Refused("E_AUDIT_EVIDENCE", problem="it is about the ledger of another root")
    records = sorted((head.record for head in heads), key=lambda record: (record.size, record.time))
    for one, other in pairwise(records):
        if one.size == other.size and one != other:
            return f"two heads of {one.size} entries"
        if one.time > other.time:
            return f"{other.size} entries before {one.size} entries"
    raise Refused("E_AUDIT_EVIDENCE", problem="its heads may all be true")


def _object(value: object) -> Any:
    with wire.understood("answer"):
        return wire.as_object(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Signed):
        return value.encode().hex()
    if isinstance(value, Receipt):
        return wire.write_receipt(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _identity(data: bytes, index: int, network: bytes) -> bytes:
    """The id of an entry as far as its bytes can be taken apart; nothing otherwise, and the fold says why."""
    parts = parts_of(data)
    if parts is None:
        return b""
    if index == 0:
        return object_id(ONLINE_DOMAIN, GENESIS_TYPE, network, parts[2])
    try:
        kind, body, _ = _decode(parts[2])
        return object_id(ONLINE_DOMAIN, kind, network, body)
    except (msgspec.DecodeError, RecursionError, ValueError, TypeError):
        return b""
