"""The checks of the vector files (8, "Checks"): a case and its context in, "ok" or a code out."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from . import keys, pieces, verify
from .channel import play
from .containers import (
    BUNDLE_LIMIT,
    COMMIT,
    MESSAGE_LIMIT,
    open_batch,
    open_bundle,
    open_lists_message,
    open_message,
    open_offer_bytes,
)
from .evidence import judge_evidence
from .links import LIMIT, Assembler, Stream, qr_frame
from .mpc import DEFAULT_LIMIT, decode, encode
from .objects import (
    DEVCERT,
    INVOICE,
    NOTE,
    RECEIPT,
    REDEEM_ORDER,
    SYNC_ACK,
    SYNC_REQ,
    TRANSFER,
    TRUST,
    Obj,
    network_of,
    open_auth,
    open_envelope,
    open_root,
)
from .refusal import Refusal, need
from .sync import check_order, check_sync_ack
from .trust import Trust

MISMATCH = "E_MISMATCH"  # not of the protocol: the bytes are accepted, but say another thing than the case
Case = dict[str, Any]


class Setting:
    """A case with its context (8, "A context", "Arguments")."""

    def __init__(self, case: Case, context: Case) -> None:
        """Choose the context: the case's own, the named one, or the file's (8)."""
        chosen = case.get("context")
        named = context.get(chosen, context) if isinstance(chosen, str) else chosen
        self.case = case
        self.context: Case = context if named is None else named
        self.data = bytes.fromhex(case["bytes"])

    @property
    def network(self) -> bytes:
        """The network: that of the ROOT, where there is one."""
        if "root" in self.context:
            return network_of(_root(self.context["root"]).body)
        return bytes.fromhex(self.context["network"])

    def raw(self, name: str) -> bytes:
        """An argument that is bytes."""
        return bytes.fromhex(self.case[name])

    def limit(self, default: int) -> int:
        """`limit_bytes`, or what the check says."""
        return int(self.case["limit_bytes"]) if "limit_bytes" in self.case else default

    def trust(self) -> Trust:
        """ROOT, AUTHs and the lists, adopted one after the other by a reader that had none."""
        lists: list[str] = self.case["trust"] if "trust" in self.case else self.context.get("trust", [])
        auths: list[str] = self.context.get("auths", [])
        return _trust(self.context["root"], tuple(auths), tuple(lists))

    def opened(self, kind: int) -> Obj:
        """The bytes, opened."""
        return open_envelope(self.data, kind, self.network)

    def argument(self, name: str, kind: int) -> Obj:
        """An argument that is an envelope."""
        return open_envelope(self.raw(name), kind, self.network)

    def receiver(self) -> verify.Receiver:
        """The receiver: beliefs, moment, memory."""
        now = int(self.case["now"]) if "now" in self.case else int(self.context["now"])
        known = [open_envelope(bytes.fromhex(k), TRANSFER, self.network) for k in self.case.get("known", [])]
        return verify.Receiver(self.trust(), now, known)


@lru_cache(maxsize=64)
def _root(envelope: str) -> Obj:
    """A ROOT of the vectors, opened (8, "A context")."""
    return open_root(bytes.fromhex(envelope))


@lru_cache(maxsize=512)
def _trust(root: str, auths: tuple[str, ...], lists: tuple[str, ...]) -> Trust:
    """What a reader believes after these lists (8, "A context"; 5.12)."""
    opened = _root(root)
    trust = Trust(opened, [open_auth(decode(bytes.fromhex(a)), opened) for a in auths])
    for item in lists:
        trust.adopt(open_envelope(bytes.fromhex(item), TRUST, trust.network))
    return trust


def _decode(s: Setting) -> None:
    """`decode` (5.3)."""
    need(encode(decode(s.data, s.limit(DEFAULT_LIMIT))) == s.data, MISMATCH)


def _sealed(s: Setting) -> None:
    """`sealed` (5.2, 5.3)."""
    opened = s.opened(int(s.case["type"]))
    algorithm, key = int(s.case["algorithm"]), s.raw("key")
    need(keys.usable(algorithm, key), "E_KEY")
    need(keys.verify(algorithm, key, opened.signature, opened.message()), "E_SIG")
    need(opened.oid.hex() == s.case.get("oid", opened.oid.hex()), MISMATCH, "oid")
    need(opened.message().hex() == s.case.get("message", opened.message().hex()), MISMATCH, "message")


def _key(s: Setting) -> None:
    """`key` (5.2)."""
    need(keys.usable(int(s.case["algorithm"]), s.data), "E_KEY")


def _signature(s: Setting) -> None:
    """`signature` (5.2)."""
    algorithm, key = int(s.case["algorithm"]), s.raw("key")
    need(keys.usable(algorithm, key), "E_KEY")
    need(keys.verify(algorithm, key, s.data, s.raw("message")), "E_SIG")


def _auth(s: Setting) -> None:
    """`auth` (5.2)."""
    open_auth(decode(s.data), _root(s.context["root"]))


def _adopt(s: Setting) -> None:
    """`adopt` (5.12)."""
    item, before = s.opened(TRUST), s.trust()
    Trust(before.root, before.auths, before.sequence, before.last).adopt(item)


def _certificate(s: Setting) -> None:
    """`certificate` (5.6, C)."""
    certificate = s.opened(DEVCERT)
    pieces.check_certificate(certificate, s.trust())
    if "at" in s.case:
        pieces.alive(certificate, int(s.case["at"]))


def _step(s: Setting) -> None:
    """`step` (5.6, S as settlement asks it)."""
    note = s.argument("note", NOTE)
    parent = s.argument("parent", TRANSFER) if "parent" in s.case else note
    certificate = s.argument("certificate", DEVCERT) if "certificate" in s.case else None
    pieces.check_step(s.opened(TRANSFER), parent, note, certificate, receiver=False)


def _offer(s: Setting) -> None:
    """`offer` (5.6)."""
    verify.verify_offer(s.data, s.limit(BUNDLE_LIMIT), s.case.get("own_category"), s.receiver())


def _payment(s: Setting) -> None:
    """`payment` (5.6)."""
    verify.verify_payment(s.data, s.argument("invoice", INVOICE), s.case["own_category"], s.receiver())


def _commit(s: Setting) -> None:
    """`commit` (5.5, 5.6)."""
    message = open_message(s.data, MESSAGE_LIMIT, s.network)
    need(message.kind == COMMIT, "E_OBJTYPE")
    offer = open_bundle(s.raw("offer"), DEFAULT_LIMIT, s.network)
    invoice, own = s.argument("invoice", INVOICE), s.case["own_category"]
    verify.verify_commit(offer, message.objects, invoice, own, s.receiver())


def _invoice(s: Setting) -> None:
    """`invoice` (5.6)."""
    verify.verify_invoice(s.opened(INVOICE), s.argument("certificate", DEVCERT), s.receiver())


def _receipt(s: Setting) -> None:
    """`receipt` (5.6)."""
    invoice, certificate = s.argument("invoice", INVOICE), s.argument("certificate", DEVCERT)
    verify.verify_receipt(s.opened(RECEIPT), invoice, s.raw("payment_root"), certificate)


def _sync_ack(s: Setting) -> None:
    """`sync-ack` (5.9)."""
    request = s.argument("request", SYNC_REQ) if "request" in s.case else None
    check_sync_ack(s.opened(SYNC_ACK), request, s.trust())


def _order(s: Setting) -> None:
    """`redeem-order` (5.9)."""
    check_order(s.opened(REDEEM_ORDER), s.argument("certificate", DEVCERT), s.receiver())


def _lists(s: Setting) -> None:
    """`lists` (5.12, "Over QR")."""
    lists, before = open_lists_message(s.data, s.network), s.trust()
    newer = bool(lists) and lists[-1].num("sequence") > before.sequence
    after = before.catch_up(lists) if newer else before
    need(after.sequence == s.case.get("sequence", after.sequence), MISMATCH, "sequence")


def _assembled(taker: Assembler | Stream, pieces_: list[str], expected: bytes) -> None:
    """The last piece gives these bytes (8, `frames`, `packets`)."""
    message = None
    for piece in pieces_:
        message = taker.take(bytes.fromhex(piece))
    need((message or b"") == expected, MISMATCH)


def _frames(s: Setting) -> None:
    """`frames` (5.15)."""
    _assembled(Assembler(s.limit(LIMIT)), s.case["frames"], s.data)


def _packets(s: Setting) -> None:
    """`packets` (5.15)."""
    _assembled(Stream(s.limit(LIMIT)), s.case["packets"], s.data)


def _evidence(s: Setting) -> None:
    """`evidence` (5.10)."""
    root = s.raw("root") if "root" in s.case else bytes.fromhex(s.context["root"])
    verdict = judge_evidence(s.data, root)
    need(verdict == s.case.get("verdict", verdict), MISMATCH, str(verdict))


_CHECKS: dict[str, Callable[[Setting], object]] = {
    "decode": _decode,
    "object": lambda s: s.opened(int(s.case["type"])),
    "sealed": _sealed,
    "bundle": lambda s: open_bundle(s.data, s.limit(BUNDLE_LIMIT), s.network),
    "message": lambda s: open_message(s.data, s.limit(MESSAGE_LIMIT), s.network),
    "offer-bytes": lambda s: open_offer_bytes(s.data),
    "batch": lambda s: open_batch(s.data, s.network),
    "key": _key,
    "signature": _signature,
    "root": lambda s: open_root(s.data),
    "auth": _auth,
    "adopt": _adopt,
    "certificate": _certificate,
    "note": lambda s: pieces.check_note(s.opened(NOTE), s.trust()),
    "step": _step,
    "offer": _offer,
    "payment": _payment,
    "commit": _commit,
    "invoice": _invoice,
    "receipt": _receipt,
    "sync-ack": _sync_ack,
    "redeem-order": _order,
    "lists": _lists,
    "frames": _frames,
    "qr": lambda s: need(qr_frame(s.case["text"]) == s.data, MISMATCH),
    "packets": _packets,
    "channel": lambda s: play(s.case),
    "evidence": _evidence,
}


def check_case(case: Case, context: Case) -> str:
    """Run one vector case (8, "Checks") and answer "ok" or the code of the first refusal.

    `context` is the file's context (also one of several by name) or the case's own. The bytes may have been
    mutated. `E_MISMATCH` is the one answer that is not of the protocol: accepted, but something else.
    """
    try:
        _CHECKS[case["check"]](Setting(case, context))
    except Refusal as refusal:
        return refusal.code
    return "ok"
