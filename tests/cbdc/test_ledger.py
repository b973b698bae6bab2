"""The ledger as a writer: idempotent, in order, all or nothing, and the same after any interruption."""

import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger import ledger as ledger_module
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import LogHead, Receipt, check_consistency
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.store import Commit
from cbdc.record import open_envelope
from cbdc.token import Token, TokenId
from cbdc.transaction import SignedTransaction, Transfer, open_transaction
from tests.cbdc.scene import CASH, FORTUNE, Scene, scene
from tests.cbdc.world import START, World, answer_of, fixed_bytes, ids, picture


class FailingStore(MemoryStore):
    """A store in memory whose next commit fails: before anything was written, or after everything was."""

    fail: str = ""

    def commit(self, commit: Commit) -> None:
        """Fail as told, once."""
        fail, self.fail = self.fail, ""
        if fail == "before":
            raise Unavailable("E_STORE_UNAVAILABLE", detail="told to")
        super().commit(commit)
        if fail == "after":
            raise Unavailable("E_STORE_UNAVAILABLE", detail="told to")


def chain(world: Scene, links: int) -> list[SignedTransaction]:
    """Payments of one token on and on, each spending what the one before created."""
    names = ["ayan", "shop", "neighbour"]
    made, token = [], world.tokens["ayan"]
    for link in range(links):
        payer, payee = names[link % 3], names[(link + 1) % 3]
        output = Token(CASH, world.lock(payee))
        made.append(world.sign(Transfer(world.nonce(), (token,), (output,)), payer))
        token = ids(made[-1])[0]
    return made


def receipts(answers: list[Receipt | TengeError]) -> list[Receipt]:
    """The receipts of an answer without refusals."""
    found = [answer for answer in answers if isinstance(answer, Receipt)]
    assert len(found) == len(answers), answers
    return found


def codes(answers: list[Receipt | TengeError]) -> list[str]:
    """ "ok" or a code for each answer."""
    return ["ok" if isinstance(answer, Receipt) else answer.code for answer in answers]


# --- the same again ---


def test_the_same_transaction_is_accepted_once() -> None:
    world = scene()
    transaction = chain(world, 1)[0]
    first = world.submit(transaction)
    before = picture(world.store)
    assert world.submit(transaction) == first
    assert picture(world.store) == before


def test_other_signatures_on_an_accepted_transaction_change_nothing() -> None:
    world = scene()
    transaction = chain(world, 1)[0]
    first = world.submit(transaction)
    before = picture(world.store)
    other = replace(transaction, witnesses=((world.kid("ayan"), bytes(64)),))
    assert world.submit(other) == first
    assert picture(world.store) == before


def test_a_refusal_is_judged_again() -> None:
    world = scene()
    world.freeze("ayan")
    transaction = chain(world, 1)[0]
    assert answer_of(world.submit, transaction) == "E_FROZEN"
    world.unfreeze("ayan")
    assert world.submit(transaction).transaction_id == transaction.id


@pytest.mark.parametrize("order", ["bad first", "good first"])
def test_a_wrongly_signed_copy_does_not_poison_its_group(order: str) -> None:
    # Anyone who sees a transaction can send a copy with broken signatures along with it.
    world = scene()
    good = chain(world, 1)[0]
    bad = replace(good, witnesses=((world.kid("ayan"), bytes(64)),))
    group = [bad, good] if order == "bad first" else [good, bad]
    answers = world.ledger.submit_many([item.encode() for item in group])
    assert codes(answers) == (["E_SIG", "ok"] if order == "bad first" else ["ok", "ok"])


def test_one_transaction_many_times_in_a_group_is_one_entry() -> None:
    world = scene()
    data = chain(world, 1)[0].encode()
    size = world.ledger.size
    first, *others = receipts(world.ledger.submit_many([data] * 5))
    assert others == [first] * 4
    assert world.ledger.size == size + 1


# --- groups ---


def test_each_sees_what_the_ones_before_it_did() -> None:
    world = scene()
    made = chain(world, 7)
    answers = receipts(world.ledger.submit_many([item.encode() for item in made]))
    assert [answer.index for answer in answers] == list(range(answers[0].index, answers[0].index + 7))
    assert len({answer.head.oid for answer in answers}) == 1, "one commit, one head"
    assert world.ledger.token(ids(made[-1])[0]) is not None
    assert [world.ledger.token(ids(item)[0]) for item in made[:-1]] == [None] * 6
    assert audit(world.store).problems == []


