"""Vectors of the canonical form MP-C, of single objects and of bundles (attack list, family N)."""

from typing import Any

import msgpack

from cbdc import canonical
from cbdc.money import tenge
from cbdc.record import Signed
from offline.records import Transfer
from tests.offline.world import World
from tests.vectors.case import Case, case

# Families of bytes for `decode`: (id, what, hexadecimal, expected).
GOOD = [
    ("zero", "the number 0", "00"),
    ("fixint", "127, the largest one-byte number", "7f"),
    ("uint8", "128 in two bytes", "cc80"),
    ("uint8-most", "255", "ccff"),
    ("uint16", "256 in three bytes", "cd0100"),
    ("uint16-most", "65535", "cdffff"),
    ("uint32", "65536 in five bytes", "ce00010000"),
    ("uint64", "2**32 in nine bytes", "cf0000000100000000"),
    ("most", "2**53 - 1, the largest number", "cf001fffffffffffff"),
    ("empty-bytes", "no bytes, which also mean an absent field", "c400"),
    ("bytes-255", "255 bytes in the short form", "c4ff" + "aa" * 255),
    ("bytes-256", "256 bytes in the long form", "c50100" + "aa" * 256),
    ("empty-array", "an array of nothing", "90"),
    ("array-15", "15 items in the short form", "9f" + "01" * 15),
    ("array-16", "16 items in the long form", "dc0010" + "01" * 16),
    ("depth-6", "arrays six deep, the most", "919191919190"),
    ("text", "text in normal form C: Теңге", "aa" + "Теңге".encode().hex()),
]

BAD = [
    ("N1-empty", "no bytes at all", "", "E_DECODE"),
    ("N1-cut-int", "a number cut short", "cd01", "E_DECODE"),
    ("N1-cut-bytes", "bytes cut short", "c403aabb", "E_DECODE"),
    ("N1-cut-array", "an array cut short", "9301", "E_DECODE"),
    ("N2-byte", "one byte after the value", "0500", "E_DECODE"),
    ("N2-value", "a second array after the first", "9090", "E_DECODE"),
    ("N3-uint8", "5 in two bytes", "cc05", "E_NONCANON"),
    ("N3-uint16", "5 in three bytes", "cd0005", "E_NONCANON"),
    ("N3-uint32", "5 in five bytes", "ce00000005", "E_NONCANON"),
    ("N3-uint64", "5 in nine bytes", "cf0000000000000005", "E_NONCANON"),
    ("N3-int8", "5 as a signed number of one byte", "d005", "E_NONCANON"),
    ("N3-int64", "5 as a signed number of eight bytes", "d30000000000000005", "E_NONCANON"),
    ("N3-bin16", "one byte with a long length", "c50001aa", "E_NONCANON"),
    ("N3-bin32", "one byte with a very long length", "c600000001aa", "E_NONCANON"),
    ("N3-array16", "one item with a long count", "dc000105", "E_NONCANON"),
    ("N3-array32", "one item with a very long count", "dd0000000105", "E_NONCANON"),
    ("N3-str8", "one letter with a long length", "d90161", "E_NONCANON"),
    ("N3-inside", "a long number inside an array", "92cd000501", "E_NONCANON"),
    ("N5-empty-map", "an empty map", "80", "E_TYPE"),
    ("N5-map", "a map of one pair", "81a16101", "E_TYPE"),
    ("N5-map-inside", "a map inside an array", "9181a16101", "E_TYPE"),
    ("N5-map16", "a map with a long count", "de000101a161", "E_TYPE"),
    ("N6-twice", "a map with one key twice: a library keeps the last", "82a16101a16102", "E_TYPE"),
    ("N6-inside", "the same inside an array", "9182a16101a16102", "E_TYPE"),
    ("N6-array-key", "a map whose key is an array", "81900a", "E_DECODE"),
    ("N7-true", "true, which Python thinks is a number", "c3", "E_TYPE"),
    ("N7-false", "false", "c2", "E_TYPE"),
    ("N7-inside", "true as an item", "91c3", "E_TYPE"),
    ("N8-one", "the float 1.0", "cb3ff0000000000000", "E_TYPE"),
    ("N8-single", "the short float 1.0", "ca3f800000", "E_TYPE"),
    ("N8-nan", "not a number", "cb7ff8000000000000", "E_TYPE"),
    ("N8-infinity", "infinity", "cb7ff0000000000000", "E_TYPE"),
    ("N9-minus-one", "-1", "ff", "E_RANGE"),
    ("N9-int8", "-128", "d080", "E_RANGE"),
    ("N9-int64", "-2**63", "d38000000000000000", "E_RANGE"),
    ("N9-inside", "-1 as an item", "91ff", "E_RANGE"),
    ("N10-2-53", "2**53, which JavaScript cannot tell from its neighbour", "cf0020000000000000", "E_RANGE"),
    ("N10-2-64", "2**64 - 1", "cfffffffffffffffff", "E_RANGE"),
    ("N11-nil", "nil", "c0", "E_TYPE"),
    ("N11-nil-inside", "nil as an item", "91c0", "E_TYPE"),
    ("N11-unused", "the byte that MessagePack never uses", "c1", "E_DECODE"),
    ("N11-ext", "an extension", "d40100", "E_TYPE"),
    ("N11-ext-127", "an extension of the type 127", "d47f00", "E_TYPE"),
    ("N11-ext-negative", "an extension of the type -2", "d4fe00", "E_DECODE"),
    ("N11-timestamp-1", "a timestamp of one byte", "d4ff00", "E_DECODE"),
    ("N11-timestamp-nanoseconds", "a timestamp of 10**9 nanoseconds", "d7ffee6b280000000000", "E_DECODE"),
    ("N11-timestamp", "a timestamp", "d6ff00000000", "E_TYPE"),
    ("N11-timestamp-inside", "a timestamp as an item", "91d6ff00000000", "E_TYPE"),
    ("N15-array32-claim", "a claim of four thousand million items", "ddffffffff", "E_DECODE"),
    ("N15-bin32-claim", "a claim of four thousand million bytes", "c6ffffffff", "E_DECODE"),
    ("N15-map32-claim", "a claim of four thousand million pairs", "dfffffffff", "E_DECODE"),
    ("N14-7", "arrays seven deep", "91" * 6 + "90", "E_DEPTH"),
    ("N14-500", "arrays 500 deep", "91" * 499 + "90", "E_DEPTH"),
    ("N14-1024", "arrays 1,024 deep, the most of well-formed bytes", "91" * 1023 + "90", "E_DEPTH"),
    ("N14-1025", "arrays 1,025 deep", "91" * 1024 + "90", "E_DECODE"),
    ("N14-2000", "arrays 2000 deep", "91" * 1999 + "90", "E_DECODE"),
    ("N12-256", "a text of 256 bytes", "da0100" + "61" * 256, "E_LENGTH"),
    ("N17-utf8", "a byte that is no UTF-8", "a1ff", "E_DECODE"),
    ("N17-overlong", "an overlong UTF-8 form", "a2c080", "E_DECODE"),
    ("N17-surrogate", "half of a surrogate pair", "a3eda080", "E_DECODE"),
    ("N17-nfd", "a letter and its accent, not the letter with the accent", "a365cc81", "E_NONCANON"),
]


