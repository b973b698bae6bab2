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

from cbdc import canonical, transaction
from cbdc.errors import TengeError
from cbdc.keys import ES256, SoftwareKey, public_key
from cbdc.ledger.entry import LogHead, MerkleLog, check_consistency, check_inclusion, leaf_hash, open_genesis
from cbdc.orders import FundOrder, HolderProof
from cbdc.record import open_envelope, sign
from cbdc.selection import choose
from cbdc.token import TokenId
from offline import link
from tests.fuzz.mutation import Mutator
from tests.offline.test_second_reader import CASES, MUTABLE, keyring
from tests.vectors.case import OBJECTS, load, run_bytes
from tests.web import protocol_samples as samples
from tests.web.protocol_page import protocol_page
from wallets.bench_offline_scene import NOW, Scene

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MUTATED = int(os.environ.get("TENGE_MUTATED", "300"))
NETWORK = bytes(range(8))


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with protocol_page(browser) as page:
        page.evaluate(
            """async () => {
              const names = ["bytes", "canonical", "errors", "evidence", "frames", "keys", "online", "records",
                "selection", "transaction", "trust", "verify"];
              const load = async (name) => [name, await import(`/static/protocol/${name}.js`)];
              window.protocol = Object.fromEntries(await Promise.all(names.map(load)));
              window.told = (act) => {
                try {
                  return act();
                } catch (error) {
                  if (error instanceof protocol.errors.TengeError) return error.code;
                  throw error;
                }
              };
            }"""
        )
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


def test_random_transactions_of_every_kind_come_back_with_the_same_bytes_and_ids(page: Page) -> None:
    dice = random.Random(11)
    made = [samples.some_transaction(dice) for _ in range(300)]
    assert {one.record.TYPE for one in made} == set(transaction.KINDS)
    for one in made:
        assert transaction.open_transaction(one.encode(), bytes(8)).id == one.id
    found = page.evaluate(
        """(rows) => {
          const { hex, unhex } = protocol.bytes;
          const { openTransaction, encodeTransaction, messageOf, TRANSACTIONS } = protocol.transaction;
          return rows.map((data) => {
            const opened = openTransaction(unhex(data), new Uint8Array(8));
            const body = protocol.records.writeBody(TRANSACTIONS.get(opened.type), opened.record);
            return [hex(encodeTransaction(opened)), hex(opened.id), hex(messageOf(opened)), hex(body)];
          });
        }""",
        [one.encode().hex() for one in made],
    )
    assert found == [[one.encode().hex(), one.id.hex(), one.message.hex(), one.body.hex()] for one in made]