def test_what_comes_too_early_is_refused_and_may_come_again() -> None:
    world = scene()
    first, second = (item.encode() for item in chain(world, 2))
    assert codes(world.ledger.submit_many([second, first])) == ["E_TOKEN_SPENT", "ok"]
    assert codes(world.ledger.submit_many([second, first])) == ["ok", "ok"]


def test_a_refused_link_breaks_the_chain_behind_it() -> None:
    world = scene()
    made = [item.encode() for item in chain(world, 4)]
    made[1] = made[1][:-1] + bytes([made[1][-1] ^ 1])
    assert codes(world.ledger.submit_many(made)) == ["ok", "E_SIG", "E_TOKEN_SPENT", "E_TOKEN_SPENT"]


def test_a_new_holder_is_paid_in_the_group_that_registers_them() -> None:
    world = scene()
    register = world.sign(world.register_key("new"), "new", "bank1")
    pay = world.transfer(["ayan"], [world.out("new", CASH)], ["ayan"])
    on = world.sign(Transfer(world.nonce(), (TokenId(pay.id, 0),), (world.out("shop", CASH),)), "new")
    twice = world.sign(world.register_key("new"), "new", "bank1")
    group = [pay, register, twice, pay, on]
    answers = world.ledger.submit_many([item.encode() for item in group])
    assert codes(answers) == ["E_KEY_UNKNOWN", "ok", "E_KEY_TAKEN", "ok", "ok"]
    assert audit(world.store).problems == []


def test_limits_count_within_a_group() -> None:
    world = scene()
    tokens = world.fund(("ayan", 3_000_000), ("ayan", 3_000_000), ("ayan", 1))
    group = [
        world.sign(Transfer(world.nonce(), (token,), (world.out("shop", amount),)), "ayan").encode()
        for token, amount in zip(tokens, (3_000_000, 3_000_000, 1), strict=True)
    ]
    assert codes(world.ledger.submit_many(group)) == ["ok", "ok", "E_LIMIT_DAY"]


def test_a_double_spend_in_a_group_goes_to_the_first() -> None:
    world = scene()
    group = [world.transfer(["ayan"], [world.out(name, CASH)], ["ayan"]) for name in ("shop", "rich")]
    answers = world.ledger.submit_many([item.encode() for item in group])
    assert codes(answers) == ["ok", "E_TOKEN_SPENT"]


def test_how_transactions_are_grouped_changes_no_leaf_and_no_state() -> None:
    one, many = scene(), scene()
    made = [item.encode() for item in chain(one, 6)]
    for data in made:
        one.ledger.submit(data)
    many.ledger.submit_many(made)
    assert list(one.store.leaves()) == list(many.store.leaves())
    assert list(one.store.state()) == list(many.store.state())
    assert one.ledger.head().record == many.ledger.head().record


def test_a_long_list_is_several_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "MAX_GROUP", 3)
    world = scene()
    heads = len(list(world.store.heads()))
    answers = receipts(world.ledger.submit_many([item.encode() for item in chain(world, 8)]))
    assert [answer.head.record.size - answer.index for answer in answers] == [3, 2, 1, 3, 2, 1, 2, 1]
    assert len(list(world.store.heads())) == heads + 3


def test_a_group_of_refusals_writes_nothing() -> None:
    world = scene()
    before = picture(world.store)
    assert codes(world.ledger.submit_many([b"", b"\x90", b"x"])) == ["E_DECODE", "E_FIELD", "E_TYPE"]
    assert picture(world.store) == before


# --- time ---


class FallingClock:
    """A clock that was put back."""

    def __init__(self, moment: int) -> None:
        self.moment = moment

    def now(self) -> int:
        """The moment, which may fall."""
        return self.moment


def test_time_never_falls() -> None:
    world = scene()
    clock = FallingClock(world.clock.now() + 500)
    ledger = Ledger(world.store, world.key("ledger"), clock)
    one, two, three = (item.encode() for item in chain(world, 3))
    late = ledger.submit(one)
    clock.moment = START
    early = ledger.submit(two)
    assert early.time == late.time == early.head.record.time
    reopened = Ledger(world.store, world.key("ledger"), clock)
    assert reopened.submit(three).time == late.time
    times = [entry.time for entry in reopened.entries()]
    assert times == sorted(times)
    assert audit(world.store).problems == []


# --- failures ---


