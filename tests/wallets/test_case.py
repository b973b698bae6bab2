"""The case told from the facts: nobody, one cheat, two, and a device whose owner is not known here."""

import hashlib
from dataclasses import replace

import pytest

from cbdc.errors import TengeError
from cbdc.money import tenge
from cbdc.record import sign
from offline.evidence import DOUBLE_SPEND, verify_evidence
from wallets.case import TYPE_NAMES, Case, tell_case
from wallets.cast import Member
from wallets.sandbox import Sandbox, raise_first


def spend_twice(sandbox: Sandbox, cheat: Member, one: Member, two: Member, amount_tenge: int) -> None:
    sandbox.buy_and_load(cheat, tenge=amount_tenge)
    sandbox.clone(cheat)
    sandbox.pay_offline_once(cheat, one, amount_tenge)
    sandbox.pay_offline_once(cheat, two, amount_tenge, clone=True)


@pytest.fixture
def sandbox() -> Sandbox:
    made = Sandbox.in_memory(seed=11)
    made.issue(tenge=50_000)
    return made


def people(sandbox: Sandbox, *names: str) -> list[Member]:
    return [sandbox.person(name, deposit_tenge=5_000) for name in names]


def test_nothing_happened(sandbox: Sandbox) -> None:
    assert Case().sentence == "No note was spent twice."
    case = sandbox.reconcile()
    assert (case.double_spends, case.loss_tiyn, list(case.evidence), dict(case.borne_by)) == (0, 0, [], {})
    assert sum(case.borne.values()) == 0


def test_one_cheat_is_told_with_proofs(sandbox: Sandbox) -> None:
    ayan, dana, erlan = people(sandbox, "Ayan", "Dana", "Erlan")
    spend_twice(sandbox, ayan, dana, erlan, 700)
    raise_first(sandbox.sync([dana, erlan]))
    case = sandbox.reconcile()
    assert (case.double_spends, case.loss_tiyn) == (1, tenge(700))
    assert dict(case.borne) == {"device": 0, "owner": 0, "bank": 0, "reserve": tenge(700)}
    assert dict(case.borne_by) == {"loss reserve": tenge(700)}
    assert case.sentence == (
        "1 double spend; the proof names the device of Ayan; loss 700 ₸, borne by: loss reserve 700 ₸."
    )
    files = dict(sandbox.evidence_files())
    assert len(case.evidence) == len(files)
    for row in case.evidence:
        data = files[str(row["file"])]
        verdict = verify_evidence(data, sandbox.trusted_root)
        assert row["type"] == TYPE_NAMES[verdict.type]
        assert row["device"] == verdict.device_id.hex()
        assert (row["bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert TYPE_NAMES[DOUBLE_SPEND] in {row["type"] for row in case.evidence}


def test_a_closed_case_says_who_paid(sandbox: Sandbox) -> None:
    ayan, dana, erlan = people(sandbox, "Ayan", "Dana", "Erlan")
    sandbox.buy_once(ayan, 200)
    spend_twice(sandbox, ayan, dana, erlan, 700)
    raise_first(sandbox.sync([dana, erlan]))
    sandbox.wait(days=120)
    case = sandbox.close_cases()
    (owner, paid), (bank, charged) = case.borne_by.items()
    assert (owner, paid, charged) == ("Ayan (own online wallet)", tenge(200), tenge(500))
    assert bank.startswith(f"{sandbox.bank_title} (certified the device")
    assert "Ayan (own online wallet) 200 ₸" in case.sentence


def test_two_cheats_are_both_named(sandbox: Sandbox) -> None:
    ayan, bolat, dana, erlan = people(sandbox, "Ayan", "Bolat", "Dana", "Erlan")
    spend_twice(sandbox, ayan, dana, erlan, 300)
    spend_twice(sandbox, bolat, dana, erlan, 400)
    raise_first(sandbox.sync([dana, erlan]))
    case = sandbox.reconcile()
    assert (case.double_spends, case.loss_tiyn) == (2, tenge(700))
    assert {row["named"] for row in case.evidence} == {"Ayan", "Bolat"}
    assert "the device of Ayan, Bolat" in case.sentence
    assert sum(case.borne.values()) == case.loss_tiyn


def test_a_device_of_nobody_known(sandbox: Sandbox) -> None:
    ayan, dana, erlan = people(sandbox, "Ayan", "Dana", "Erlan")
    spend_twice(sandbox, ayan, dana, erlan, 300)
    raise_first(sandbox.sync([dana, erlan]))
    sandbox.reconcile()
    reconciler, root = sandbox.field.reconciler, sandbox.trusted_root
    case = tell_case(reconciler, {}, root, sandbox.evidence_files(), {})
    assert ayan.device is not None
    assert {row["named"] for row in case.evidence} == {ayan.device.certificate.record.kid.hex()}
    assert case.loss_tiyn == tenge(300)


def test_a_file_that_proves_nothing_is_not_told_as_a_proof(sandbox: Sandbox) -> None:
    with pytest.raises(TengeError):
        tell_case(sandbox.field.reconciler, {}, sandbox.trusted_root, [("case-1.dto", b"proof")], {})


def test_institutions_are_named_and_no_device_is(sandbox: Sandbox) -> None:
    (ayan,) = people(sandbox, "Ayan")
    sandbox.buy_and_load(ayan, tenge=500)
    assert ayan.device is not None
    keys, network = sandbox.system.keys, sandbox.system.network
    reconciler = sandbox.field.reconciler
    twin = replace(ayan.device.certificate.record, algorithm=1, public_key=keys.treasury.public.raw)
    reconciler.submit(sign(twin, network, keys.bank_ca(1)))
    (note,) = sandbox.field.centre.notes(ayan.device.kid)
    reconciler.submit(sign(replace(note.record, amount_tiyn=123), network, keys.issuer))
    case = sandbox.case()
    assert case.double_spends == 0
    assert case.phantom_tiyn == 123
    assert {row["type"]: row["named"] for row in case.evidence} == {
        "E7 PHANTOM_NOTE": "National Bank (issuer of offline notes)",
        "E8 DUAL_CERTIFICATE": sandbox.bank_title,
    }
    assert "E7 PHANTOM_NOTE names National Bank" in case.sentence
