"""The browser's protocol code and Python's say the same of what no vector shows: random and spoilt objects, coins.

How many spoilt messages: `TENGE_MUTATED` (300 in a usual run; `make mutated` for many).
"""

import base64
import hashlib
import os
import random
import zlib
from collections import Counter
from collections.abc import Iterator
from statistics import median
from typing import Any

import msgpack
import pytest
from playwright.sync_api import Browser, Page

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.keys import ES256, SoftwareKey, public_key
from cbdc.record import open_envelope
from offline import link
from tests.fuzz.mutation import Mutator
from tests.offline.test_second_reader import CASES, MUTABLE, keyring
from tests.vectors.case import OBJECTS, run_bytes
from tests.web import protocol_samples as samples
from tests.web.protocol_page import give_modules, protocol_page
from wallets.bench_offline_scene import NOW, Scene

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MUTATED = int(os.environ.get("TENGE_MUTATED", "300"))
NETWORK = bytes(range(8))


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with protocol_page(browser) as page:
        give_modules(page)
        yield page


def _code(act: Any) -> Any:
    try:
        return act()
    except TengeError as error:
        return error.code


# --- objects ---


def test_random_objects_of_every_type_come_back_with_the_same_bytes_and_ids(page: Page) -> None:
    dice = random.Random(20_261_128)
    made = [
        samples.sealed(samples.some(cls, dice), NETWORK, dice) for cls in samples.OFFLINE for _ in range(25)
    ]
    found = page.evaluate(
        """([network, rows]) => {
          const { hex, unhex } = protocol.bytes;
          const { openEnvelope, encodeSigned, writeBody } = protocol.records;
          return rows.map(([name, data]) => {
            const signed = openEnvelope(name, unhex(data), unhex(network));
            return [hex(encodeSigned(signed)), hex(signed.oid), hex(writeBody(name, signed.record))];
          });
        }""",
        [NETWORK.hex(), [[samples.NAMES[one.record.TYPE], one.encode().hex()] for one in made]],
    )
    assert found == [[one.encode().hex(), one.oid.hex(), one.body.hex()] for one in made]


def test_what_the_browser_signs_python_verifies(page: Page) -> None:
    """Every type, in both algorithms; half of the ES256 signatures would be refused with the s that WebCrypto gives."""
    dice = random.Random(7)
    made = [samples.sealed(samples.some(cls, dice), NETWORK, dice) for cls in samples.OFFLINE]
    found = page.evaluate(
        """async ([network, rows]) => {
          const { hex, unhex } = protocol.bytes;
          const { openEnvelope, encodeSigned, signRecord } = protocol.records;
          const answers = [];
          for (const algorithm of [1, 2]) {
            const key = await protocol.keys.makeKey(algorithm);
            if (key.privateKey.extractable) throw new Error("the key can be read out");
            for (const [name, data] of rows) {
              const { record } = openEnvelope(name, unhex(data), unhex(network));
              const signed = await signRecord(name, record, unhex(network), key);
              answers.push([algorithm, hex(key.raw), hex(key.kid), hex(encodeSigned(signed))]);
            }
          }
          return answers;
        }""",
        [NETWORK.hex(), [[samples.NAMES[one.record.TYPE], one.encode().hex()] for one in made]],
    )
    assert len(found) == 2 * len(made)
    for (algorithm, raw, kid, data), one in zip(found, made * 2, strict=True):
        key = public_key(algorithm, bytes.fromhex(raw))
        signed = open_envelope(bytes.fromhex(data), OBJECTS[one.record.TYPE], NETWORK)
        signed.verify(key)
        assert (signed.body, signed.oid, key.kid.hex()) == (one.body, one.oid, kid)


def test_a_key_is_not_taken_for_another_with_the_same_digits(page: Page) -> None:
    """Algorithm 203 and x alone, or algorithm 2 and 03 with x: the second is a key, the first is none."""
    raw = next(
        key.public.raw
        for number in range(1, 99)
        if (key := SoftwareKey(ES256, number.to_bytes(32, "big"))).public.raw[0] == 3
    )
    found = page.evaluate(
        """(raw) => {
          const { unhex } = protocol.bytes;
          const given = [[2, raw], [203, raw.slice(2)], [20, `3${raw.slice(2)}`.padEnd(66, "0")], [2, raw]];
          return given.map(([algorithm, key]) =>
            told(() => protocol.keys.publicKey(algorithm, unhex(key)).algorithm));
        }""",
        raw.hex(),
    )
    assert found == [2, "E_KEY", "E_KEY", 2]


# --- the byte form ---


