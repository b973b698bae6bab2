"""What a wallet signs and believes online, in the browser as in Python: transactions, orders, coins, the log."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from cbdc import canonical, transaction
from cbdc.errors import TengeError
from cbdc.keys import SoftwareKey, public_key
from cbdc.ledger.entry import LogHead, MerkleLog, check_consistency, check_inclusion, leaf_hash, open_genesis
from cbdc.orders import FundOrder, HolderProof
from cbdc.record import open_envelope, sign
from cbdc.selection import choose
from cbdc.token import TokenId
from tests.vectors.case import load
from tests.web import protocol_samples as samples
from tests.web.protocol_page import give_modules, protocol_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

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
