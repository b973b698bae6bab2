"""The supervisor's desk: alerts, figures, conservation, audits of a snapshot, and heads that catch another history."""

import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cbdc.ledger.entry import LogHead
from cbdc.ledger.memory import MemoryStore
from cbdc.record import sign
from tests.site.visitor import BASE, Program, Visitor, opened
from wallets.desk import derived
from wallets.site.audit_work import CHECKS, run_audit
from wallets.site.following import following
from wallets.site.operations import MAX_UPLOAD_BYTES
from wallets.site.roles.supervisor import holdings, over_time
from wallets.site.whole import Whole

WAIT = 60
HOSTILE = "Court order <img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one


@pytest.fixture(scope="module")
def supervisor(whole: Whole) -> Program:
    return Program(whole, "supervisor")


def see(program: Program, name: str) -> Any:
    answer = program.get(f"/v1/roles/supervisor/{name}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def code(answer: Any) -> str:
    return str(answer.get_json()["code"])


def quiet(tell: int, of: int, text: str) -> None:
    """Progress that nobody looks at."""


def test_the_desk_is_the_supervisors_alone(whole: Whole) -> None:
    for user in ("treasurer", "operator", "clerk-1", "aigerim"):
        other = Program(whole, user)
        for name in (
            "home",
            "figures",
            "freezes",
            "conservation",
            "audits",
            "heads",
            "head-file",
            "audits/x",
        ):
            assert other.get(f"/v1/roles/supervisor/{name}").status_code in (401, 403), (user, name)
        for name in ("start-audit", "cancel-audit", "compare-head"):
            assert other.do("supervisor", name).status_code in (401, 403), (user, name)
    visitor = Visitor(whole)
    assert visitor.get("/supervisor/audits").status_code == 303


def test_every_page_opens_in_every_language(whole: Whole) -> None:
    visitor = Visitor(whole).signed_in("auditor")
    for name in ("", "figures", "freezes", "conservation", "audits", "heads"):
        for language in ("kk", "ru", "en"):
            answer = visitor.get(f"/supervisor/{name}?language={language}")
            assert answer.status_code == 200, name
            assert f'lang="{language}"' in answer.text


def test_nothing_that_the_desk_does_writes_to_the_ledger(whole: Whole, supervisor: Program) -> None:
    before = whole.world.system.ledger.head().encode()
    operations = [name for role, name in whole.site.table.operations if role == "supervisor"]
    assert sorted(operations) == ["cancel-audit", "compare-head", "start-audit"]
    head = supervisor.get("/v1/roles/supervisor/head-file").data
    started = supervisor.do("supervisor", "start-audit", head_file=head.hex()).get_json()
    whole.world.jobs.wait("audit", started["audit"], WAIT)
    supervisor.do("supervisor", "compare-head", head_file=head.hex())
    assert whole.world.system.ledger.head().encode() == before


# --- figures ---


def test_figures_agree_with_the_ledger(whole: Whole, supervisor: Program) -> None:
    system = whole.world.system
    book = following(system)
    supply = system.ledger.supply()
    points = over_time(book, system.genesis.policy.day_offset_seconds)["points"]
    assert points[-1]["outstanding_tiyn"] == supply.outstanding_tiyn
    assert points[-1]["offline_tiyn"] == supply.escrow_tiyn
    figures = system.supervisor.read()
    assert sum(point["payments"] for point in points) == figures.payments
    assert sum(point["paid_tiyn"] for point in points) == figures.paid_tiyn
    spread = holdings(book)
    assert sum(row["held_tiyn"] for row in spread) == supply.wallets_tiyn
    assert see(supervisor, "figures")["bucket_seconds"] == 3_600


def test_a_long_time_is_told_by_days_in_few_points(whole: Whole) -> None:
    with opened() as other:
        world = other.world
        for day in range(100):
            world.put_forward(86_400)
            world.sandbox.issue(10, bank="alatau", id=derived("a day", day))
        found = over_time(following(world.system), 18_000)
        assert len(found["points"]) <= 61
        assert found["bucket_seconds"] % 86_400 == 0
        page = Visitor(other).signed_in("auditor").get("/supervisor/figures").text
        assert page.count("<svg") > 4
        assert "2026-02-09" < found["points"][-1]["day"] <= "2026-02-11"


def test_conservation_is_counted_token_by_token(whole: Whole, supervisor: Program) -> None:
    found = see(supervisor, "conservation")
    assert found["ok"]
    for row in found["lines"]:
        assert row["stated_tiyn"] == row["counted_tiyn"]
    assert found["circulation_tiyn"] == found["outstanding_tiyn"] == found["counted_tiyn"]
    assert sum(row["amount_tiyn"] for row in found["rows"]) == found["counted_tiyn"]


def test_freezes_stand_with_their_reference_and_end_when_lifted(whole: Whole, supervisor: Program) -> None:
    world = whole.world
    pseudonym = world.sandbox.pseudonym(world.neighbours[0])
    with world.doing():
        world.system.enforcement.freeze(derived("freeze"), pseudonym, HOSTILE)
    found = see(supervisor, "freezes")
    assert [row["reference"] for row in found["in_force"]] == [HOSTILE]
    assert found["in_force"][0]["subject"] == pseudonym.hex()
    assert [row["title"] for row in see(supervisor, "home")["rows"]] == ["Freeze"]
    page = Visitor(whole).signed_in("supervisor")
    for path in ("/supervisor/freezes", "/supervisor/", f"/explorer/key/{pseudonym.hex()}"):
        text = page.get(path).text
        assert "<img" not in text
        assert "&lt;img" in text
    with world.doing():
        world.system.enforcement.unfreeze(derived("unfreeze"), pseudonym, "Lifted")
    found = see(supervisor, "freezes")
    assert found["in_force"] == []
    assert [row["kind"] for row in found["rows"]] == ["Unfreeze", "Freeze"]


# --- audits ---


def test_an_audit_runs_beside_the_sandbox_and_finds_nothing(whole: Whole, supervisor: Program) -> None:
    started = supervisor.do("supervisor", "start-audit", "one-audit-request-1").get_json()
    again = supervisor.do("supervisor", "start-audit", "one-audit-request-1").get_json()
    assert started == again
    whole.world.jobs.wait("audit", started["audit"], WAIT)
    found = see(supervisor, f"audits/{started['audit']}")
    assert found["job"]["state"] == "done"
    assert found["result"]["ok"]
    assert found["result"]["entries"] == found["job"]["about"]["entries"]
    assert {row["name"] for row in found["result"]["checks"]} == CHECKS.keys() - {"kept"}
    page = Visitor(whole).signed_in("auditor").get(f"/supervisor/audits/{started['audit']}")
    assert "Everything adds up." in page.text
    assert (
        supervisor.get(f"/v1/roles/supervisor/audit-state/{started['audit']}").get_json()["state"] == "done"
    )


@pytest.mark.parametrize("key", ["nothing", "..", "0" * 16, "x" * 300])
def test_an_audit_that_never_was_is_refused(whole: Whole, supervisor: Program, key: str) -> None:
    assert supervisor.get(f"/v1/roles/supervisor/audits/{key}").status_code in (404, 409, 422)
    if len(key) <= 64:
        assert code(supervisor.do("supervisor", "cancel-audit", audit=key)) == "E_SITE_JOB_UNKNOWN"


def test_an_audit_of_a_file_finds_a_changed_row(tmp_path: Path) -> None:
    with opened(folder=tmp_path) as whole:
        path = whole.world.system.stores.ledger.path  # type: ignore[attr-defined]
    assert run_audit(f"sqlite:///{path}", b"", quiet)["ok"]
    database = sqlite3.connect(path)
    database.execute("UPDATE state SET value = x'00' WHERE key = (SELECT key FROM state LIMIT 1)")
    database.commit()
    database.close()
    found = run_audit(f"sqlite:///{path}", b"", quiet)
    assert not found["ok"]
    assert [row["name"] for row in found["checks"] if not row["ok"]] == ["state"]
    assert found["problems"][0]["code"] == "E_AUDIT_STATE"


def test_an_audit_tells_how_far_it_is(whole: Whole) -> None:
    told: list[tuple[int, int, str]] = []
    store = whole.world.system.stores.ledger
    assert isinstance(store, MemoryStore)
    run_audit(store, b"", lambda done, of, text: told.append((done, of, text)))
    size = whole.world.system.ledger.size
    assert told[0] == (0, size, "replay")
    assert told[-1][:2] == (size, size)


# --- heads ---


def forged(whole: Whole, size: int, root: bytes) -> bytes:
    """A head that the ledger's key really signed, about a journal that is not this one."""
    system = whole.world.system
    return sign(LogHead(size, root, 1_762_146_000), system.network, system.keys.ledger).encode()


def test_a_kept_head_is_continued(whole: Whole, supervisor: Program) -> None:
    kept = supervisor.get("/v1/roles/supervisor/head-file").data
    before = whole.world.system.ledger.size
    with whole.world.doing():
        whole.world.sandbox.issue(10, bank="alatau", id=derived("one more issue"))
    found = supervisor.do("supervisor", "compare-head", head_text=kept.hex()).get_json()
    assert (found["size"], found["added"]) == (before, whole.world.system.ledger.size - before)


@pytest.mark.parametrize(
    ("size_more", "code_wanted"), [(-3, "E_AUDIT_FORK"), (0, "E_AUDIT_FORK"), (5, "E_AUDIT_TAIL")]
)
def test_another_history_under_the_same_key_is_caught(
    whole: Whole, supervisor: Program, size_more: int, code_wanted: str
) -> None:
    head = forged(whole, whole.world.system.ledger.size + size_more, b"\7" * 32)
    answer = supervisor.do("supervisor", "compare-head", head_file=head.hex())
    assert code(answer) == code_wanted
    started = supervisor.do("supervisor", "start-audit", head_file=head.hex()).get_json()
    whole.world.jobs.wait("audit", started["audit"], WAIT)
    found = see(supervisor, f"audits/{started['audit']}")["result"]
    assert not found["ok"]
    assert code_wanted in [row["code"] for row in found["problems"]]
    assert [row["name"] for row in found["checks"] if not row["ok"]] == ["kept"]


def test_a_head_that_the_ledger_did_not_sign_is_refused(whole: Whole, supervisor: Program) -> None:
    system = whole.world.system
    size, root = system.ledger.size, system.ledger.head().record.root
    impostor = sign(LogHead(size, root, 1_762_146_000), system.network, system.keys.treasury).encode()
    assert code(supervisor.do("supervisor", "compare-head", head_file=impostor.hex())) == "E_SIG"
    foreign = sign(LogHead(size, root, 1_762_146_000), b"another!", system.keys.ledger).encode()
    assert code(supervisor.do("supervisor", "start-audit", head_file=foreign.hex())) == "E_SIG"


@pytest.mark.parametrize("text", ["zz", "0", "", "93", "ff" * 40, "é", "c0ffee" * 50])
def test_garbage_is_no_head(supervisor: Program, text: str) -> None:
    answer = supervisor.do("supervisor", "compare-head", head_text=text)
    assert answer.status_code in (400, 422)
    assert code(answer).startswith("E_")


def test_a_truncated_or_changed_head_is_refused(whole: Whole, supervisor: Program) -> None:
    head = whole.world.system.ledger.head().encode()
    for place in range(0, len(head), 7):
        assert supervisor.do("supervisor", "compare-head", head_file=head[:place].hex()).status_code in (
            400,
            422,
        )
    for place in range(0, len(head), 5):
        changed = head[:place] + bytes([head[place] ^ 1]) + head[place + 1 :]
        assert supervisor.do("supervisor", "compare-head", head_file=changed.hex()).status_code in (400, 422)


def upload(visitor: Visitor, data: bytes, operation: str = "compare-head") -> str:
    """The page after a file was sent by the form."""
    page = "/supervisor/heads" if operation == "compare-head" else "/supervisor/audits"
    action, fields = visitor.form(page, operation)
    answer = visitor.client.post(
        action,
        base_url=BASE,
        data={**fields, "head_file": (io.BytesIO(data), "head.dto")},
        content_type="multipart/form-data",
    )
    assert answer.status_code == 303
    return visitor.get(answer.headers["Location"]).text


def test_a_head_is_uploaded_as_a_file(whole: Whole) -> None:
    visitor = Visitor(whole).signed_in("auditor")
    head = visitor.get("/supervisor/head-file").data
    assert "0 entries were added since" in upload(visitor, head)
    assert "E_AUDIT_FORK" in upload(visitor, forged(whole, 3, b"\1" * 32))
    assert "E_WEB_SIZE" in upload(visitor, b"\0" * (MAX_UPLOAD_BYTES + 1))
    assert 'role="alert"' in upload(visitor, head[:-1])
    assert "E_SITE_FIELD" in upload(visitor, b"")
    assert 'role="alert"' in upload(visitor, b"\xff" * MAX_UPLOAD_BYTES)
