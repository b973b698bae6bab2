"""Makers for docs/supply-by-hand.md: a ledger of eight entries, with every hash and every sum shown.

The ledger follows from fixed keys, so the page is the same on every machine, and a test computes each step of the page
again from what stands on it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from cbdc import authority, canonical
from cbdc.authority import Auth, make_root, network_id
from cbdc.ledger.entry import Policy, make_genesis
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.store import EntryRow
from cbdc.ports import ManualClock
from cbdc.record import ONLINE_DOMAIN, sign
from cbdc.token import BANK_INVENTORY, PERSON, KeyLock, Token, TokenId
from cbdc.transaction import (
    Issue,
    Redeem,
    RegisterKey,
    SignedTransaction,
    Transaction,
    Transfer,
    sign_transaction,
)
from tests.cbdc.world import fixed_bytes, fixed_key

START, END = 1_790_000_000, 1_890_000_000
WIDTH = 96
HOLDERS = {"the bank's inventory": BANK_INVENTORY, "Ayan": PERSON, "the shop": 2}
SAYS = (
    "the genesis: ROOT, four certificates, the policy",
    "the bank's inventory is registered",
    "Ayan's wallet is registered",
    "the shop's wallet is registered",
    "1,000 tiyn are issued to the bank's inventory",
    "the bank sells Ayan 300, and keeps 700",
    "Ayan pays the shop 120, and keeps 180",
    "the bank gives 500 of its 700 back, and keeps 200",
)


@cache
def ledger() -> Ledger:
    """The ledger of the page."""
    root_key = fixed_key("by hand/root")
    root = make_root(root_key, START, END, "By hand")
    network = network_id(root.record)

    def certify(name: str, role: int, scope: tuple[int, ...] = ()) -> object:
        public = fixed_key(f"by hand/{name}").public
        return sign(Auth(role, public.algorithm, public.raw, START, END, scope), network, root_key)

    auths = [
        certify("officer", authority.EMISSION, (1,)),
        certify("operator", authority.OPERATOR),
        certify("bank", authority.BANK, (1,)),
        certify("ledger", authority.LEDGER),
    ]
    policy = sign(Policy("by hand", ((0, 0, 0, 0),), 18_000), network, root_key)
    payload = make_genesis(root, auths, policy)  # type: ignore[arg-type]
    made = Ledger.create(MemoryStore(), payload, fixed_key("by hand/ledger"), ManualClock(START))
    _play(made)
    return made


def _play(made: Ledger) -> None:
    count = 0

    def nonce() -> bytes:
        nonlocal count
        count += 1
        return fixed_bytes(f"by hand/{count}", 16)

    def do(record: Transaction, *signers: str) -> SignedTransaction:
        keys = [fixed_key(f"by hand/{name}") for name in signers]
        transaction = sign_transaction(record, made.network, list(keys))
        made.submit(transaction.encode())
        return transaction

    def token(holder: str, amount_tiyn: int) -> Token:
        return Token(amount_tiyn, KeyLock(fixed_key(f"by hand/{holder}").public.kid))

    for holder, category in HOLDERS.items():
        public = fixed_key(f"by hand/{holder}").public
        pseudonym = fixed_bytes(f"by hand/{holder}/pseudonym")
        record = RegisterKey(nonce(), public.algorithm, public.raw, 1, 0, category, pseudonym)
        do(record, holder, "bank")
    bank, ayan, shop = HOLDERS
    issued = do(
        Issue(nonce(), fixed_bytes("by hand/request 1"), (token(bank, 1_000),)), "officer", "operator"
    )
    sold = do(Transfer(nonce(), (TokenId(issued.id, 0),), (token(ayan, 300), token(bank, 700))), bank)
    do(Transfer(nonce(), (TokenId(sold.id, 0),), (token(shop, 120), token(ayan, 180))), ayan)
    redeem = Redeem(nonce(), fixed_bytes("by hand/request 2"), (TokenId(sold.id, 1),), (token(bank, 200),))
    do(redeem, bank, "operator")


def rows() -> list[EntryRow]:
    """The eight entries."""
    return list(ledger()._store.entries())


def name_of(kid: bytes) -> str:
    """Whose key it is."""
    return next(name for name in HOLDERS if fixed_key(f"by hand/{name}").public.kid == kid)


def _block(data: bytes, hashed: str) -> str:
    text = data.hex().upper()
    lines = [text[place : place + WIDTH] for place in range(0, len(text), WIDTH)]
    return "\n".join(
        ["```sh", "basenc -d -i --base16 << END | sha256sum", *lines, "END", f"# {hashed}", "```"]
    )


def leaves(_: str = "") -> str:
    """Each entry's bytes behind a zero byte, and the leaf."""
    parts = []
    for row, says in zip(rows(), SAYS, strict=True):
        parts.append(f"**Entry {row.index}**: {says}.\n\n{_block(bytes(1) + row.data, row.leaf.hex())}")
    return "\n\n".join(parts)


