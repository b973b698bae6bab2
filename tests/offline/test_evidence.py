"""Evidence: the guilty are named from ROOT alone, and nobody honest ever is."""

import ast
import json
import os
import subprocess
import sys
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.authority import BANK_CA, Authority, open_root
from cbdc.errors import LANGUAGES, Refused
from cbdc.keys import ED25519, ES256
from cbdc.money import tenge
from cbdc.record import Signed
from offline import evidence
from offline.evidence import (
    bad_statement,
    broken_rule,
    double_spend,
    dual_certificate,
    equivocation,
    verify_evidence,
)
from offline.evidence_file import DOUBLE_SPEND
from offline.records import REDEEM, Transfer
from tests.house.tree import ROOT
from tests.offline.world import NOW, START, World, fixed_bytes
from tests.vectors.case import load

WORLD = World("evidence tests")
A, B, C = (WORLD.make_device(name) for name in "ABC")
NOTE = WORLD.make_note(A.kid, tenge(5_000))
ONE = WORLD.make_transfer(A.key, NOTE, NOTE, B.kid, tenge(4_000))
TWO = WORLD.make_transfer(A.key, NOTE, NOTE, C.kid, tenge(4_500), counter=9)
NEXT = WORLD.make_transfer(B.key, ONE, NOTE, C.kid, tenge(3_000))
LATER = WORLD.make_transfer(B.key, NEXT, NOTE, C.kid, tenge(500))


def test_the_verdict_names_the_device_and_speaks() -> None:
    verdict = verify_evidence(double_spend(WORLD.authority, A.certificate, ONE, TWO), WORLD.root)
    assert verdict.type == DOUBLE_SPEND
    assert verdict.kid == A.kid
    assert verdict.device_id == A.certificate.record.device_id
    assert verdict.amount_tiyn == tenge(5_000)
    assert verdict.certificate == A.certificate
    refusal = verdict.refusal()
    assert refusal.code == "E_DOUBLE_SPEND"
    assert A.kid.hex() in refusal.sentence()
    assert "{" not in str(refusal)


GOOD = [
    pytest.param(one, file["context"][one["context"]], id=one["id"])
    for file in map(load, ("evidence", "evidence_statements", "evidence_limits", "evidence_notes"))
    for one in file["cases"]
    if one["expect"] == "ok"
]


def test_every_type_has_good_vectors() -> None:
    found = {one.values[0]["verdict"]["type"] for one in GOOD}
    assert found == set(evidence.CODES) == set(range(1, 9))


@pytest.mark.parametrize(("one", "context"), GOOD)
def test_every_verdict_speaks_in_every_language(one: dict[str, Any], context: dict[str, Any]) -> None:
    verdict = verify_evidence(bytes.fromhex(one["bytes"]), open_root(bytes.fromhex(context["root"])))
    refusal = verdict.refusal()
    assert refusal.code == evidence.CODES[verdict.type]
    for language in LANGUAGES:
        sentence = refusal.sentence(language)
        assert verdict.kid.hex() in sentence
        assert "{" not in sentence + refusal.next_step(language)


def test_the_court_needs_no_store_no_graph_and_no_clock() -> None:
    """What the judges import, and what that imports, is this list and nothing else of ours."""
    allowed = {
        *("cbdc.errors", "cbdc.canonical", "cbdc.keys", "cbdc.record", "cbdc.authority", "cbdc.ledger.entry"),
        *("cbdc.token", "cbdc.transaction", "cbdc.clause", "cbdc.clauses", "cbdc.marks", "cbdc.money"),
        "cbdc.plain_form",
        *("offline.records", "offline.admission", "offline.certificate_log"),
    }
    court = {f"offline.{path.stem}" for path in (ROOT / "offline").glob("evidence*.py")}
    assert len(court) == 5
    reached, queue = set(court), sorted(court)
    for name in queue:
        tree = ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            named = []
            if isinstance(node, ast.ImportFrom) and node.module:
                named = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            for module in named:
                assert module.split(".")[0] not in ("sqlite3", "socket", "time", "random", "os", "wallets"), (
                    name
                )
                if (ROOT / f"{module.replace('.', '/')}.py").is_file() and module not in reached:
                    reached.add(module)
                    queue.append(module)
    assert reached - court <= allowed