def test_strange_message_pack_is_refused_with_the_same_codes(page: Page) -> None:
    dice = random.Random(17)
    rows = [msgpack.packb(samples.some_packed(dice), use_bin_type=True) for _ in range(1_500)]
    for data in list(rows[:900]):
        spoilt = bytearray(data)
        for _ in range(dice.randint(1, 2)):
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        rows.append(bytes(spoilt))
    rows += [bytes([0x91] * deep + [dice.choice((5, 0xC0, 0xCC))]) for deep in range(1, 40)]
    rows += [b"\xd3" + b"\xff" * 8, b"\xd0\xff", b"\xe0", b"\x81\x80\x05", b"\x81\x81\x01\x02\x03"]
    expected = [_code(lambda data=data: canonical.decode(data) and "ok") or "ok" for data in rows]
    found = page.evaluate(
        """(rows) => rows.map((data) => told(() => {
          protocol.canonical.decode(protocol.bytes.unhex(data));
          return "ok";
        }))""",
        [data.hex() for data in rows],
    )
    different = [
        (data.hex(), ours, theirs)
        for data, ours, theirs in zip(rows, expected, found, strict=True)
        if ours != theirs
    ]
    assert different == []
    told = Counter(expected)
    assert min(told[code] for code in ("ok", "E_TYPE", "E_RANGE", "E_DECODE", "E_NONCANON", "E_DEPTH")) > 5, (
        told
    )


def test_a_deep_nest_is_refused_and_not_fallen_into(page: Page) -> None:
    found = page.evaluate(
        """() => [0x91, 0x81].map((head) => told(() =>
          protocol.canonical.decode(new Uint8Array(1 << 20).fill(head))))"""
    )
    assert found == ["E_DECODE", "E_DECODE"]


def test_hashes_and_texts_of_bytes_are_the_usual_ones(page: Page) -> None:
    dice = random.Random(19)
    rows = [dice.randbytes(size) for size in (*range(140), 1_000, 65_535, 100_003)]
    found = page.evaluate(
        """(rows) => {
          const { base64url, compareBytes, hex, sha256, unbase64url, unhex } = protocol.bytes;
          const refused = (text) => {
            try {
              return hex(unbase64url(text));
            } catch (error) {
              return error.name;
            }
          };
          return {
            told: rows.map((text) => unhex(text)).map((data) => [hex(sha256(data)), base64url(data)]),
            back: rows.every((text) => hex(unbase64url(base64url(unhex(text)))) === text),
            order: rows.map(unhex).sort(compareBytes).map(hex),
            bad: ["A", "AB==", "AB", "A+", " AA", "AAA\\n"].map(refused),
          };
        }""",
        [data.hex() for data in rows],
    )
    texts = [base64.urlsafe_b64encode(data).rstrip(b"=").decode() for data in rows]
    assert found["told"] == [
        [hashlib.sha256(data).hexdigest(), text] for data, text in zip(rows, texts, strict=True)
    ]
    assert found["back"]
    assert found["order"] == [data.hex() for data in sorted(rows)]
    assert found["bad"] == ["RangeError"] * 6


# --- messages ---


def test_spoilt_messages_are_judged_alike(page: Page) -> None:
    dice = random.Random(20_261_129)
    known = [(one, context) for one, context in CASES if one["check"] in MUTABLE and one["expect"] == "ok"]
    donors = [bytes.fromhex(one["bytes"]) for one, _ in dice.sample(known, 60)]
    told: Counter[str] = Counter()
    for start in range(0, MUTATED, 300):
        pairs, expected = [], []
        for _ in range(min(300, MUTATED - start)):
            one, context = dice.choice(known)
            chosen = one.get("context", context)
            place = context[chosen] if isinstance(chosen, str) else chosen
            data = Mutator(keyring(place.get("network", "")), donors).mutate(
                bytes.fromhex(one["bytes"]), dice
            )
            row = {name: value for name, value in one.items() if name != "verdict"} | {"bytes": data.hex()}
            pairs.append([row, place])
            expected.append(_answer(one, context, data))
        found = page.evaluate("async (pairs) => (await import('/vectors.js')).answers(pairs)", pairs)
        for (row, _), ours, theirs in zip(pairs, expected, found, strict=True):
            if theirs != "E_EVIDENCE_ELSEWHERE":
                assert ours == theirs, f"{row['id']}: Python {ours}, the browser {theirs}: {row['bytes']}"
                told[ours] += 1
    assert sum(told.values()) > MUTATED // 2
    assert told["ok"] > 0
    assert len(told) > 15, told


def _answer(one: Any, context: Any, data: bytes) -> str:
    try:
        return run_bytes(one, context, data)
    except AssertionError:
        return "ok"  # accepted, and another value than the vector's


# --- frames ---


