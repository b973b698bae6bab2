"""What planted bugs showed to be untested in the wallet's store: a court's order meets a refusal, a disk that stops."""

from pathlib import Path

import pytest

from tests.wallets.store_values import intent, intent_id, states, token, token_id
from wallets.store import Draft, Refusal, WalletStore
from wallets.store_memory import MemoryRows
from wallets.store_sqlite import SqliteRows


def test_what_was_taken_while_an_intent_held_it_stays_taken() -> None:
    store = WalletStore(MemoryRows())
    store.record(added=[token(1), token(2)])
    store.save_intents([intent(7, 1, 2)])
    store.record(dropped=[("aigerim", token_id(1))])
    store.refuse([Refusal("aigerim", intent_id(7), b"E_TOKEN_SPENT")])
    assert states(store, 1, 2) == ["spent", "unspent"]


def test_a_commit_that_fails_after_writing_leaves_nothing(tmp_path: Path) -> None:
    rows = SqliteRows(tmp_path / "wallet.sqlite")
    draft = Draft(rows)
    draft.add([token(1)], [])
    with pytest.raises(RuntimeError, match="the lights went out"):
        _write_and_die(rows, draft)
    assert rows.find_token(("aigerim", token_id(1))) is None
    with rows.transaction():
        rows.write(draft)
    assert rows.find_token(("aigerim", token_id(1))) == token(1)
    rows.close()


def _write_and_die(rows: SqliteRows, draft: Draft) -> None:
    with rows.transaction():
        rows.write(draft)
        raise RuntimeError("the lights went out")
