"""What is said of signatures without opening a transaction is what the opened transaction's keys say."""

from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.canonical import encode
from cbdc.errors import TengeError
from cbdc.keys import ES256, PublicKey, key_id, standing
from cbdc.ledger.ahead import settings_of
from cbdc.ledger.entry import open_entry, open_genesis
from cbdc.ledger.signed_form import key_in, signed_form, standing_bits
from cbdc.ledger.state import KEY
from cbdc.transaction import MAX_WITNESSES, RegisterKey, RotateKey, open_transaction
from tests.cbdc.scene import scene


@cache
def journal() -> tuple[bytes, list[bytes], dict[bytes, PublicKey]]:
    """The network of a ledger with many kinds of transactions, their payloads, and every key by its id."""
    store = scene().store
    first, *others = [open_entry(row.data).payload for row in store.entries()]
    genesis = open_genesis(first)
    named = settings_of(genesis, True).certified
    rows = [msgspec.msgpack.decode(value) for key, value in store.state() if key[0] == KEY]
    known = {key_id(*key): PublicKey(*key) for key in [*named, *(tuple(row[:2]) for row in rows)]}
    return genesis.network, others, known


def opened_bits(payload: bytes, network: bytes, known: dict[bytes, PublicKey]) -> int | None:
    """The same from the opened transaction; None when no judge would open it."""
    try:
        opened = open_transaction(payload, network)
    except TengeError:
        return None
    found = dict(known)
    record = opened.record
    if isinstance(record, RegisterKey | RotateKey):
        own = PublicKey(record.algorithm, record.public_key)
        found.setdefault(own.kid, own)
    asked = [(found.get(kid), signature, opened.message) for kid, signature in opened.witnesses]
    return sum(1 << place for place in standing(asked))


def test_every_signature_of_a_journal_stands() -> None:
    network, payloads, known = journal()
    kinds = set()
    for payload in payloads:
        form = signed_form(payload)
        assert form is not None
        kinds.add(form[0])
        assert standing_bits(payload, network, known.get) == (1 << len(form[2])) - 1
    assert len(kinds) >= 4


def test_a_key_signs_its_own_registration_and_no_other() -> None:
    network, payloads, known = journal()
    brought = [form for payload in payloads if (form := signed_form(payload)) and key_in(form)]
    assert brought
    for form in brought:
        found = key_in(form)
        assert found is not None
        kid, key = found
        assert key_id(*key) == kid
        without = {one: other for one, other in known.items() if one != kid}
        assert standing_bits(encode(form), network, without.get) == (1 << len(form[2])) - 1
    none = standing_bits(payloads[-1], bytes(len(network)), known.get)
    assert none == 0, "another network's"


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_touched_bytes_are_never_read_differently(data: st.DataObject) -> None:
    network, payloads, known = journal()
    wire = bytearray(data.draw(st.sampled_from(payloads)))
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.integers(0, len(wire) - 1))
        wire[place] = data.draw(st.sampled_from([wire[place] ^ 1, wire[place] ^ 0x80, 0, 0x90, 0xC4, 0xCC]))
    if data.draw(st.integers(0, 4)) == 0:
        wire = wire[: data.draw(st.integers(0, len(wire)))]
    expected = opened_bits(bytes(wire), network, known)
    found = standing_bits(bytes(wire), network, known.get)
    assert expected is None or found == expected


def broken(payload: bytes) -> list[bytes]:
    """The same transaction in other forms than the canonical one, and of kinds that are none."""
    kind, body, witnesses = msgspec.msgpack.decode(payload)
    return [
        b"",
        payload + b"\0",
        payload[:-1],
        b"\xdc\0\3" + payload[1:],
        b"\x93\xcc" + payload[1:],
        encode([kind, body]),
        encode([0, body, witnesses]),
        encode([255, body, witnesses]),
        encode([kind, body, witnesses * (MAX_WITNESSES + 1)]),
        encode([kind, bytes(65_001), witnesses]),
        encode([kind, "text", witnesses]),
        encode([kind, body, [[1, 2]]]),
        b"\x91" * 5_000,
    ]


def test_of_what_is_in_no_canonical_form_nothing_is_said() -> None:
    network, payloads, known = journal()
    for wire in broken(payloads[-1]):
        assert opened_bits(wire, network, known) is None
        assert signed_form(wire) is None
        assert standing_bits(wire, network, known.get) == 0


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91" * 2_000, encode(1), encode([ES256, b"short"])])
def test_bodies_that_bring_no_key(body: bytes) -> None:
    assert key_in((RegisterKey.TYPE, body, ())) is None


def test_under_a_key_that_is_no_point_nothing_stands_and_nobody_stumbles() -> None:
    raw = b"\x02" + b"\xff" * 32
    body = encode([bytes(16), ES256, raw])
    signature = (1).to_bytes(32, "big") * 2
    payload = encode([RegisterKey.TYPE, body, [[key_id(ES256, raw), signature]]])
    assert standing_bits(payload, bytes(8), lambda kid: None) == 0
    assert standing([(PublicKey(ES256, raw), signature, b"any")]) == []