def test_frames_lost_repeated_mixed_and_damaged_are_put_together_alike(page: Page) -> None:
    dice = random.Random(29)
    rows, expected = [], []
    for _ in range(60):
        limit, steps = dice.choice((900, 3_000, 24_576)), []
        for message in [dice.randbytes(dice.randint(1, 1_400)) for _ in range(dice.randint(1, 6))]:
            steps += link.frames(message, dice.choice((64, 200, 640)))
        steps = dice.choices(steps, k=2 * len(steps)) + dice.sample(steps, len(steps))
        steps = [_damaged(frame, dice) if dice.random() < 0.1 else frame for frame in steps]
        moments = sorted(dice.randint(0, dice.choice((5, 400))) for _ in steps)
        assembler = link.Assembler(limit)
        told = [
            _code(lambda f=f, t=t, a=assembler: a.take(f, t)) for f, t in zip(steps, moments, strict=True)
        ]
        expected.append([one.hex() if isinstance(one, bytes) else one for one in told])
        rows.append(
            [limit, [[link.QR_PREFIX + link.base45(f), t] for f, t in zip(steps, moments, strict=True)]]
        )
    found = page.evaluate(
        """(rows) => rows.map(([limit, steps]) => {
          const assembler = new protocol.frames.Assembler(limit);
          return steps.map(([text, now]) => told(() => {
            const whole = assembler.take(protocol.frames.openQr(text), now);
            return whole && protocol.bytes.hex(whole);
          }));
        })""",
        rows,
    )
    assert found == expected
    answers = Counter(one[:2] == "E_" and one for row in expected for one in row if one)
    assert answers["E_FRAME"] > 50
    assert answers["E_SIZE"] > 3
    assert answers[False] > 50


def _damaged(frame: bytes, dice: random.Random) -> bytes:
    spoilt = bytearray(frame)
    spoilt[dice.randrange(len(spoilt))] ^= 1 << dice.randrange(8)
    if dice.random() < 0.3:  # a liar, who makes the checksum right again
        return bytes(spoilt[:-4]) + zlib.crc32(spoilt[:-4]).to_bytes(4, "big")
    return bytes(spoilt)


def test_a_message_is_shown_and_pasted_in_the_forms_that_python_reads(page: Page) -> None:
    dice = random.Random(31)
    messages = [dice.randbytes(size) for size in (1, 2, 3, 300, 640, 641, 5_000)]
    found = page.evaluate(
        """(rows) => rows.map((data) => {
          const { qrTexts, openPasted, pastedText } = protocol.frames;
          const { hex, unhex } = protocol.bytes;
          const message = unhex(data);
          const texts = qrTexts(message);
          const pasted = pastedText(message);
          const folded = pasted.replace(/(.{60})/g, "$1\\n ");
          const read = (text) => told(() => hex(openPasted(text, 6000)));
          const good = [pasted, `\\n  ${folded} \\r\\n`, [...texts].reverse().join("\\n")];
          const short = [texts.slice(1).join("\\n"), pasted.slice(5), ""];
          const bad = [...short, `${pasted}=`, `${pasted}!`, `DT1.${"A".repeat(9000)}`];
          return { texts, back: good.map(read), bad: bad.map(read) };
        })""",
        [message.hex() for message in messages],
    )
    for message, row in zip(messages, found, strict=True):
        assert row["texts"] == link.qr_texts(message)
        assert row["back"] == [message.hex()] * 3
        assert row["bad"] == ["E_FRAME"] * 5 + ["E_SIZE"]


# --- how long it takes ---


@pytest.mark.parametrize("algorithm", ["ed25519", "es256"])
def test_a_payment_after_five_hops_is_verified(page: Page, algorithm: str, record_property: Any) -> None:
    """The whole check V0 to V7; the times are told and not asserted (`pytest -s`)."""
    scene = Scene(algorithm)
    line = scene.line(5)
    authority = scene.trust.authority
    found = page.evaluate(
        """async ([root, auths, lists, bundle, invoice, now, count]) => {
          const { unhex } = protocol.bytes;
          const { openEnvelope } = protocol.records;
          const authority = await protocol.trust.openAuthority(unhex(root), auths.map(unhex));
          let trust = new protocol.trust.TrustView(authority);
          for (const list of lists) {
            trust = await trust.adopt(openEnvelope("TRUST", unhex(list), authority.network));
          }
          const asked = openEnvelope("INVOICE", unhex(invoice), authority.network);
          const data = unhex(bundle);
          const times = { cold: [], warm: [] };
          let transfers = 0;
          for (const kind of ["cold", "warm"]) {
            for (let number = 0; number < count; number += 1) {
              if (kind === "cold") protocol.keys.forgetKeys();
              const start = performance.now();
              const payment = await protocol.verify.verifyPayment(
                data, asked, 1, trust, now, protocol.verify.nothingKnown());
              times[kind].push(performance.now() - start);
              transfers = payment.bundle.tokens[0].transfers.length;
            }
          }
          return { transfers, ...times };
        }""",
        [
            authority.root.encode().hex(),
            [auth.encode().hex() for auth in authority.auths],
            [trust.encode().hex() for trust in scene.trust.chain],
            line.bundle.hex(),
            line.invoice.encode().hex(),
            NOW,
            40,
        ],
    )
    assert found["transfers"] == 5
    for kind in ("cold", "warm"):
        record_property(f"{algorithm} {kind} ms", median(found[kind]))
        print(f"{algorithm}, 5 hops, {kind}: median {median(found[kind]):.1f} ms of {len(found[kind])}")