_COURT = """
import json, sys
from cbdc.authority import open_root
from offline.evidence import verify_evidence

for line in sys.stdin:
    root, data = (bytes.fromhex(word) for word in line.split())
    found = verify_evidence(data, open_root(root))
    print(found.type, found.kid.hex(), found.device_id.hex() or "-", found.amount_tiyn)
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] in ("cbdc", "offline", "sqlite3"))))
"""


def test_r31_a_court_of_its_own_gives_the_same_verdicts() -> None:
    """Another process, which loads the judges and nothing of settlement, names the same keys for the same amounts."""
    given = [(one.values[0], one.values[1]) for one in GOOD]
    lines = "".join(f"{context['root']} {one['bytes']}\n" for one, context in given)
    # A measured process has loaded what measuring needs (sqlite3 among it), so this one is not measured.
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "COVERAGE"))}
    done = subprocess.run(
        [sys.executable, "-c", _COURT],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=alone,
    )
    *verdicts, loaded = done.stdout.splitlines()
    expected = [
        f"{one['verdict']['type']} {one['verdict']['kid']} {one['verdict']['device_id'] or '-'}"
        f" {one['verdict']['amount_tiyn']}"
        for one, _ in given
    ]
    assert verdicts == expected
    modules = set(json.loads(loaded))
    assert "offline.evidence_limits" in modules
    assert modules.isdisjoint(
        {"sqlite3", "offline.seen", "offline.graph", "offline.archive", "cbdc.ledger.ledger"}
    )


def test_one_pair_has_one_file() -> None:
    pair = (ONE, TWO)
    assert double_spend(WORLD.authority, A.certificate, *pair) == double_spend(
        WORLD.authority, A.certificate, *pair[::-1]
    )
    twin = WORLD.make_device("twin", device_id=A.certificate.record.device_id).certificate
    assert dual_certificate(WORLD.authority, A.certificate, twin) == dual_certificate(
        WORLD.authority, twin, A.certificate
    )


def test_a_file_that_proves_nothing_is_not_made() -> None:
    attempts = [
        lambda: double_spend(WORLD.authority, A.certificate, ONE, ONE),
        lambda: double_spend(WORLD.authority, B.certificate, ONE, TWO),
        lambda: double_spend(WORLD.authority, A.certificate, ONE, NEXT),
        lambda: equivocation(WORLD.authority, B.certificate, NEXT, LATER),
        lambda: bad_statement(WORLD.authority, B.certificate, NEXT, ONE),
        lambda: bad_statement(WORLD.authority, B.certificate, NEXT, NOTE),
        lambda: dual_certificate(WORLD.authority, A.certificate, B.certificate),
        lambda: double_spend(Authority(WORLD.root), A.certificate, ONE, TWO),
    ]
    for attempt in attempts:
        with pytest.raises(Refused, match="E_EVIDENCE") as refusal:
            attempt()
        assert "{" not in str(refusal.value)


def test_a_renewed_bank_is_named_by_both_of_its_certificates() -> None:
    key = WORLD.key("renewed bank")
    first = WORLD.make_auth(BANK_CA, key, (5, 3), expires=NOW)
    second = WORLD.make_auth(BANK_CA, key, (5, 3), not_before=NOW + 1)
    authority = Authority(WORLD.root, [first, second])
    old = WORLD.make_device("old", ca=key, not_before=START).certificate
    new = WORLD.make_device("new", ca=key, not_before=NOW + 1, device_id=old.record.device_id).certificate
    data = dual_certificate(authority, old, new)
    assert verify_evidence(data, WORLD.root).kid == key.public.kid
    auths: Any = canonical.decode_array(data)[1]
    assert len(auths) == 2


def test_a_file_too_large_is_not_even_read() -> None:
    with pytest.raises(Refused, match=r"E_EVIDENCE: .*E_SIZE"):
        verify_evidence(b"\x90" * (512 * 1_024 + 1), WORLD.root)


