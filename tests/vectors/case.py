"""The form of a vector file, and the one way to run a case: what another implementation has to repeat.

A file is a JSON object with `origin`, `schema`, `context` (what all its cases share) and `cases`. A case has an `id`
that begins with its row in the protocol's attack list (`X16`) or the step it shows (`step-V6`), `what` it shows, the
`check` to run on `bytes` (hexadecimal) and the `expect`ed answer: "ok" or the code of the refusal. Other fields are
arguments of the check.
"""

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from cbdc import authority, canonical, keys
from cbdc.authority import Authority, open_root
from cbdc.errors import Malformed, TengeError
from cbdc.record import Record, open_envelope, signing_message
from offline import element_rules, gossip, link, messages, records, verify
from offline.batch import open_batch
from offline.bundle import open_bundle
from offline.evidence import verify_evidence
from offline.host_coins import open_offer
from offline.records import DeviceCertificate, Invoice, Note, Receipt, Transfer, Trust
from offline.trust import TrustView
from tests.vectors.channel_check import run_channel

FOLDER = Path(__file__).parent
MESSAGE_BYTES = 1 << 19

Case = dict[str, Any]
Context = dict[str, Any]

OBJECTS: dict[int, type[Record]] = {
    kind.TYPE: kind
    for module in (authority, records)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Record) and kind.__module__ == module.__name__
}


def case(id: str, what: str, check: str, data: bytes, expect: str = "ok", **more: Any) -> Case:
    """One case; byte strings among `more` become hexadecimal."""
    return {"id": id, "what": what, "check": check, "bytes": data.hex(), "expect": expect} | {
        name: plain(value) for name, value in more.items()
    }


def plain(value: Any) -> Any:
    """The value as JSON can carry it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def load(name: str) -> dict[str, Any]:
    """The vector file `name` (without its ending)."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def text_of(file: dict[str, Any]) -> str:
    """The file's text: one case a line, so that a change shows as the lines it changes."""
    head = {name: value for name, value in file.items() if name != "cases"}
    opening = json.dumps(head, ensure_ascii=False, indent=1)[:-2]
    lines = ",\n".join(json.dumps(one, ensure_ascii=False, sort_keys=False) for one in file["cases"])
    return f'{opening},\n "cases": [\n{lines}\n]}}\n'


def run(one: Case, context: Context) -> str:
    """Run a case: "ok", or the code of the refusal. Any other exception is a failure of the implementation."""
    return run_bytes(one, context, bytes.fromhex(one["bytes"]))


def run_bytes(one: Case, context: Context, data: bytes) -> str:
    """Run a case on other bytes than its own."""
    try:
        CHECKS[one["check"]](one, _context(one, context), data)
    except TengeError as error:
        return error.code
    return "ok"


def _context(one: Case, context: Context) -> Context:
    # A file has one context, or several by name; a case may also bring its own.
    own = one.get("context", context)
    named: Context = context[own] if isinstance(own, str) else own
    return named


# --- the checks ---


@lru_cache(maxsize=64)
def _believed(root: str, auths: tuple[str, ...], trust: tuple[str, ...]) -> TrustView:
    view = TrustView(Authority(open_root(bytes.fromhex(root)), [bytes.fromhex(auth) for auth in auths]))
    for data in trust:
        view = view.adopt(open_envelope(bytes.fromhex(data), Trust, view.network))
    return view


def _trust(one: Case, context: Context) -> TrustView:
    return _believed(context["root"], tuple(context["auths"]), tuple(one.get("trust", context["trust"])))


def _opened(one: Case, context: Context, name: str, kind: type[Any]) -> Any:
    return open_envelope(bytes.fromhex(one[name]), kind, bytes.fromhex(context["network"]))


def _known(one: Case, network: bytes) -> verify.Known:
    known = (open_envelope(bytes.fromhex(data), Transfer, network) for data in one.get("known", ()))
    return verify.EMPTY.with_transfers(known)


def _now(one: Case, context: Context) -> int:
    now: int = one.get("now", context["now"])
    return now


def _decode(one: Case, context: Context, data: bytes) -> None:
    value = canonical.decode(data, one.get("limit_bytes", canonical.MAX_MESSAGE_BYTES))
    assert canonical.encode(value) == data