def _objects(world: World) -> dict[str, Signed[Any]]:
    payer = world.make_device("encoding payer")
    payee = world.make_device("encoding payee")
    note = world.make_note(payer.kid, tenge(5_000))
    transfer = world.make_transfer(payer.key, note, note, payee.kid, tenge(1_000))
    invoice = world.make_invoice(payee.key, tenge(1_000))
    return {
        "certificate": payer.certificate,
        "note": note,
        "transfer": transfer,
        "invoice": invoice,
        "receipt": world.make_receipt(payee.key, invoice),
        "trust": world.first_trust,
    }


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def _changed(signed: Signed[Any], place: int, value: Any) -> bytes:
    """The object's envelope with one field of the body replaced, whatever the value is."""
    fields = list(canonical.decode_array(signed.body))
    fields[place] = value
    return _pack([signed.record.TYPE, _pack(fields), signed.signature])


def _object_cases(world: World) -> list[Case]:
    made = _objects(world)
    cases = [
        case(f"object-{name}", f"a well-formed {name}", "object", signed.encode(), type=signed.record.TYPE)
        for name, signed in made.items()
    ]

    def bad(id: str, what: str, data: bytes, type: int, expect: str) -> None:
        cases.append(case(id, what, "object", data, expect, type=type))

    transfer, note, invoice = made["transfer"], made["note"], made["invoice"]
    index, outputs, previous = 2, 3, 1
    bad("N7-index", "true as the index of an output", _changed(transfer, index, True), 5, "E_TYPE")
    bad("N7-part", "true as the number of a part", _changed(transfer, 8, True), 5, "E_TYPE")
    bad("N7-amount", "true as an amount", _changed(note, 2, True), 4, "E_TYPE")
    bad("N8-amount", "the float 1.0 as an amount", _changed(note, 2, 1.0), 4, "E_TYPE")
    bad("N9-amount", "a negative amount", _changed(note, 2, -1), 4, "E_RANGE")
    bad("N10-amount", "an amount of 2**53", _changed(note, 2, 2**53), 4, "E_RANGE")
    bad("N11-amount", "nil for an amount", _changed(note, 2, None), 4, "E_TYPE")
    bad("N5-outputs", "a map for the outputs", _changed(transfer, outputs, {0: 1}), 5, "E_TYPE")
    bad("N13-31", "a hash of 31 bytes", _changed(transfer, previous, bytes(31)), 5, "E_FIELD")
    bad("N13-33", "a hash of 33 bytes", _changed(transfer, previous, bytes(33)), 5, "E_FIELD")
    bad("N13-0", "no hash where one must be", _changed(transfer, previous, b""), 5, "E_FIELD")
    bad("N13-offer", "an optional hash of 31 bytes", _changed(invoice, 9, bytes(31)), 6, "E_FIELD")
    for size in (0, 63, 65):
        data = _pack([5, transfer.body, bytes(size)])
        bad(f"N13-signature-{size}", f"a signature of {size} bytes", data, 5, "E_FIELD")
    bad("N12-text", "text where bytes belong", _pack([5, "body", transfer.signature]), 5, "E_TYPE")
    bad("N12-hash", "text for a hash", _changed(transfer, previous, "a" * 32), 5, "E_TYPE")
    bad("N18-other", "a note where a transfer belongs", note.encode(), 5, "E_OBJTYPE")
    bad("N18-unknown", "type 200", _pack([200, transfer.body, transfer.signature]), 5, "E_OBJTYPE")
    bad("N18-true", "true for a type", _pack([True, transfer.body, transfer.signature]), 5, "E_TYPE")
    fields = canonical.decode_array(transfer.body)
    for id, changed, what in (
        ("N19-missing", fields[:-1], "the last field is missing"),
        ("N19-extra", [*fields, 0], "one field too many"),
        ("N19-none", [], "no fields at all"),
    ):
        bad(id, what, _pack([5, _pack(changed), transfer.signature]), 5, "E_FIELD")
    bad("N19-number", "a number for the whole body", _pack([5, _pack(5), transfer.signature]), 5, "E_TYPE")
    bad("N19-envelope-2", "an envelope without a signature", _pack([5, transfer.body]), 5, "E_FIELD")
    bad("N19-envelope-4", "an envelope with four items", _pack([5, transfer.body, b"", b""]), 5, "E_FIELD")
    bad("N3-body", "a long number inside the body", _long_number(transfer), 5, "E_NONCANON")
    bad("X6-0", "a transfer without outputs", _changed(transfer, outputs, []), 5, "E_COUNT")
    three = [[1, bytes(32)]] * 3
    bad("X6-3", "a transfer with three outputs", _changed(transfer, outputs, three), 5, "E_COUNT")
    bad("X4-wide", "an output of 2**53", _changed(transfer, outputs, [[2**53, bytes(32)]]), 5, "E_RANGE")
    bad("X5", "a negative output", _changed(transfer, outputs, [[-1, bytes(32)]]), 5, "E_RANGE")
    bad("X-counter-0", "the counter 0", _changed(transfer, 5, 0), 5, "E_FIELD")
    bad("P22-zero", "an invoice for nothing", _changed(invoice, 3, 0), 6, "E_FIELD")
    bad("X-limits", "five limits", _changed(made["certificate"], 6, [1, 2, 3, 4, 5]), 3, "E_FIELD")
    return cases