def forked(store: MemoryStore) -> Scene:
    """The scene in another store in memory."""
    world = scene()
    vars(store).update(vars(world.store))
    world.store = store
    world.ledger = Ledger(store, world.key("ledger"), world.clock)
    return world


def test_a_failed_commit_leaves_the_log_as_it_was() -> None:
    store = FailingStore()
    world = forked(store)
    first, second = (item.encode() for item in chain(world, 2))
    before, head = picture(store), world.ledger.head()
    store.fail = "before"
    assert answer_of(world.ledger.submit_many, [first, second]) == "E_STORE_UNAVAILABLE"
    assert (picture(store), world.ledger.head(), world.ledger.size) == (before, head, head.record.size)
    receipt = world.ledger.submit(first)
    assert receipt.index == head.record.size
    assert audit(store, world.ledger.head()).problems == []


def test_a_commit_that_only_seemed_to_fail_is_found_again() -> None:
    store = FailingStore()
    world = forked(store)
    first, second = (item.encode() for item in chain(world, 2))
    store.fail = "after"
    assert answer_of(world.ledger.submit, first) == "E_STORE_UNAVAILABLE"
    again = world.ledger.submit(first)
    assert again.index == world.ledger.size - 1, "the store had it after all: one receipt, no second entry"
    assert world.ledger.submit(second).index == again.index + 1
    assert audit(store, world.ledger.head()).problems == []


def test_a_faster_writer_is_noticed_and_followed() -> None:
    world = scene()
    other = Ledger(world.store, world.key("ledger"), world.clock)
    one, two, three = (item.encode() for item in chain(world, 3))
    taken = other.submit(one)
    assert answer_of(world.ledger.submit, two) == "E_STORE_CONFLICT"
    assert world.ledger.submit(two).index == taken.index + 1
    assert world.ledger.submit(one) == taken
    assert answer_of(other.submit, three) == "E_STORE_CONFLICT"
    assert other.submit(three).index == taken.index + 2
    assert audit(world.store, other.head()).problems == []


class UnreadableStore(MemoryStore):
    """A store that answers so many reads of state, and no more."""

    reads: int = 10**6
    headless: bool = False

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values, while it answers."""
        self.reads -= 1
        if self.reads < 0:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="told to")
        return super().get_many(keys)

    def head_covering(self, index: int) -> bytes | None:
        """The head, if it answers."""
        if self.headless:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="told to")
        return super().head_covering(index)


@pytest.mark.parametrize("reads", range(2))
def test_a_read_that_fails_is_nobodys_refusal(reads: int) -> None:
    store = UnreadableStore()
    world = forked(store)
    # What the second needs because it spends what the first creates is known, and read, only within the group.
    first, second = (item.encode() for item in chain(world, 2))
    before = picture(store)
    store.reads = reads
    assert answer_of(world.ledger.submit_many, [b"", first, second]) == "E_STORE_UNAVAILABLE"
    assert answer_of(world.ledger.supply) == "E_STORE_UNAVAILABLE"
    store.reads = 10**6
    assert picture(store) == before
    assert codes(world.ledger.submit_many([first, second])) == ["ok", "ok"]


@pytest.mark.parametrize("change", ["value = x'00'", "value = x'c1'", "value = x'93'", "value = x'a178'"])
def test_a_damaged_row_stops_the_ledger_instead_of_blaming_a_client(tmp_path: Path, change: str) -> None:
    world = World(SqliteStore(tmp_path / "ledger.sqlite"))
    token = world.issue("inventory1", 50)[0]
    payment = world.sign(world.payment("inventory1", ("inventory2", 50)), "inventory1")
    database = sqlite3.connect(tmp_path / "ledger.sqlite")
    database.execute(f"UPDATE token SET {change} WHERE key = ?", (b"\x01" + token.transaction_id + b"\0\0",))
    database.commit()
    before = picture(world.store)
    assert answer_of(world.submit, payment) == "E_STATE_DAMAGED"
    assert picture(world.store) == before
    database.close()
    world.store.close()


class SlowStore(MemoryStore):
    """A store that takes its time to read, so that a second thread could read the same."""

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values, after a moment."""
        found = super().get_many(keys)
        threading.Event().wait(0.002)
        return found


def test_threads_take_turns() -> None:
    world = forked(SlowStore())
    payees = ("shop", "neighbour", "canteen", "supplier")
    spends = [world.transfer(["rich"], [world.out(name, FORTUNE)], ["rich"]) for name in payees]
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda item=item: answers.append(answer_of(world.submit, item)))
        for item in spends
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["E_TOKEN_SPENT"] * 3 + ["ok"]
    assert audit(world.store, world.ledger.head()).problems == []


