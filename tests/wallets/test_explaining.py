"""`tenge explain` on whole runs of pilots: it says of everything what the ledger said."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cbdc.errors import LANGUAGES, TengeError
from cbdc.explanation import explain_transaction
from cbdc.ledger.entry import open_entry
from cbdc.ledger.replay import Replay
from cbdc.ledger.sqlite import SqliteStore
from wallets import explaining
from wallets.cli import main
from wallets.explaining import explain_target
from wallets.pilot import runner
from wallets.pilot.script import quick_settings
from wallets.store_sqlite import read_intents, read_names

SCRIPTS = ("railway", "procurement-vat", "agricultural-subsidy", "parents-gift")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {}


@pytest.fixture(params=SCRIPTS)
def run(
    request: pytest.FixtureRequest, runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A played run of each script."""
    return played(request.param, runs, tmp_path_factory)


def played(name: str, runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    if name not in runs:
        folder = tmp_path_factory.mktemp(name) / "run"
        runner.run(name, folder, 7, quick_settings(name))
        runs[name] = folder
    return runs[name]


def test_every_entry_is_explained_as_the_ledger_decided(run: Path) -> None:
    store = SqliteStore(run / "ledger.sqlite", read_only=True)
    rows = list(store.entries())
    replay = Replay(rows[0])
    judged = 0
    for row in rows[1:]:
        entry = open_entry(row.data)
        found = explain_transaction(replay.genesis, replay.state, replay.open(entry), entry.time)
        assert (found.code, found.refusal) == ("", None)
        judged += len(found.judgements)
        replay.apply(row)
    store.close()
    assert judged > 5


def test_every_refused_intent_is_explained_by_its_own_refusal(run: Path) -> None:
    refused = read_intents(run / "wallets.sqlite", state="refused")
    assert len(refused) >= 3
    by_ledger = 0
    for intent in refused:
        found = explain_target(intent.id.hex(), run)
        code = json.loads(intent.result)[0]
        assert (found["verdict"], found["code"], found["kind"]) == ("refused", code, "intent")
        by_ledger += found["by_ledger"]
        if not found["by_ledger"]:
            continue
        assert found["ledger_code"] == code
        against = [row for item in found["judgements"] for row in item["findings"] if not row["allows"]]
        if against:
            assert (against[0]["code"], against[0]["facts"]) == (
                code,
                {**found["facts"], **against[0]["facts"]},
            )
    assert by_ledger >= 3


# --- names ---


@pytest.fixture
def railway(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return played("railway", runs, tmp_path_factory)


def first_payment(folder: Path) -> tuple[str, dict[str, Any]]:
    """The first transfer of marked money that a mark judged, and its explanation."""
    store = SqliteStore(folder / "ledger.sqlite", read_only=True)
    ids = [row.transaction_id.hex() for row in store.entries(1)]
    store.close()
    for name in ids:
        found = explain_target(name, folder)
        if found["judgements"]:
            return name, found
    raise AssertionError("no mark judged anything")


def test_a_transaction_and_its_tokens_are_found_by_the_beginning_of_an_id(railway: Path) -> None:
    name, found = first_payment(railway)
    assert found["verdict"] == "accepted"
    short = explain_target(name[:12].upper(), railway)
    assert short == {**found, "name": name[:12].upper()}
    token = explain_target(f"{name[:12]}:0", railway)
    assert token["kind"] == "token"
    assert token["amount_tiyn"] > 0
    spender = explain_target(token["spent_by"], railway)
    assert spender["entry"] > token["entry"]
    for language in LANGUAGES:
        assert not any("{" in line for line in explain_target(f"{name}:0", railway, language)["lines"])


def test_a_mark_is_found_by_its_label_and_by_its_id(railway: Path) -> None:
    found = explain_target("railway Dostyk–Moiynty", railway)
    assert found["kind"] == "mark"
    assert explain_target(found["id"][:10], railway)["lines"] == found["lines"]
    text = "\n".join(found["lines"])
    for rule in ("contracts", "acts", "estimate", "licensed", "invoices", "final", "retention"):
        assert f"Rule {rule}" in text


def test_an_intent_that_was_done_is_its_transaction(railway: Path) -> None:
    done = read_intents(railway / "wallets.sqlite", state="done")[0]
    found = explain_target(done.id.hex(), railway)
    assert (found["intent"], found["verdict"]) == (done.id.hex(), "accepted")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("no such label", "E_EXPLAIN_UNKNOWN"),
        ("ffffffffffff", "E_EXPLAIN_UNKNOWN"),
        ("abc", "E_EXPLAIN_UNKNOWN"),
        ("ffffffffffff:0", "E_EXPLAIN_UNKNOWN"),
    ],
)
def test_what_is_not_there_is_refused(railway: Path, name: str, code: str) -> None:
    with pytest.raises(TengeError) as refusal:
        explain_target(name, railway)
    assert refusal.value.code == code


def test_a_token_number_that_is_not_there(railway: Path) -> None:
    name, _ = first_payment(railway)
    with pytest.raises(TengeError, match="E_EXPLAIN_UNKNOWN"):
        explain_target(f"{name}:200", railway)


def test_a_short_beginning_may_mean_several(railway: Path) -> None:
    intents = read_intents(railway / "wallets.sqlite")
    beginnings = [intent.id.hex()[:4] for intent in intents]
    store = SqliteStore(railway / "ledger.sqlite", read_only=True)
    beginnings += [row.transaction_id.hex()[:4] for row in store.entries(1)]
    store.close()
    several = [one for one in beginnings if beginnings.count(one) > 1]
    for one in several[:1]:
        with pytest.raises(TengeError, match="E_EXPLAIN_AMBIGUOUS"):
            explain_target(one, railway)
    with pytest.raises(TengeError, match="E_EXPLAIN_AMBIGUOUS"):
        explaining._only("ab", [("intent", intents[0]), ("mark", bytes(32)), ("token", (bytes(32), 1))])


def test_where_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(TengeError, match="E_AUDIT_TARGET"):
        explain_target("abcd", tmp_path)
    (tmp_path / "wallets.sqlite").write_bytes(b"no database at all, but longer than its header is")
    with pytest.raises(TengeError, match="E_WALLET_STORE"):
        read_intents(tmp_path / "wallets.sqlite")
    with pytest.raises(TengeError, match="E_WALLET_STORE"):
        read_names(tmp_path / "wallets.sqlite")


def test_a_saved_intent_waits(railway: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = read_intents(railway / "wallets.sqlite", state="refused")[0]
    saved = replace(refused, state="saved", result=b"")
    monkeypatch.setattr(explaining, "read_intents", lambda path, prefix="", state="": [saved])
    found = explain_target(refused.id.hex(), railway)
    assert (found["verdict"], found["id"]) == ("waiting", refused.id.hex())


def test_the_command(railway: Path) -> None:
    listed = CliRunner().invoke(main, ["explain", "refused", "--run", str(railway), "--json"])
    assert listed.exit_code == 0
    rows = json.loads(listed.stdout)["refused"]
    assert {row["code"] for row in rows} >= {"E_MARK_DOCUMENT", "E_MARK_LISTED", "E_MARK_ESTIMATE"}
    words = CliRunner().invoke(
        main, ["explain", rows[1]["intent"], "--run", str(railway), "--language", "ru"]
    )
    assert words.exit_code == 0
    assert "ОТКАЗЫВАЕТ" in words.stdout
    wrong = CliRunner().invoke(main, ["explain", "nothing", "--run", str(railway)])
    assert wrong.exit_code == 2