def _long_number(transfer: Signed[Transfer]) -> bytes:
    body = bytearray(transfer.body)
    # The kind, 0, is the first field after the array's header of three bytes; written as cc00 it is not shortest.
    assert bytes(body[:4]) == b"\xdc\x00\x11\x00"
    return _pack([5, bytes(body[:3]) + b"\xcc\x00" + bytes(body[4:]), transfer.signature])


def _bundle_cases(world: World) -> list[Case]:
    payer = world.make_device("bundle payer")
    payee = world.make_device("bundle payee")
    note = world.make_note(payer.kid, tenge(5_000))
    paid = world.make_transfer(payer.key, note, note, payee.kid, tenge(1_000))
    envelope, money, step = payer.certificate.envelope(), note.envelope(), paid.envelope()
    whole = world.bundle([payer.certificate], [(note, [paid])]).encode()
    cases = [
        case("bundle", "a well-formed bundle", "bundle", whole),
        case("bundle-limit", "a bundle of just the limit", "bundle", whole, limit_bytes=len(whole)),
        case("bundle-bare", "a bundle of a note alone", "bundle", _pack([1, [], [[money, []]]])),
        case("N16", "one byte more than the limit", "bundle", whole, "E_SIZE", limit_bytes=len(whole) - 1),
        case(
            "N16-garbage",
            "too large and not even MessagePack",
            "bundle",
            b"\xc1" * 9,
            "E_SIZE",
            limit_bytes=8,
        ),
        case("N2-bundle", "a bundle and one byte more", "bundle", whole + b"\x00", "E_DECODE"),
    ]

    def bad(id: str, what: str, value: Any, expect: str) -> None:
        cases.append(case(id, what, "bundle", _pack(value), expect))

    bad("N18-version-2", "container version 2", [2, [envelope], [[money, [step]]]], "E_VERSION")
    bad("N18-version-bytes", "bytes for the version", [b"\1", [envelope], [[money, [step]]]], "E_VERSION")
    bad("N18-version-array", "an array for the version", [[1], [envelope], [[money, [step]]]], "E_VERSION")
    bad("N18-version-true", "true for the version", [True, [envelope], [[money, [step]]]], "E_TYPE")
    bad("N18-certificate", "a note among the certificates", [1, [money], [[money, [step]]]], "E_OBJTYPE")
    bad("N18-transfer", "a note among the transfers", [1, [envelope], [[money, [money]]]], "E_OBJTYPE")
    bad("N19-bundle-2", "a bundle of two items", [1, [envelope]], "E_FIELD")
    bad("N19-bundle-4", "a bundle of four items", [1, [envelope], [[money, [step]]], 0], "E_FIELD")
    bad("N5-bundle", "a map for a bundle", {1: 2}, "E_TYPE")
    bad("N13-certificates", "bytes for the certificates", [1, b"", [[money, [step]]]], "E_TYPE")
    bad(
        "N4-certificate",
        "a certificate as a byte string",
        [1, [_pack(envelope)], [[money, [step]]]],
        "E_TYPE",
    )
    bad("N4-note", "a note as a byte string", [1, [envelope], [[_pack(money), [step]]]], "E_TYPE")
    bad("N4-transfer", "a transfer as a byte string", [1, [envelope], [[money, [_pack(step)]]]], "E_TYPE")
    bad("N4-token", "a token as a byte string", [1, [envelope], [_pack([money, [step]])]], "E_TYPE")
    bad("X11", "a line without a note", [1, [envelope], [[[step]]]], "E_COUNT")
    bad("X11-empty", "a line of nothing", [1, [envelope], [[]]], "E_COUNT")
    bad("X11-transfer", "a transfer where the note belongs", [1, [envelope], [[step, [step]]]], "E_OBJTYPE")
    bad("X31-certificates-25", "25 certificates", [1, [envelope] * 25, [[money, [step]]]], "E_COUNT")
    bad("X31-tokens-0", "no token", [1, [envelope], []], "E_COUNT")
    bad("X31-tokens-9", "nine tokens", [1, [envelope], [[money, []]] * 9], "E_COUNT")
    bad("X31-transfers-13", "13 transfers in one line", [1, [envelope], [[money, [step] * 13]]], "E_COUNT")
    return cases


def make() -> dict[str, Any]:
    """The file `encoding.json`."""
    world = World("encoding")
    cases = [case(f"form-{id}", what, "decode", bytes.fromhex(data)) for id, what, data in GOOD]
    cases += [case(id, what, "decode", bytes.fromhex(data), code) for id, what, data, code in BAD]
    cases.append(
        case("N16-decode", "six bytes where five are allowed", "decode", bytes(6), "E_SIZE", limit_bytes=5)
    )
    cases += _object_cases(world)
    cases += _bundle_cases(world)
    return {
        "origin": "DTO/1, sections 5.3 and 7.1 (N), and the rows of 7.3 that structure alone decides",
        "schema": {
            "decode": "the bytes are one MP-C value of at most `limit_bytes`",
            "object": "the bytes are an envelope of the given `type` with well-formed fields; no signature is checked",
            "bundle": "the bytes are a well-formed BUNDLE of at most `limit_bytes` (24576 when not given)",
        },
        "context": {"network": world.network.hex()},
        "cases": cases,
    }