# --- reading ---


def test_entries_and_transactions_by_place() -> None:
    world = scene()
    transaction = chain(world, 1)[0]
    receipt = world.submit(transaction)
    assert world.ledger.entry(receipt.index).payload == transaction.encode()
    assert world.ledger.transaction(receipt.index) == transaction
    assert world.ledger.entry(0).payload == world.genesis_payload
    for index in (-1, -5, world.ledger.size, 10**9):
        assert answer_of(world.ledger.entry, index) == "E_ENTRY_UNKNOWN"
        assert answer_of(world.ledger.transaction, index) == "E_ENTRY_UNKNOWN"
    followed = list(world.ledger.entries(receipt.index))
    assert [open_transaction(entry.payload, world.network) for entry in followed] == [transaction]


def test_consistency_with_any_earlier_head() -> None:
    world = scene()
    new = world.ledger.head().record
    for _, envelope in world.store.heads():
        old = open_envelope(envelope, LogHead, world.network).record
        check_consistency(old.size, old.root, new.size, new.root, world.ledger.consistency(old.size))
    for size in (0, -1, new.size + 1):
        assert answer_of(world.ledger.consistency, size) == "E_ENTRY_UNKNOWN"


def test_marked_money_is_counted() -> None:
    world = scene()
    assert world.ledger.marked_tiyn(world.meals) == 750_000
    assert world.ledger.marked_tiyn(fixed_bytes("no mark")) == 0


def test_a_leftover_in_the_owner_index_is_not_shown_as_money() -> None:
    world = scene()
    assert isinstance(world.store, MemoryStore)
    for leftover in (b"\x01" + bytes(34), b"\x01", b"\x07other", b"", b"\x02" + world.kid("shop")):
        world.store._owned.setdefault(world.kid("shop"), set()).add(leftover)
    assert [identity for identity, _ in world.ledger.owned(world.kid("shop"))] == [world.tokens["shop"]]


def test_a_refusal_of_the_ledger_is_a_value() -> None:
    world = scene()
    answer = world.ledger.submit_many([chain(world, 2)[1].encode()])[0]
    assert isinstance(answer, Refused)
    assert answer.rule == "G3"


# --- a group is read at once, and still each sees what those before it did ---


def test_a_key_registered_paid_and_paying_in_one_group() -> None:
    world = scene()
    record = world.register_key("newcomer")
    enrolment = world.sign(record, "newcomer", "bank1")
    gift = world.sign(
        Transfer(world.nonce(), (world.tokens["ayan"],), (Token(CASH, world.lock("newcomer")),)), "ayan"
    )
    onward = world.sign(
        Transfer(world.nonce(), (ids(gift)[0],), (Token(CASH, world.lock("shop")),)), "newcomer"
    )
    early, *rest = [gift, enrolment, gift, onward]
    answers = world.ledger.submit_many([one.encode() for one in (early, *rest)])
    assert codes(answers) == ["E_KEY_UNKNOWN", "ok", "ok", "ok"]
    assert audit(world.store).problems == []


def test_groups_of_any_size_give_the_same_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Payments on and on, with a double spend between: as one group, in sevens, one by one."""
    roots = set()
    for most in (4_000, 7, 1):
        monkeypatch.setattr(ledger_module, "MAX_GROUP", most)
        world = scene()
        made = chain(world, 14)
        twice = world.sign(
            Transfer(world.nonce(), made[10].record.spends, (Token(CASH, world.lock("rich")),)), "shop"
        )
        answers = world.ledger.submit_many([one.encode() for one in (*made[:12], twice, *made[12:])])
        assert codes(answers) == ["ok"] * 12 + ["E_TOKEN_SPENT"] + ["ok"] * 2
        roots.add(world.ledger.head().record.root)
    assert len(roots) == 1


def test_many_tokens_and_owners_at_once() -> None:
    world = scene()
    kids = [world.kid(name) for name in ("ayan", "shop", "rich", "nobody")]
    assert world.ledger.owned_by_each(kids) == {kid: world.ledger.owned(kid) for kid in kids}
    wanted = [*world.tokens.values(), TokenId(bytes(32), 0)]
    assert world.ledger.tokens(wanted) == {
        identity: token for identity in wanted if (token := world.ledger.token(identity)) is not None
    }
