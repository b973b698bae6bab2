"""The ledger explorer: entries in words, search, proofs that can be checked, histories, who sees what, offline."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from cbdc.authority import open_root
from cbdc.ledger.entry import LogHead, check_consistency, check_inclusion
from cbdc.money import tenge
from cbdc.record import open_envelope
from offline.evidence import verify_evidence
from tests.site.visitor import Program, Visitor, opened
from wallets.desk import derived
from wallets.site import judging
from wallets.site.following import following
from wallets.site.operations import Asked
from wallets.site.pages import NO_ID
from wallets.site.roles import explorer, explorer_proofs, explorer_tokens
from wallets.site.table import VISITOR
from wallets.site.whole import Whole

SHOT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one


@pytest.fixture
def program(whole: Whole) -> Program:
    return Program(whole)


@pytest.fixture
def visitor(whole: Whole) -> Visitor:
    return Visitor(whole)


def ask(program: Program, path: str) -> Any:
    answer = program.get(f"/v1/roles/explorer/{path}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def payment(whole: Whole) -> int:
    """The entry of a payment between two wallets."""
    book = following(whole.world.system)
    return next(
        line.index
        for line in book.lines
        if line.kind == "Transfer" and book.keys[line.payer].line == "wallets" and line.payees
    )


def test_nobody_signs_in_and_every_page_opens(whole: Whole, visitor: Visitor) -> None:
    for path in (
        "",
        "keys",
        "marks",
        "heads",
        "consistency",
        "offline",
        "search",
        "entry/0",
        "entry/13",
        "proof/0",
    ):
        answer = visitor.get(f"/explorer/{path}")
        assert answer.status_code == 200, path
        assert answer.text.count("<h1>") == 1, path
    assert visitor.get("/explorer/codes/E_TILL").status_code == 200
    assert visitor.get("/explorer/do/anything").status_code in (404, 405)


def test_the_explorer_has_no_operation(whole: Whole) -> None:
    assert [role for role, _ in whole.site.table.operations if role == "explorer"] == []
    assert Program(whole, "operator").do("explorer", "anything").status_code == 404


def test_entries_come_newest_first_and_by_kind(whole: Whole, program: Program) -> None:
    found = ask(program, "home")
    places = [row["index"] for row in found["rows"]]
    assert places == sorted(places, reverse=True)
    assert places[0] == whole.world.system.ledger.size - 1
    issues = ask(program, "home?kind=Issue")["rows"]
    assert {row["kind"] for row in issues} == {"Issue"}
    assert ask(program, "home?kind=Nonsense")["kind"] == ""


@pytest.mark.parametrize("page", ["0", "-1", "999999999", "9" * 400, "1e3", "x", "²", ""])
def test_a_page_that_is_not_there_is_the_nearest_one(program: Program, page: str) -> None:
    found = ask(program, f"home?page={page}")
    assert found["rows"]
    assert 1 <= found["page"] <= found["pages"]


def test_no_name_of_a_person_is_on_any_page(whole: Whole, visitor: Visitor) -> None:
    book = following(whole.world.system)
    paths = ["", "keys", "offline", *(f"entry/{line.index}" for line in book.lines)]
    paths += [f"key/{key.pseudonym.hex()}" for key in book.keys.values()]
    names = [member.name for member in whole.world.neighbours]
    names += [user.name for user in whole.world.users.all() if user.is_customer]
    for path in paths:
        text = visitor.get(f"/explorer/{path}").text
        assert [name for name in names if name in text] == [], path


# --- one entry ---


def test_a_payment_in_words_with_its_signatures_and_why(whole: Whole, program: Program) -> None:
    index = payment(whole)
    found = ask(program, f"entry/{index}")
    record = whole.world.system.ledger.transaction(index)
    assert found["id"] == record.id.hex()
    assert found["amount_tiyn"] == sum(row["amount_tiyn"] for row in found["made"]) - sum(
        row["amount_tiyn"] for row in found["made"] if row["holder"] == found["payer"]
    )
    assert [row["kid"] for row in found["signatures"]] == [kid.hex() for kid, _ in record.witnesses]
    assert found["why"]
    assert record.id.hex() in found["why"][0]
    assert [row["name"] for row in found["guards"]][:2] == ["G1", "G2"]


def test_every_entry_can_be_explained_in_any_order(whole: Whole) -> None:
    system = whole.world.system
    for index in [*range(system.ledger.size - 1, 0, -1), 3, 1]:
        found = judging.judge(system).explain(index)
        assert found.error is None
        assert found.transaction.id == system.ledger.transaction(index).id


def test_a_journal_that_is_too_long_is_refused_in_words(
    whole: Whole, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "MOST_ENTRIES", 3)
    judging._JUDGES.clear()
    page = visitor.get("/explorer/entry/9").text
    assert "tenge explain" in page
    judging._JUDGES.clear()


@pytest.mark.parametrize(
    "name", ["999999", "abc", "zz", "0" * 64, "é", "13;", "..", "%00", "1" * 200, "<b>", "13:0"]
)
@pytest.mark.parametrize(
    "page", ["entry", "proof", "sees", "sees-offline", "token", "key", "mark", "note", "head", "evidence"]
)
def test_what_is_not_there_is_refused_as_a_page(visitor: Visitor, page: str, name: str) -> None:
    answer = visitor.get(f"/explorer/{page}/{name}")
    assert answer.status_code in (400, 404, 409), (page, name)
    assert answer.text.count('role="alert"') == 1


def test_a_code_of_a_refusal_is_told_in_three_languages(visitor: Visitor) -> None:
    told = {visitor.get(f"/explorer/codes/E_TILL?language={name}").text for name in ("kk", "ru", "en")}
    assert len(told) == 3
    assert visitor.get("/explorer/codes/E_NOTHING").status_code == 409


# --- search ---


def test_search_finds_entries_transactions_keys_pseudonyms_and_tokens(whole: Whole, program: Program) -> None:
    entry = ask(program, f"entry/{payment(whole)}")
    token, holder = entry["made"][0]["id"], entry["made"][0]["holder"]
    cases = {
        str(entry["index"]): "entry",
        entry["id"]: "transaction",
        entry["id"][:12].upper(): "transaction",
        holder["kid"]: "key",
        holder["pseudonym"]: "pseudonym",
        token: "token",
    }
    for text, what in cases.items():
        rows = ask(program, f"search?q={text}")["rows"]
        assert what in [row["what"] for row in rows], text
        for row in rows:
            assert Visitor(whole).get(row["path"]).status_code == 200


@pytest.mark.parametrize("text", ["abc", "zzzz", SHOT, "a b", "--", "\u0661\u0662"])
def test_a_text_that_means_nothing_is_refused(visitor: Visitor, text: str) -> None:
    answer = visitor.get("/explorer/search", query_string={"q": text})
    assert answer.status_code == 400
    assert SHOT not in answer.text
    assert "E_EXPLORER_SEARCH" in answer.text


def test_a_search_word_is_shown_as_text_and_cut(visitor: Visitor) -> None:
    answer = visitor.get("/explorer/search", query_string={"q": "f" * 500})
    assert answer.status_code == 400
    assert "E_EXPLORER_SEARCH" in answer.text
    assert f"“{'f' * 41}" not in answer.text


# --- proofs ---


def test_an_inclusion_proof_can_be_followed_by_hand(whole: Whole, program: Program) -> None:
    size = whole.world.system.ledger.size
    for index in range(size):
        found = ask(program, f"proof/{index}")
        leaf, root = bytes.fromhex(found["leaf"]), bytes.fromhex(found["root"])
        check_inclusion(leaf, index, size, [bytes.fromhex(one) for one in found["proof"]], root)
        data = program.get(f"/v1/roles/explorer/entry-file/{index}").data
        node = hashlib.sha256(b"\0" + data).digest()
        assert node == leaf
        for step in found["steps"]:
            assert bytes.fromhex(step[step["ours"]]) == node
            node = hashlib.sha256(b"\1" + bytes.fromhex(step["left"] + step["right"])).digest()
            assert node.hex() == step["result"]
        assert node == root


def test_a_consistency_proof_can_be_followed_by_hand(whole: Whole, program: Program) -> None:
    ledger = whole.world.system.ledger
    for old in range(1, ledger.size + 1):
        found = ask(program, f"consistency?old={old}")
        proof = [bytes.fromhex(one) for one in found["proof"]]
        roots = bytes.fromhex(found["old_root"]), bytes.fromhex(found["new_root"])
        check_consistency(old, roots[0], ledger.size, roots[1], proof)
        if proof:
            assert found["new_steps"][-1]["result"] == found["new_root"]
        if found["old_steps"]:
            assert found["old_steps"][-1]["result"] == found["old_root"]


@pytest.mark.parametrize("old", ["0", "-1", "99999", "x", "1.5", "9" * 50])
def test_a_log_that_never_was_has_no_proof(visitor: Visitor, old: str) -> None:
    answer = visitor.get(f"/explorer/consistency?old={old}")
    assert answer.status_code == 409
    assert "E_ENTRY_UNKNOWN" in answer.text


def test_a_signed_head_is_downloaded_as_it_was_signed(whole: Whole, program: Program) -> None:
    system = whole.world.system
    for name in ("newest", "1"):
        answer = program.get(f"/v1/roles/explorer/head/{name}")
        assert "attachment" in answer.headers["Content-Disposition"]
        head = open_envelope(answer.data, LogHead, system.network)
        system.genesis.verify_head(head)
        assert system.ledger.root_at(head.record.size) == head.record.root


def test_steps_of_a_proof_agree_with_the_checker_at_every_size(whole: Whole) -> None:
    log = whole.world.system.ledger._log
    for size in range(1, log.size + 1):
        for index in range(size):
            steps = explorer_proofs.inclusion_steps(log.leaf(index), index, size, log.inclusion(index, size))
            assert (steps[-1].result if steps else log.leaf(index)) == log.root(size)


# --- histories and privacy ---


def test_a_tokens_history_goes_from_the_issue_to_now(whole: Whole, program: Program) -> None:
    entry = ask(program, f"entry/{payment(whole)}")
    found = ask(program, f"token/{entry['made'][0]['id']}")
    kinds = [row["kind"] for row in found["steps"]]
    assert kinds[0] == "Issue"
    assert entry["index"] in [row["index"] for row in found["steps"]]
    boxes = found["graph"]["boxes"]
    assert sum(1 for box in boxes if box["subject"]) == 1
    places = [(box["x"], box["y"]) for box in boxes]
    assert len(set(places)) == len(places)
    amounts = sum(row["amount_tiyn"] for row in found["steps"][-1]["makes"])
    assert amounts > 0


def test_a_long_history_is_cut_and_says_so(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    book = following(whole.world.system)
    line = book.lines[payment(whole)]
    monkeypatch.setattr(explorer_tokens, "MOST_ENTRIES", 1)
    short = explorer_tokens.history(book, line.made[0], 1)
    assert short.cut
    whole_history = explorer_tokens.history(book, line.made[0])
    assert not whole_history.cut
    assert short.entries < whole_history.entries


def test_who_sees_what_follows_the_banks_own_customers(whole: Whole, program: Program) -> None:
    found = ask(program, f"sees/{payment(whole)}")
    table = {(row["name"], cell["party"]): cell["sees"] for row in found["fields"] for cell in row["cells"]}
    assert table["payer_name", "payer_bank"] == "journal"
    assert table["payer_name", "payee"] == table["payee_name", "payer"] == "no"
    assert table["payee_name", "national_bank"] == table["payer_name", "supervisor"] == "no"
    assert table["payer_name", "public"] == "no"
    assert table["amount", "payee"] == "own"
    # Payer and payee are customers of one bank: it can name both.
    assert found["same_bank"]
    assert table["payee_name", "payer_bank"] == "journal"


def test_a_bank_that_sells_is_itself_a_side_of_the_payment(whole: Whole, program: Program) -> None:
    book = following(whole.world.system)
    sale = next(
        line
        for line in book.lines
        if line.kind == "Transfer" and book.keys[line.payer].line == "bank_inventory"
    )
    found = ask(program, f"sees/{sale.index}")
    cells = {row["name"]: {cell["party"]: cell["sees"] for cell in row["cells"]} for row in found["fields"]}
    assert cells["payee_name"]["payer_bank"] == "own"
    assert cells["payee_name"]["supervisor"] == "no"


# --- marks in the journal ---


def test_a_mark_with_a_hostile_label_is_text(whole: Whole, visitor: Visitor) -> None:
    treasurer = Program(whole, "treasurer")
    treasurer.do("treasury", "draw", amount_tiyn=1_000)
    made = treasurer.do(
        "treasury", "define", template="relief", label=SHOT, first_day="2025-11-03", last_day="2025-11-09"
    ).get_json()
    assert treasurer.do("treasury", "publish", mark=made["mark"]).status_code == 200
    last = whole.world.system.ledger.size - 1
    for path in ("marks", f"mark/{made['mark']}", f"entry/{last}", "search?q=script"):
        text = visitor.get(f"/explorer/{path}").text
        assert SHOT not in text, path
        assert "&lt;script&gt;" in text, path


# --- offline ---


def test_a_payment_over_two_hops_comes_to_reconciliation() -> None:
    with opened() as whole:
        sandbox, (payer, first, second, _) = whole.world.sandbox, whole.world.neighbours
        program = Program(whole)
        assert all(row["transfers"] == 0 for row in ask(program, "offline")["rows"])
        sandbox.pay_offline(payer, first, tenge(2_000), b"", derived("offline one"))
        sandbox.pay_offline(first, second, tenge(2_000), b"", derived("offline two"))
        sandbox.sync([second], derived("sync"))
        note = next(row for row in ask(program, "offline")["rows"] if row["transfers"])
        shown = ask(program, f"note/{note['id']}")
        assert [row["hop"] for row in shown["steps"]] == [1, 2]
        assert shown["conflicts"] == []
        assert (len(shown["graph"]["boxes"]), len(shown["graph"]["arrows"])) == (3, 2)
        visitor = Visitor(whole)
        assert visitor.get(f"/explorer/note/{note['id']}").status_code == 200
        seen = ask(program, f"sees-offline/{shown['steps'][1]['id']}")
        cells = {
            row["name"]: {cell["party"]: cell["sees"] for cell in row["cells"]} for row in seen["fields"]
        }
        for party in ("payer_bank", "payee_bank", "supervisor", "public"):
            assert {row[party] for row in cells.values()} == {"no"}
        assert cells["payer_pseudonym"]["national_bank"] == "own"
        assert cells["payer_name"]["national_bank"] == cells["payer_name"]["payee"] == "no"
        # The second payer never loaded, so no load in the journal leads from its device to its pseudonym.
        assert cells["payer_pseudonym"]["payee"] == "no"
        first_hop = ask(program, f"sees-offline/{shown['steps'][0]['id']}")["fields"]
        named = next(row for row in first_hop if row["name"] == "payer_pseudonym")["cells"]
        assert next(cell["sees"] for cell in named if cell["party"] == "payee") == "journal"
        assert visitor.get(f"/explorer/sees-offline/{shown['steps'][0]['id']}").status_code == 200


def test_a_double_spend_is_shown_with_its_evidence() -> None:
    with opened() as whole:
        sandbox, (payer, first, second, _) = whole.world.sandbox, whole.world.neighbours
        program = Program(whole)
        sandbox.clone(payer)
        sandbox.pay_offline(payer, first, tenge(2_000), b"", derived("honest"))
        sandbox.pay_offline(payer, second, tenge(2_000), b"", derived("fraud"), clone=True)
        sandbox.sync([first], derived("sync one"))
        assert ask(program, "offline")["forks"] == 0
        sandbox.sync([second], derived("sync two"))
        found = ask(program, "offline")
        assert found["forks"] == 1
        note = next(row for row in found["rows"] if row["forks"])
        shown = ask(program, f"note/{note['id']}")
        assert [row["fork"] for row in shown["steps"]] == [True, True]
        assert sum("fork" in box["kind"] for box in shown["graph"]["boxes"]) == 2
        device = payer.device
        assert device is not None
        guilty = device.element.public_key.kid.hex()
        assert shown["conflicts"][0]["owner"] == guilty
        assert {row["kid"] for row in shown["evidence"]} == {guilty}
        root = open_root(program.get("/v1/roles/explorer/evidence/root.dto").data)
        data = program.get(f"/v1/roles/explorer/evidence/{shown['evidence'][0]['file']}").data
        assert verify_evidence(data, root).kid.hex() == guilty
        assert hashlib.sha256(data).hexdigest() == shown["evidence"][0]["sha256"]
        page = Visitor(whole).get(f"/explorer/note/{note['id']}").text
        assert payer.name not in page


def asked_by_visitor(whole: Whole) -> Asked:
    return Asked(whole.world, VISITOR, NO_ID)


def test_hits_of_a_prefix_are_bounded(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "LEAST_LETTERS", 1)
    monkeypatch.setattr(explorer, "MOST_FOUND", 3)
    found = explorer.search(asked_by_visitor(whole), {"q": "0"})
    assert len(found["rows"]) <= 3
    assert re.fullmatch(r"\d", found["text"])