def _object(one: Case, context: Context, data: bytes) -> None:
    opened = open_envelope(data, OBJECTS[one["type"]], bytes.fromhex(context["network"]))
    assert opened.encode() == data


def _sealed(one: Case, context: Context, data: bytes) -> None:
    opened = open_envelope(data, OBJECTS[one["type"]], bytes.fromhex(context["network"]))
    opened.verify(keys.public_key(one["algorithm"], bytes.fromhex(one["key"])))
    assert opened.oid.hex() == one["oid"]
    assert signing_message(opened.record.DOMAIN, opened.record.TYPE, opened.oid).hex() == one["message"]


def _bundle(one: Case, context: Context, data: bytes) -> None:
    opened = open_bundle(data, bytes.fromhex(context["network"]), one.get("limit_bytes", 24_576))
    assert opened.encode() == data


def _key(one: Case, context: Context, data: bytes) -> None:
    keys.public_key(one["algorithm"], data)


def _signature(one: Case, context: Context, data: bytes) -> None:
    key = keys.public_key(one["algorithm"], bytes.fromhex(one["key"]))
    key.verify(data, bytes.fromhex(one["message"]))


def _auth(one: Case, context: Context, data: bytes) -> None:
    Authority(open_root(bytes.fromhex(context["root"])), [data])


def _root(one: Case, context: Context, data: bytes) -> None:
    open_root(data)


def _adopt(one: Case, context: Context, data: bytes) -> None:
    view = _trust(one, context)
    adopted = view.adopt(open_envelope(data, Trust, view.network))
    assert adopted.sequence >= view.sequence


def _certificate(one: Case, context: Context, data: bytes) -> None:
    view = _trust(one, context)
    verify.check_certificate(open_envelope(data, DeviceCertificate, view.network), view, one.get("at"))


def _note(one: Case, context: Context, data: bytes) -> None:
    view = _trust(one, context)
    verify.check_note(open_envelope(data, Note, view.network), view)


def _offer(one: Case, context: Context, data: bytes) -> None:
    view = _trust(one, context)
    limit_bytes = one.get("limit_bytes", 24_576)
    category = one.get("own_category")
    verify.verify_offer(
        data, view, _now(one, context), limit_bytes, _known(one, view.network), own_category=category
    )


def _payment(one: Case, context: Context, data: bytes) -> None:
    view = _trust(one, context)
    invoice = _opened(one, context, "invoice", Invoice)
    known = _known(one, view.network)
    payment = verify.verify_payment(data, invoice, one["own_category"], view, _now(one, context), known)
    paid_tiyn = sum(transfer.record.outputs[0].amount_tiyn for transfer in payment.transfers)
    assert paid_tiyn == invoice.record.amount_tiyn


def _invoice(one: Case, context: Context, data: bytes) -> None:
    view = _trust(one, context)
    certificate = _opened(one, context, "certificate", DeviceCertificate)
    verify.check_invoice(open_envelope(data, Invoice, view.network), certificate, view, _now(one, context))


def _receipt(one: Case, context: Context, data: bytes) -> None:
    receipt = open_envelope(data, Receipt, bytes.fromhex(context["network"]))
    certificate = _opened(one, context, "certificate", DeviceCertificate)
    invoice = _opened(one, context, "invoice", Invoice)
    verify.check_receipt(receipt, invoice, bytes.fromhex(one["payment_root"]), certificate)


def _evidence(one: Case, context: Context, data: bytes) -> None:
    verdict = verify_evidence(data, open_root(bytes.fromhex(one.get("root", context["root"]))))
    if "verdict" in one:
        found = {
            "type": verdict.type,
            "kid": verdict.kid.hex(),
            "device_id": verdict.device_id.hex(),
            "amount_tiyn": verdict.amount_tiyn,
        }
        assert found == one["verdict"]


def _commit(one: Case, context: Context, data: bytes) -> None:
    view = _trust(one, context)
    message = messages.open_message(data, view.network, one.get("limit_bytes", MESSAGE_BYTES))
    if not isinstance(message, messages.Commit):
        raise Malformed("E_OBJTYPE", type="another message", expected="a COMMIT")
    offer = open_bundle(bytes.fromhex(one["offer"]), view.network, 24_576)
    invoice = _opened(one, context, "invoice", Invoice)
    known = _known(one, view.network)
    now = _now(one, context)
    verify.verify_commit(offer, message.transfers, invoice, one["own_category"], view, now, known)


