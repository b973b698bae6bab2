"""Makers for the page about links: what each message weighs on each carrier, and what loss costs."""

from collections.abc import Callable, Mapping

from cbdc.keys import ES256
from offline.carriers import BleCarrier, NfcCarrier, QrCarrier, pieces_of
from offline.link import Faults
from tests.offline.carried import ENTROPY, MAKES, conversation

_LOSSES = (0, 100, 200, 300)
_NAMES = {
    "qr": "QR",
    "nfc": "NFC",
    "ble-23": "BLE, MTU 23",
    "ble-517": "BLE, MTU 517",
    "ble-sealed": "BLE, MTU 185, encrypted, engagement by QR",
    "file": "a file",
}


def weights(argument: str) -> str:
    """Every message of both flows on each carrier, where nothing is lost."""
    rows = [
        "| message | bytes | QR codes | s | NFC commands | s | BLE packets, MTU 23 | s | MTU 185 | s | MTU 517 | s |"
    ]
    rows.append("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for near in (False, True):
        for name, passage in conversation(near, ES256)[1]:
            assert passage.message is not None, "hand to hand everything arrives"
            rows.append(_row(f"{name} (flow {'I' if near else 'Q'})", passage.message))
    return "\n".join(rows)


def _row(name: str, message: bytes) -> str:
    links = [BleCarrier(ENTROPY, b"page", Faults(), mtu) for mtu in (23, 185, 517)]
    qr, nfc = QrCarrier(ENTROPY, b"page", Faults()), NfcCarrier(ENTROPY, b"page", Faults())
    cells = [f"{len(message):,}", str(pieces_of(message, 23)["qr"]), qr.send(message).seconds]
    cells += [str(pieces_of(message, 23)["nfc"]), nfc.send(message).seconds]
    for link in links:
        passage = link.send(message)
        cells += [str(passage.pieces), passage.seconds]
    return f"| {name} | {' | '.join(cells)} |"


def losses(argument: str) -> str:
    """A whole exchange on each carrier at several losses: what went out and how long it took, the mean of four."""
    title = " | ".join(f"{loss // 10} %: pieces | s" for loss in _LOSSES)
    rows = [f"| carrier | flow | {title} |", "|---|---" + "|---|---" * len(_LOSSES) + "|"]
    for kind, name in _NAMES.items():
        for near in (False, True):
            cells = [cell for loss in _LOSSES for cell in _exchange(kind, near, loss)]
            rows.append(f"| {name} | {'I' if near else 'Q'} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _exchange(kind: str, near: bool, loss: int, times: int = 4) -> tuple[str, str]:
    sent = microseconds = 0
    for number in range(times):
        for _, passage in conversation(near, ES256, MAKES[kind](number.to_bytes(4, "big"), loss))[1]:
            sent, microseconds = sent + passage.sent, microseconds + passage.microseconds
    tenths = -(-microseconds * 10 // (times * 1_000_000))
    return f"{-(-sent // times)}", f"{tenths // 10}.{tenths % 10}"


MAKERS: Mapping[str, Callable[[str], str]] = {"link-weights": weights, "link-losses": losses}
