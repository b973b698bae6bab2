"""What the clients of a benchmark send: nothing twice but what is meant to be, sums kept, refusals judged."""

from collections import Counter

import pytest

from cbdc.errors import Refused, TengeError
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ports import ManualClock
from cbdc.transaction import Issue, Transfer, open_transaction
from wallets.bench import bench_key
from wallets.benches import scene
from wallets.benches.scene import (
    HOT,
    ISSUE,
    MIXED,
    ONE_IN,
    READ,
    TWO_IN,
    Founded,
    Purse,
    QuickKey,
    Scene,
    Script,
)

HOLDERS = 6
TOKENS = 600


@pytest.fixture(scope="module")
def stage() -> tuple[Ledger, Scene, Founded]:
    cast = Scene(HOLDERS)
    ledger, founded = scene.found(MemoryStore(), cast, TOKENS, ManualClock(1_762_146_000), lambda text: None)
    return ledger, cast, founded


def test_a_quick_key_signs_what_a_software_key_signs() -> None:
    quick = QuickKey("somebody")
    assert isinstance(bench_key("somebody"), SoftwareKey)
    assert (quick.public, quick.sign(b"text")) == (
        bench_key("somebody").public,
        bench_key("somebody").sign(b"text"),
    )
    assert quick.public.algorithm == ED25519


def test_the_tokens_stand_and_are_held_in_turn(stage: tuple[Ledger, Scene, Founded]) -> None:
    ledger, cast, founded = stage
    assert len(founded.funding) == -(-TOKENS // scene.OUTPUTS)
    assert [len(ledger.owned(kid)) for kid in cast.kids] == [TOKENS // HOLDERS] * HOLDERS
    assert ledger.supply().wallets_tiyn == TOKENS * scene.HELD_TIYN


def test_a_second_process_founds_the_same_ledger(stage: tuple[Ledger, Scene, Founded]) -> None:
    again = scene.found(MemoryStore(), Scene(HOLDERS), TOKENS, ManualClock(1_762_146_000), lambda text: None)[
        1
    ]
    assert again == stage[2]


def test_a_used_store_is_refused(stage: tuple[Ledger, Scene, Founded]) -> None:
    store = MemoryStore()
    scene.found(store, Scene(2), 10, ManualClock(1_762_146_000), lambda text: None)
    with pytest.raises(Refused) as caught:
        scene.found(store, Scene(2), 10, ManualClock(1_762_146_000), lambda text: None)
    assert caught.value.code == "E_SETTING"


@pytest.mark.parametrize("workload", [ONE_IN, TWO_IN, HOT, MIXED])
def test_transfers_spend_nothing_twice_but_what_rivals_share(
    stage: tuple[Ledger, Scene, Founded], workload: str
) -> None:
    ledger, cast, founded = stage
    script = Purse(cast, founded).script(workload, 100)
    records = [open_transaction(data, ledger.network).record for data in script.operations]
    assert all(isinstance(record, Transfer) for record in records)
    assert {(len(record.spends), len(record.creates)) for record in records} == {
        (2 if workload == TWO_IN else 1, 2)
    }
    spent = Counter(token for record in records for token in record.spends)
    shared = {
        token for first, second in script.rivals for token in records[first].spends if records[second].spends
    }
    assert {token for token, times in spent.items() if times > 1} == shared
    assert len(script.rivals) == (5 if workload == MIXED else 0)
    assert all(records[first].spends == records[second].spends for first, second in script.rivals)
    hot = cast.hot.public.kid
    assert all((record.creates[0].lock.holder == hot) == (workload == HOT) for record in records)


def test_a_purse_lives_on_what_it_made_and_the_ledger_takes_all_of_it(
    stage: tuple[Ledger, Scene, Founded],
) -> None:
    """Far more transfers than tokens: each run spends what earlier runs made, and never what it makes itself."""
    cast = Scene(HOLDERS)
    ledger, founded = scene.found(MemoryStore(), cast, TOKENS, ManualClock(1_762_146_000), lambda text: None)
    purse = Purse(cast, founded)
    sent = 0
    for _ in range(4):
        for workload in (TWO_IN, ONE_IN, MIXED, HOT, ISSUE):
            script = purse.script(workload, 80)
            answers = ledger.submit_many(script.operations)
            outcomes = [answer.code if isinstance(answer, TengeError) else "" for answer in answers]
            assert scene.expected(script, outcomes) == [""] * len(outcomes)
            assert outcomes.count("E_TOKEN_SPENT") == len(script.rivals)
            sent += len(outcomes)
    assert sent > 2 * TOKENS
    assert ledger.supply().wallets_tiyn == TOKENS * scene.HELD_TIYN


def test_a_run_stops_where_it_would_spend_what_it_made(stage: tuple[Ledger, Scene, Founded]) -> None:
    _, cast, founded = stage
    purse = Purse(cast, founded)
    assert len(purse.script(ONE_IN, 10_000).operations) == TOKENS
    assert len(purse.script(ONE_IN, 10_000).operations) == 2 * TOKENS
    assert len(purse.script(TWO_IN, 10_000).operations) <= 2 * TOKENS


def test_issues_are_all_different_and_reads_find_tokens(stage: tuple[Ledger, Scene, Founded]) -> None:
    ledger, cast, founded = stage
    purse = Purse(cast, founded)
    issues = purse.script(ISSUE, 5).operations + purse.script(ISSUE, 5).operations
    assert len(set(issues)) == 10
    opened = [open_transaction(data, ledger.network) for data in issues]
    assert all(
        isinstance(one.record, Issue) and len(one.witnesses) == scene.SIGNATURES[ISSUE] for one in opened
    )
    reads = purse.script(READ, 50).operations
    assert len(reads) == 50
    assert {len(data) for data in reads} == {34}


@pytest.mark.parametrize(
    ("answers", "left"),
    [
        (["", "E_TOKEN_SPENT"], ["", ""]),
        (["E_TOKEN_SPENT", ""], ["", ""]),
        (["", ""], ["", scene.BOTH_ACCEPTED]),
        (["E_TOKEN_SPENT", "E_TOKEN_SPENT"], ["E_TOKEN_SPENT", "E_TOKEN_SPENT"]),
        (["E_SIG", "E_TOKEN_SPENT"], ["E_SIG", "E_TOKEN_SPENT"]),
        (["", "E_BUSY"], ["", "E_BUSY"]),
    ],
)
def test_of_two_rivals_just_one_is_accepted(answers: list[str], left: list[str]) -> None:
    assert scene.expected(Script(MIXED, [b"", b""], [(0, 1)]), answers) == left


def test_a_refusal_that_nobody_asked_for_stays_an_error() -> None:
    assert scene.expected(Script(ONE_IN, [b"", b""]), ["", "E_TOKEN_SPENT"]) == ["", "E_TOKEN_SPENT"]