def test_what_a_holder_signs_online_python_takes(page: Page) -> None:
    dice = random.Random(13)
    record = samples.some(transaction.Transfer, dice)
    assert isinstance(record, transaction.Transfer)
    plain = transaction.Transfer(record.nonce, record.inputs, record.outputs)
    load_record = samples.some(transaction.LoadOffline, dice)
    drafts = [samples.sealed(one, NETWORK, dice) for one in (plain, load_record)]
    wires = [canonical.encode([one.record.TYPE, one.body, [(bytes(32), bytes(64))]]).hex() for one in drafts]
    found = page.evaluate(
        """async ([network, wires]) => {
          const { hex, unhex } = protocol.bytes;
          const { openTransaction, signTransaction, encodeTransaction } = protocol.transaction;
          const { fundOrder, holderProof } = protocol.online;
          const signers = [await protocol.keys.makeKey(1), await protocol.keys.makeKey(2)];
          const within = unhex(network);
          const signed = [];
          for (const wire of wires) {
            const { type, record } = openTransaction(unhex(wire), within);
            signed.push(hex(encodeTransaction(await signTransaction(type, record, within, signers))));
          }
          const order = { id: new Uint8Array(32).fill(7), bankId: 3, amountTiyn: 123456, time: 99 };
          const ask = { purpose: "GET /v1/tokens", time: 5, nonce: new Uint8Array(16).fill(1) };
          return {
            keys: signers.map(({ algorithm, raw }) => [algorithm, hex(raw)]),
            signed,
            order: hex(await fundOrder(order, within, signers[1])),
            proof: hex(await holderProof(ask, within, signers[0])),
          };
        }""",
        [NETWORK.hex(), wires],
    )
    keys = [public_key(algorithm, bytes.fromhex(raw)) for algorithm, raw in found["keys"]]
    for data, draft in zip(found["signed"], drafts, strict=True):
        opened = transaction.open_transaction(bytes.fromhex(data), NETWORK)
        assert (opened.body, opened.id) == (draft.body, draft.oid)
        assert [kid for kid, _ in opened.witnesses] == [key.kid for key in keys]
        for key, (_, signature) in zip(keys, opened.witnesses, strict=True):
            key.verify(signature, opened.message)
    order = open_envelope(bytes.fromhex(found["order"]), FundOrder, NETWORK)
    order.verify(keys[1])
    assert order.record == FundOrder(b"\7" * 32, 3, keys[1].kid, 123_456, 99)
    proof = open_envelope(bytes.fromhex(found["proof"]), HolderProof, NETWORK)
    proof.verify(keys[0])
    assert proof.record == HolderProof(keys[0].kid, "GET /v1/tokens", 5, b"\1" * 16)


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


# --- coins ---


def test_coins_are_chosen_as_python_chooses_them(page: Page) -> None:
    dice = random.Random(23)
    rows, expected = [], []
    for _ in range(300):
        tokens = [
            (
                TokenId(bytes([dice.randrange(4)]) * 32, place),
                dice.choice((1, 2, 5, 50, dice.randint(1, 300))),
            )
            for place in range(dice.randint(0, 12))
        ]
        dice.shuffle(tokens)
        amount, most = dice.randint(0, 2 + sum(value for _, value in tokens)), dice.randint(1, 12)
        rows.append(
            [[[f"{id.transaction_id.hex()}:{id.output}", value] for id, value in tokens], amount, most]
        )
        expected.append(_code(lambda tokens=tokens, amount=amount, most=most: _chosen(tokens, amount, most)))
    found = page.evaluate(
        """(rows) => rows.map(([tokens, amount, most]) => told(() => {
          const available = tokens.map(([id, amountTiyn]) => ({ id, amountTiyn }));
          const { chosen, changeTiyn } = protocol.selection.choose(available, amount, most);
          return [chosen.map(({ id }) => id), changeTiyn];
        }))""",
        rows,
    )
    assert found == expected
    kinds = Counter(answer if isinstance(answer, str) else "chosen" for answer in expected)
    assert min(kinds[kind] for kind in ("E_FUNDS_SCATTERED", "E_FUNDS", "chosen")) > 3, kinds


def _chosen(tokens: list[tuple[TokenId, int]], amount: int, most: int) -> list[Any]:
    choice = choose(tokens, amount, most)
    return [[f"{id.transaction_id.hex()}:{id.output}" for id in choice.chosen], choice.change_tiyn]


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


# --- the online log ---