def _step(one: Case, context: Context, data: bytes) -> None:
    network = bytes.fromhex(context["network"])
    note = _opened(one, context, "note", Note)
    parent = _opened(one, context, "parent", Transfer) if "parent" in one else note
    certificate = (
        _opened(one, context, "certificate", DeviceCertificate).record if "certificate" in one else None
    )
    verify.check_transfer(open_envelope(data, Transfer, network), parent, note, certificate)


def _message(one: Case, context: Context, data: bytes) -> None:
    network = bytes.fromhex(context["network"])
    message = messages.open_message(data, network, one.get("limit_bytes", MESSAGE_BYTES))
    assert (message if isinstance(message, bytes) else message.encode()) == data


def _offer_bytes(one: Case, context: Context, data: bytes) -> None:
    bundle, picks = open_offer(data)
    assert canonical.encode([bundle, [tuple(pick) for pick in picks]]) == data


def _batch(one: Case, context: Context, data: bytes) -> None:
    assert open_batch(data, bytes.fromhex(context["network"])).encode() == data


def _frames(one: Case, context: Context, data: bytes) -> None:
    assembler, whole = link.Assembler(one.get("limit_bytes", 24_576)), None
    for frame in one["frames"]:
        whole = assembler.take(bytes.fromhex(frame), 0)
    assert whole == (data or None)


def _qr(one: Case, context: Context, data: bytes) -> None:
    assert link.open_qr(one["text"]) == data


def _packets(one: Case, context: Context, data: bytes) -> None:
    receiver, whole = link.BleReceiver(one.get("limit_bytes", 24_576)), None
    for packet in one["packets"]:
        whole = receiver.take(bytes.fromhex(packet))
    assert whole == (data or None)


def _sync_ack(one: Case, context: Context, data: bytes) -> None:
    view = _trust(one, context)
    request = _opened(one, context, "request", records.SyncRequest) if "request" in one else None
    element_rules.check_ack(open_envelope(data, records.SyncAck, view.network), request, view)


class _Believer:
    """A stand-in for a device whose one matter is which lists it has adopted."""

    def __init__(self, view: TrustView) -> None:
        self.trust_view = view

    def trust(self, chain: Iterable[Any]) -> None:
        """Adopt a chain, as an element does."""
        self.trust_view = self.trust_view.adopt_all(chain)


def _lists(one: Case, context: Context, data: bytes) -> None:
    believer: Any = _Believer(_trust(one, context))
    assert gossip.take(believer, data) == one["sequence"]


def _redeem_order(one: Case, context: Context, data: bytes) -> None:
    view = _trust(one, context)
    certificate = _opened(one, context, "certificate", DeviceCertificate).record
    order = open_envelope(data, records.RedeemOrder, view.network)
    element_rules.check_redeem_order(order, certificate, view, _now(one, context))


CHECKS: dict[str, Callable[[Case, Context, bytes], None]] = {
    "decode": _decode,
    "object": _object,
    "sealed": _sealed,
    "bundle": _bundle,
    "key": _key,
    "signature": _signature,
    "root": _root,
    "auth": _auth,
    "adopt": _adopt,
    "certificate": _certificate,
    "note": _note,
    "offer": _offer,
    "payment": _payment,
    "invoice": _invoice,
    "receipt": _receipt,
    "evidence": _evidence,
    "commit": _commit,
    "step": _step,
    "message": _message,
    "offer-bytes": _offer_bytes,
    "batch": _batch,
    "frames": _frames,
    "qr": _qr,
    "packets": _packets,
    "sync-ack": _sync_ack,
    "redeem-order": _redeem_order,
    "lists": _lists,
    "channel": lambda one, context, data: run_channel(one, data),
}


def ids_are_unique(cases: Iterable[Case]) -> bool:
    """Whether no two cases share an id."""
    names = [one["id"] for one in cases]
    return len(set(names)) == len(names)
