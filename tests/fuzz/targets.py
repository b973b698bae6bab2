"""All targets of the fuzzer by name."""

from collections.abc import Callable

from tests.fuzz import bulk_target, bytes_targets, element_target, link_targets, play_targets
from tests.fuzz.target import Target

MAKERS: dict[str, Callable[[], Target]] = {
    "element": element_target.element,
    "decode": bytes_targets.decode,
    "object": bytes_targets.objects,
    "body": bytes_targets.bodies,
    "bundle": bytes_targets.bundles,
    "rows": bulk_target.rows,
    "container": bytes_targets.containers,
    "payload": bytes_targets.payloads,
    "evidence": bytes_targets.evidence,
    "statements": bytes_targets.statements,
    "limits": bytes_targets.limits,
    "notes": bytes_targets.notes,
    "frames": link_targets.assembler,
    "qr": link_targets.qr,
    "apdu": link_targets.apdus,
    "reader": link_targets.reader,
    "ble": link_targets.packets,
    "channel": link_targets.channels,
    "message": play_targets.messages,
    "session": play_targets.sessions,
    "ack": play_targets.acknowledgements,
    "statement": play_targets.statements,
    "batch": play_targets.batches,
}