def nodes(_: str = "") -> str:
    """The seven inner nodes."""
    level = [(f"leaf {row.index}", row.leaf) for row in rows()]
    parts = []
    while len(level) > 1:
        above = []
        for (left, a), (right, b) in zip(level[::2], level[1::2], strict=True):
            name = f"{left.split(' ')[1].split('–')[0]}–{right.split(' ')[1].split('–')[-1]}"
            data = b"\1" + a + b
            node = hashlib.sha256(data).digest()
            above.append((f"node {name}", node))
            parts.append(f"**Node {name}**, from {left} and {right}:\n\n{_block(data, node.hex())}")
        level = above
    return "\n\n".join(parts)


def head(_: str = "") -> str:
    """The last head, taken apart."""
    signed = ledger().head()
    record = signed.record
    lines = [
        "```text",
        f"envelope   {signed.encode().hex()}",
        f"body       {signed.body.hex()}",
        f"size       {record.size}",
        f"root       {record.root.hex()}",
        f"time       {record.time}",
        "```",
    ]
    return "\n".join(lines)


def ids(_: str = "") -> str:
    """The ids of the four transactions that move money."""
    parts = []
    for place in range(4, 8):
        transaction = ledger().transaction(place)
        data = ONLINE_DOMAIN + bytes([transaction.record.TYPE]) + ledger().network + transaction.body
        parts.append(f"**Transaction {place}**:\n\n{_block(data, transaction.id.hex())}")
    return "\n\n".join(parts)


def bodies(_: str = "") -> str:
    """The bodies of the transactions that move money, field by field."""
    lines = ["```text"]
    for place in range(4, 8):
        transaction = ledger().transaction(place)
        record = transaction.record
        lines.append(f"{type(record).__name__} (entry {place})")
        for name, value in zip(_fields(record), canonical.decode_array(transaction.body), strict=True):
            lines.append(f"  {name:<12}{canonical.encode(value).hex()}")
        for number, spent in enumerate(record.spends):
            lines.append(f"    spends {number}: output {spent.output} of {spent.transaction_id.hex()[:16]}…")
        for number, token in enumerate(record.creates):
            (kid,) = token.lock.kids
            amount = canonical.encode(token.amount_tiyn).hex()
            lines.append(
                f"    output {number}: {amount} = {token.amount_tiyn:,} tiyn to {kid.hex()[:16]}… ({name_of(kid)})"
            )
    return "\n".join([*lines, "```"])


def _fields(record: Transaction) -> list[str]:
    return list(type(record).__match_args__)


def money(_: str = "") -> str:
    """What is unspent after each entry, and the sums."""
    lines = [
        "| after | unspent tokens | issued | redeemed | bank_inventory | wallets | sum |",
        "|---|---|---|---|---|---|---|",
    ]
    for place, (tokens, issued, redeemed) in enumerate(states()):
        if place < 4:
            continue
        inventory = sum(amount for holder, amount in tokens.values() if HOLDERS[holder] == BANK_INVENTORY)
        held = sum(amount for _, amount in tokens.values())
        told = ", ".join(f"{name}: {amount:,} of {holder}" for name, (holder, amount) in tokens.items())
        cells = (issued, redeemed, inventory, held - inventory)
        numbers = " | ".join(f"{cell:,}" for cell in cells)
        lines.append(f"| entry {place} | {told} | {numbers} | {issued:,} − {redeemed:,} = {held:,} |")
    return "\n".join(lines)


def states() -> Iterator[tuple[dict[str, tuple[str, int]], int, int]]:
    """After each entry: unspent tokens by (entry.output), what was issued, what was redeemed; counted by hand."""
    tokens: dict[str, tuple[str, int]] = {}
    entry_of: dict[bytes, int] = {}
    issued = redeemed = 0
    yield dict(tokens), issued, redeemed
    for place in range(1, ledger().size):
        transaction = ledger().transaction(place)
        entry_of[transaction.id] = place
        record = transaction.record
        spent = sum(tokens.pop(f"{entry_of[one.transaction_id]}.{one.output}")[1] for one in record.spends)
        made = sum(token.amount_tiyn for token in record.creates)
        for number, token in enumerate(record.creates):
            tokens[f"{place}.{number}"] = (name_of(token.lock.holder), token.amount_tiyn)
        if isinstance(record, Issue):
            issued += made
        if isinstance(record, Redeem):
            redeemed += spent - made
        yield dict(tokens), issued, redeemed


MAKERS: Mapping[str, Callable[[str], str]] = {
    "by-hand-leaves": leaves,
    "by-hand-nodes": nodes,
    "by-hand-head": head,
    "by-hand-bodies": bodies,
    "by-hand-ids": ids,
    "by-hand-money": money,
}