def test_r31_the_court_needs_no_trust_list() -> None:
    """Revoked banks and devices are judged as they were: nothing but ROOT is asked."""
    data = double_spend(WORLD.authority, A.certificate, ONE, TWO)
    assert verify_evidence(data, WORLD.root) == verify_evidence(data, World("evidence tests").root)


@given(st.binary(max_size=120))
def test_any_bytes_prove_nothing(data: bytes) -> None:
    with pytest.raises(Refused, match="E_EVIDENCE"):
        verify_evidence(data, WORLD.root)


Step = tuple[int, int, int, int]


@pytest.mark.parametrize("algorithm", [ED25519, ES256])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 100), st.integers(0, 9)), max_size=8
    )
)
@settings(max_examples=15)
def test_r33_nobody_honest_can_be_framed(algorithm: int, steps: list[Step]) -> None:
    """B3: whatever honest devices do, no two of their transfers and no transfer and parent prove anything."""
    world = World("evidence honest")
    people = [world.make_device(f"honest {place}", algorithm) for place in range(3)]
    notes = [world.make_note(one.kid, 1_000, max_hops=30) for one in people]
    purses: list[list[tuple[Signed[Any], int]]] = [[(note, 0)] for note in notes]
    roots = {note.oid: note for note in notes}
    parents: list[tuple[Any, Signed[Transfer], Signed[Any]]] = []
    for who, whom, percent, dice in steps:
        if not purses[who]:
            continue
        parent, index = purses[who].pop(dice % len(purses[who]))
        note = roots[parent.oid]
        held = evidence_amount(parent, index)
        amount_tiyn = max(1, held * percent // 100)
        redeem = who == whom
        owner = fixed_bytes("account", 32) if redeem else people[whom].kid
        kind = {"kind": REDEEM} if redeem else {}
        step = world.make_transfer(people[who].key, parent, note, owner, amount_tiyn, index=index, **kind)
        roots[step.oid] = note
        parents.append((people[who], step, parent))
        if not redeem:
            purses[whom].append((step, 0))
        if held > amount_tiyn:
            purses[who].append((step, 1))
    for device, step, parent in parents:
        assert broken_rule(step, parent) is None
        with pytest.raises(Refused, match="E_EVIDENCE"):
            bad_statement(world.authority, device.certificate, step, parent)
    for (device, step, _), (_, other, _) in combinations(parents, 2):
        for prove in (double_spend, equivocation):
            with pytest.raises(Refused, match="E_EVIDENCE"):
                prove(world.authority, device.certificate, step, other)


def evidence_amount(parent: Signed[Any], index: int) -> int:
    """What output `index` of a note or transfer is worth."""
    record = parent.record
    amount: int = record.outputs[index].amount_tiyn if isinstance(record, Transfer) else record.amount_tiyn
    return amount


def test_who_was_deceived_is_not_guilty() -> None:
    """A dressed a redemption up as a payment to B, or made up a kind; B, who spent it on, is no cheat."""
    for kind in (REDEEM, 7):
        dressed = WORLD.make_transfer(A.key, NOTE, NOTE, B.kid, tenge(4_000), kind=kind, counter=20)
        spent = WORLD.make_transfer(B.key, dressed, NOTE, C.kid, tenge(1), index=0, counter=21)
        assert broken_rule(spent, dressed) is None
        with pytest.raises(Refused, match="E_EVIDENCE"):
            bad_statement(WORLD.authority, B.certificate, spent, dressed)


def test_the_change_of_a_redemption_follows_the_rules_too() -> None:
    redeemed = WORLD.make_transfer(A.key, NOTE, NOTE, fixed_bytes("account", 32), 1, kind=REDEEM, counter=30)
    good = WORLD.make_transfer(A.key, redeemed, NOTE, B.kid, 1, index=1, counter=31)
    assert broken_rule(good, redeemed) is None
    bad = WORLD.make_transfer(A.key, redeemed, NOTE, B.kid, 1, index=1, counter=31, hop=5)
    assert broken_rule(bad, redeemed) == "E_HOPS"
