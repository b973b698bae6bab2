"""The wallet's store: one suite for every kind of rows."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cbdc.errors import Malformed, Refused
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.token import TokenId
from tests.wallets.store_values import MARK, intent, intent_id, refused, row, states, token, token_id
from wallets.store import (
    Balance,
    Direction,
    Done,
    Intent,
    Refusal,
    TokenState,
    WalletStore,
    WalletToken,
)
from wallets.store_memory import memory_store
from wallets.store_sqlite import sqlite_store

Maker = Callable[[Checkpoint], WalletStore]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Maker]:
    """Makes a store; on disk, making it again opens the same file."""
    made: list[WalletStore] = []

    def maker(checkpoint: Checkpoint = no_checkpoint) -> WalletStore:
        one = (
            memory_store(checkpoint)
            if request.param == "memory"
            else sqlite_store(tmp_path / "w", checkpoint)
        )
        made.append(one)
        return one

    yield maker
    for one in made:
        one.close()


@pytest.fixture
def store(make: Maker) -> WalletStore:
    return make(no_checkpoint)


# --- a payment from the intent to the end ---


def test_a_payment_that_goes_well(store: WalletStore) -> None:
    store.record(added=[token(1, 60), token(2, 40), token(3, 5)])
    (saved,) = store.save_intents([intent(1, 1, 2)])
    assert saved == intent(1, 1, 2)
    assert store.open_intents() == [saved]
    assert states(store, 1, 2, 3) == ["pending", "pending", "unspent"]
    assert store.token("aigerim", token_id(1)) == replace(token(1, 60), state="pending", intent=intent_id(1))
    assert store.balance("aigerim") == {b"": Balance(5, 100)}

    (done,) = store.finish([Done("aigerim", intent_id(1), b"receipt", (token(9, 30),), (row(1),))])
    assert (done.state, done.result, done.inputs) == ("done", b"receipt", saved.inputs)
    assert store.intent("aigerim", intent_id(1)) == done
    assert store.open_intents() == []
    assert states(store, 1, 2, 3, 9) == ["spent", "spent", "unspent", "unspent"]
    assert store.token("aigerim", token_id(1)) == replace(token(1, 60), state="spent", intent=intent_id(1))
    assert store.balance("aigerim") == {b"": Balance(35, 0)}
    assert store.history("aigerim") == [row(1)]


def test_a_payment_that_is_refused_frees_its_tokens(store: WalletStore) -> None:
    store.record(added=[token(1), token(2)])
    store.save_intents([intent(1, 1)])
    (closed,) = store.refuse([Refusal("aigerim", intent_id(1), b"E_FROZEN")])
    assert (closed.state, closed.result) == ("refused", b"E_FROZEN")
    assert store.tokens("aigerim") == [token(1), token(2)]
    store.save_intents([intent(2, 1)])
    assert states(store, 1) == ["pending"]


def test_finishing_may_bring_tokens_to_another_wallet(store: WalletStore) -> None:
    store.record(added=[token(1)])
    store.save_intents([intent(1, 1)])
    store.finish([Done("aigerim", intent_id(1), b"", (token(5, 70, "shop"), token(6, 30)))])
    assert store.tokens("shop") == [token(5, 70, "shop")]
    assert store.tokens("aigerim") == [token(6, 30)]
    assert store.wallets() == ["aigerim", "shop"]


def test_a_batch_is_answered_in_order(store: WalletStore) -> None:
    store.record(added=[token(n, wallet=name) for n in range(6) for name in ("aigerim", "daulet")])
    batch = [intent(n, n, wallet=name) for n in range(6) for name in ("daulet", "aigerim")]
    assert store.save_intents(batch) == batch
    assert store.open_intents() == batch
    assert store.open_intents("daulet") == batch[::2]
    assert store.open_intents("nobody") == []
    done = store.finish([Done(i.wallet, i.id, i.body) for i in reversed(batch)])
    assert [(d.wallet, d.id) for d in done] == [(i.wallet, i.id) for i in reversed(batch)]
    assert store.tokens("aigerim") == store.tokens("daulet") == []
    assert len(store.tokens("daulet", "spent")) == 6


def test_empty_batches_change_nothing(store: WalletStore) -> None:
    assert (store.save_intents([]), store.finish([]), store.refuse([])) == ([], [], [])
    store.record()
    assert store.wallets() == []


# --- the same again ---


def test_the_same_intent_again_is_the_stored_one(store: WalletStore) -> None:
    store.record(added=[token(1)])
    first = intent(1, 1)
    store.save_intents([first])
    assert store.save_intents([replace(first, time=9_999)]) == [first]
    store.finish([Done("aigerim", first.id, b"receipt")])
    (again,) = store.save_intents([first])
    assert (again.state, again.result) == ("done", b"receipt")
    assert states(store, 1) == ["spent"]
    assert store.save_intents([intent(2), intent(2)]) == [intent(2), intent(2)]


@pytest.mark.parametrize(
    "other",
    [intent(1, 1, body=b"another"), intent(1, 2), intent(1), replace(intent(1, 1), kind="load")],
)
def test_the_same_id_with_another_content(store: WalletStore, other: Intent) -> None:
    store.record(added=[token(1), token(2)])
    store.save_intents([intent(1, 1)])
    assert refused(lambda: store.save_intents([other])) == "E_ID_REUSED"
    assert states(store, 1, 2) == ["pending", "unspent"]


def test_one_id_in_two_wallets_is_two_intents(store: WalletStore) -> None:
    store.save_intents([intent(1), intent(1, wallet="daulet", body=b"another")])
    assert len(store.open_intents()) == 2


def test_closing_again_changes_nothing_and_the_first_result_stands(store: WalletStore) -> None:
    store.record(added=[token(1), token(2)])
    store.save_intents([intent(1, 1), intent(2, 2)])
    done = Done("aigerim", intent_id(1), b"first", (token(7),), (row(1),))
    (first,) = store.finish([done])
    store.save_intents([intent(3, 7)])
    assert store.finish([replace(done, result=b"second")]) == [first]
    assert states(store, 1, 7) == ["spent", "pending"]
    assert store.history("aigerim") == [row(1)]
    (no,) = store.refuse([Refusal("aigerim", intent_id(2), b"first")])
    store.save_intents([intent(4, 2)])
    assert store.refuse([Refusal("aigerim", intent_id(2), b"second")]) == [no]
    assert states(store, 2) == ["pending"]


def test_recording_again_changes_nothing(store: WalletStore) -> None:
    store.record(added=[token(1), token(1)], history=[row(1), row(1)])
    store.save_intents([intent(1, 1)])
    store.record(added=[token(1)], history=[row(1)])
    assert states(store, 1) == ["pending"]
    assert store.history("aigerim") == [row(1)]


# --- what is refused leaves nothing behind ---


def test_two_intents_never_hold_one_token(store: WalletStore) -> None:
    store.record(added=[token(1), token(2), token(3)])
    store.save_intents([intent(1, 1)])
    assert refused(lambda: store.save_intents([intent(2, 2, 1)])) == "E_WALLET_TOKEN_TAKEN"
    assert refused(lambda: store.save_intents([intent(3, 2), intent(4, 3, 2)])) == "E_WALLET_TOKEN_TAKEN"
    assert refused(lambda: store.save_intents([intent(5, 2, 2)])) == "E_WALLET_TOKEN_TAKEN"
    assert states(store, 1, 2, 3) == ["pending", "unspent", "unspent"]
    assert store.open_intents() == [intent(1, 1)]
    store.finish([Done("aigerim", intent_id(1))])
    assert refused(lambda: store.save_intents([intent(6, 1)])) == "E_WALLET_TOKEN_TAKEN"


def test_tokens_that_are_not_there_are_not_chosen(store: WalletStore) -> None:
    store.record(added=[token(1, wallet="daulet")])
    assert refused(lambda: store.save_intents([intent(1, 1)])) == "E_WALLET_TOKEN_UNKNOWN"
    assert store.open_intents() == []


def test_intents_that_cannot_be_closed(store: WalletStore) -> None:
    store.record(added=[token(1)])
    store.save_intents([intent(1), intent(2), intent(3, 1)])
    store.finish([Done("aigerim", intent_id(1))])
    store.refuse([Refusal("aigerim", intent_id(2))])
    good = Done("aigerim", intent_id(3), b"", (token(8),), (row(8),))
    for bad, code in (
        (Done("aigerim", intent_id(2)), "E_WALLET_INTENT_CLOSED"),
        (Done("aigerim", intent_id(9)), "E_WALLET_INTENT_UNKNOWN"),
        (Done("daulet", intent_id(3)), "E_WALLET_INTENT_UNKNOWN"),
        (replace(good, id=intent_id(3), added=(token(1, 99),)), "E_WALLET_TOKEN_CHANGED"),
    ):
        both = [good, bad] if bad.id != good.id else [bad]
        assert refused(lambda both=both: store.finish(both)) == code  # type: ignore[misc]
    assert refused(lambda: store.refuse([Refusal("aigerim", intent_id(1))])) == "E_WALLET_INTENT_CLOSED"
    assert refused(lambda: store.refuse([Refusal("aigerim", intent_id(9))])) == "E_WALLET_INTENT_UNKNOWN"
    assert store.open_intents() == [intent(3, 1)]
    assert states(store, 1, 8) == ["pending", "none"]
    assert store.history("aigerim") == []


@pytest.mark.parametrize(
    "changed",
    [token(1, 99), replace(token(1), lock=b"other"), replace(token(1), mark=MARK)],
)
def test_a_token_never_changes(store: WalletStore, changed: WalletToken) -> None:
    store.record(added=[token(1)])
    assert refused(lambda: store.record(added=[token(2), changed])) == "E_WALLET_TOKEN_CHANGED"
    assert states(store, 1, 2) == ["unspent", "none"]


def test_a_line_of_history_never_changes(store: WalletStore) -> None:
    store.record(history=[row(1)])
    assert refused(lambda: store.record([token(1)], history=[row(1, memo="сүт")])) == "E_ID_REUSED"
    assert refused(lambda: store.record(history=[row(2), row(2, memo="сүт")])) == "E_ID_REUSED"
    assert store.history("aigerim") == [row(1)]
    assert states(store, 1) == ["none"]


# --- what happens without an intent ---


def test_money_taken_stays_taken(store: WalletStore) -> None:
    store.record(added=[token(1), token(2), token(3)])
    store.save_intents([intent(1, 1), intent(2, 2)])
    store.record(dropped=[("aigerim", token_id(n)) for n in (1, 2, 3, 4)], history=[row(5)])
    assert states(store, 1, 2, 3, 4) == ["spent", "spent", "spent", "none"]
    store.refuse([Refusal("aigerim", intent_id(1))])
    store.finish([Done("aigerim", intent_id(2))])
    store.record(dropped=[("aigerim", token_id(1))])
    assert states(store, 1, 2) == ["spent", "spent"]
    assert store.balance("aigerim") == {}


def test_a_token_comes_in_unspent(store: WalletStore) -> None:
    with pytest.raises(AssertionError):
        store.record(added=[replace(token(1), state="pending")])
    with pytest.raises(AssertionError):
        store.save_intents([replace(intent(1), state="done")])


# --- reading ---


def test_balances_are_kept_by_mark(store: WalletStore) -> None:
    store.record(
        added=[token(1, 10), token(2, 20, mark=MARK), token(3, 40, mark=MARK), token(4, 1, "daulet")]
    )
    store.save_intents([intent(1, 3)])
    assert list(store.balance("aigerim").items()) == [(b"", Balance(10, 0)), (MARK, Balance(20, 40))]
    assert store.balance("nobody") == {}


def test_tokens_come_by_id_and_history_by_age(store: WalletStore) -> None:
    store.record(added=[token(n) for n in (5, 1, 4)], history=[row(n) for n in (5, 1, 4)])
    store.record(added=[token(3)], history=[row(3)])
    assert [t.id for t in store.tokens("aigerim")] == [token_id(n) for n in (1, 3, 4, 5)]
    assert store.history("aigerim") == [row(3), row(4), row(1), row(5)]
    assert store.history("aigerim", limit=2, skip=1) == [row(4), row(1)]
    assert store.history("daulet") == []


def test_nothing_is_found_where_nothing_is(store: WalletStore) -> None:
    assert store.intent("aigerim", intent_id(1)) is None
    assert store.token("aigerim", token_id(1)) is None
    assert store.wallets() == []


@pytest.mark.parametrize(
    "make_value",
    [
        lambda: token(1, 0),
        lambda: token(1, 2**53),
        lambda: token(1, wallet=""),
        lambda: token(1, wallet="x" * 65),
        lambda: token(1, mark=b"short"),
        lambda: WalletToken("a", TokenId(b"short", 0), 1, b""),
        lambda: WalletToken("a", TokenId(bytes(32), 256), 1, b""),
        lambda: replace(token(1), state="lost"),  # type: ignore[arg-type]
        lambda: replace(token(1), intent=b"short"),
        lambda: replace(token(1), amount_tiyn=True),
        lambda: replace(token(1), wallet=b"bytes"),  # type: ignore[arg-type]
        lambda: replace(intent(1), id=bytes(15)),
        lambda: replace(intent(1), id=bytes(33)),
        lambda: replace(intent(1), kind=""),
        lambda: replace(intent(1), time=-1),
        lambda: replace(intent(1), state="pending"),  # type: ignore[arg-type]
        lambda: replace(intent(1), inputs=(TokenId(bytes(31), 0),)),
        lambda: replace(row(1), direction="up"),  # type: ignore[arg-type]
        lambda: replace(row(1), memo="и\u0306"),
        lambda: replace(row(1), memo="\ud800"),
        lambda: replace(row(1), memo="x" * 256),
        lambda: replace(row(1), amount_tiyn=-1),
    ],
)
def test_values_are_checked_when_they_are_built(make_value: Callable[[], object]) -> None:
    with pytest.raises(Malformed):
        make_value()


# --- checkpoints: a wallet may die at each of them ---


class _Death(BaseException):
    pass


def _dies_at(point: str) -> tuple[Checkpoint, list[str]]:
    seen: list[str] = []

    def checkpoint(name: str) -> None:
        seen.append(name)
        if name == point:
            raise _Death

    return checkpoint, seen


def test_every_commit_passes_its_checkpoints(make: Maker) -> None:
    checkpoint, seen = _dies_at("nowhere")
    store = make(checkpoint)
    store.save_intents([intent(1), intent(2)])
    assert seen == ["wallet.intent.after"]
    for call in (
        lambda: store.finish([Done("aigerim", intent_id(1))]),
        lambda: store.refuse([Refusal("aigerim", intent_id(2))]),
        lambda: store.record(added=[token(1)]),
    ):
        seen.clear()
        call()
        assert seen == ["wallet.done.before", "wallet.done.after"]


def test_a_refused_call_passes_none(make: Maker) -> None:
    checkpoint, seen = _dies_at("nowhere")
    store = make(checkpoint)
    refused(lambda: store.save_intents([intent(1, 1)]))
    refused(lambda: store.finish([Done("aigerim", intent_id(1))]))
    assert seen == []


@pytest.mark.parametrize(
    ("point", "after"), [("wallet.done.before", "pending"), ("wallet.done.after", "spent")]
)
def test_death_leaves_before_or_after(make: Maker, point: str, after: TokenState) -> None:
    checkpoint, _ = _dies_at(point)
    armed = False
    store = make(lambda name: checkpoint(name) if armed else None)
    store.record(added=[token(1)])
    store.save_intents([intent(1, 1)])
    armed = True
    with pytest.raises(_Death):
        store.finish([Done("aigerim", intent_id(1), b"receipt", (token(2),), (row(1),))])
    armed = False
    assert states(store, 1) == [after]
    assert (len(store.history("aigerim")), len(store.open_intents())) == (
        (0, 1) if after == "pending" else (1, 0)
    )
    store.finish([Done("aigerim", intent_id(1), b"receipt", (token(2),), (row(1),))])
    assert states(store, 1, 2) == ["spent", "unspent"]


def test_threads_share_one_store(store: WalletStore) -> None:
    store.record(added=[token(n) for n in range(40)])
    taken: list[int] = []

    def choose(start: int) -> None:
        for n in range(40):
            try:
                store.save_intents([intent(start + n, n)])
            except Refused:
                continue
            taken.append(n)

    threads = [threading.Thread(target=choose, args=(start,)) for start in (1_000, 2_000, 3_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(40))
    assert len(store.tokens("aigerim", "pending")) == 40


def test_directions_are_a_closed_list() -> None:
    directions: tuple[Direction, ...] = ("in", "out", "own")
    assert [replace(row(1), direction=direction).direction for direction in directions] == list(directions)


# --- many at once ---


def test_many_at_once_are_what_each_is_alone(store: WalletStore) -> None:
    store.record(added=[token(number, 10 + number) for number in range(600)])
    store.record(added=[replace(token(number, 5), wallet="other") for number in range(3)])
    store.save_intents([intent(number, number) for number in range(520)])
    store.finish([Done("aigerim", intent_id(number)) for number in range(2)])
    intents = [("aigerim", intent_id(number)) for number in range(530)] + [("other", intent_id(1))]
    assert store.intents(intents) == {key: one for key in intents if (one := store.intent(*key)) is not None}
    tokens = [(name, token_id(number)) for name in ("aigerim", "other", "nobody") for number in range(601)]
    assert store.known_tokens(tokens) == {
        key: one for key in tokens if (one := store.token(*key)) is not None
    }
    names = ["aigerim", "other", "nobody", "aigerim"]
    assert store.unspent(names) == {name: store.tokens(name) for name in names[:2]}
    assert store.totals() == {
        name: sum(part for row in store.balance(name).values() for part in row)
        for name in ("aigerim", "other")
    }
    assert (store.intents([]), store.known_tokens([]), store.unspent([])) == ({}, {}, {})


def test_a_wallet_that_has_spent_everything_has_no_total(store: WalletStore) -> None:
    store.record(added=[token(1, 60)])
    store.save_intents([intent(1, 1)])
    assert store.totals() == {"aigerim": 60}
    store.finish([Done("aigerim", intent_id(1))])
    assert store.totals() == {}
    assert store.unspent(["aigerim"]) == {}