def test_the_log_is_believed_on_proof_alone_as_python_believes_it(page: Page) -> None:
    dice = random.Random(37)
    log = MerkleLog()
    for number in range(70):
        log.append(leaf_hash(canonical.encode([number, number, b"entry"])))
    rows, expected = [], []
    for _ in range(300):
        size = dice.randint(1, 70)
        index = dice.randrange(size)
        proof, leaf, root = (
            log.inclusion(index, size),
            leaf_hash(canonical.encode([index, index, b"entry"])),
            log.root(size),
        )
        if dice.random() < 0.5:
            index, size, proof, leaf = _bent(index, size, proof, leaf, dice)
        rows.append([leaf.hex(), index, size, [one.hex() for one in proof], root.hex()])
        expected.append(_code(lambda p=(leaf, index, size, proof, root): check_inclusion(*p)))
    steps, wanted = [], []
    for _ in range(300):
        new = dice.randint(1, 70)
        old = dice.randint(1, new)
        proof, first, second = log.consistency(old, new), log.root(old), log.root(new)
        if dice.random() < 0.5:
            old, new, proof, first = _bent(old, new, proof, first, dice)
        steps.append([old, first.hex(), new, second.hex(), [one.hex() for one in proof]])
        wanted.append(_code(lambda p=(old, first, new, second, proof): check_consistency(*p)))
    found = page.evaluate(
        """([rows, steps]) => {
          const { unhex } = protocol.bytes;
          const { checkInclusion, checkConsistency } = protocol.online;
          return [
            rows.map(([leaf, index, size, proof, root]) => told(() =>
              checkInclusion(unhex(leaf), index, size, proof.map(unhex), unhex(root)))),
            steps.map(([old, first, size, second, proof]) => told(() =>
              checkConsistency(old, unhex(first), size, unhex(second), proof.map(unhex)))),
          ].map((row) => row.map((one) => one ?? null));
        }""",
        [rows, steps],
    )
    assert found == [expected, wanted]
    assert min(Counter(expected)[one] for one in (None, "E_LOG_PROOF")) > 60
    assert min(Counter(wanted)[one] for one in (None, "E_LOG_PROOF")) > 60


def _bent(index: int, size: int, proof: list[bytes], node: bytes, dice: random.Random) -> Any:
    way = dice.randrange(5)
    if way == 0:
        return index + 1, size, proof, node
    if way == 1:
        return index, size + 1, proof, node
    if way == 2:
        return index, size, proof[1:], node
    if way == 3:
        return index, size, [*proof, node], node
    return index, size, proof, bytes(32)


def test_the_genesis_and_a_head_are_verified_from_root(page: Page) -> None:
    context = load("transactions")["context"]
    payload = bytes.fromhex(context["genesis"][1])
    genesis = open_genesis(payload)
    ledger = next(
        key
        for algorithm in (1, 2)
        for key in [SoftwareKey(algorithm, bytes.fromhex(context["ledger_secret"]))]
        if genesis.authority.holds(key.public.kid)
    )
    time = context["genesis"][0]
    leaf = leaf_hash(canonical.encode([0, time, payload]))
    heads = [
        sign(LogHead(1, leaf, time), genesis.network, ledger),
        sign(LogHead(1, leaf, 5), genesis.network, ledger),
        sign(LogHead(1, leaf, time), genesis.network, SoftwareKey(2, bytes([9] * 32))),
        sign(LogHead(1, bytes(32), time), genesis.network, ledger),
    ]
    found = page.evaluate(
        """async ([payload, time, heads]) => {
          const { hex, unhex } = protocol.bytes;
          const { openGenesis, openHead, checkReceiptInLog } = protocol.online;
          const genesis = await openGenesis(unhex(payload));
          const answers = [];
          for (const head of heads) {
            try {
              const opened = await openHead(unhex(head), genesis);
              checkReceiptInLog({ index: 0, time }, unhex(payload), opened, []);
              answers.push("ok");
            } catch (error) {
              answers.push(error.code ?? String(error));
            }
          }
          let spoilt = "";
          try {
            const bytes = unhex(payload);
            bytes[bytes.length - 1] ^= 1;
            await openGenesis(bytes);
          } catch (error) {
            spoilt = error.code;
          }
          return { network: hex(genesis.network), tiers: genesis.policy.tiers, answers, spoilt };
        }""",
        [payload.hex(), time, [head.encode().hex() for head in heads]],
    )
    assert found["network"] == genesis.network.hex()
    assert found["tiers"] == [list(row) for row in genesis.policy.tiers]
    assert found["answers"] == ["ok", "E_SIG", "E_SIG", "E_LOG_PROOF"]
    assert found["spoilt"] == "E_SIG"


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
