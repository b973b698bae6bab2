"""`tenge audit`: checks that need nobody's word.

A run's folder is checked file by file against its manifest, then its ledger is replayed from entry 0, its books are
added up, its report is compared with what the replay counts, and its proofs are checked from the ledger's own ROOT.
A run that was killed in the middle has a manifest of the files that no longer change; the rest is checked by what is
in it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cbdc import money
from cbdc.accounts import Books
from cbdc.accounts_store import SqliteBooks
from cbdc.authority import open_root
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.ledger.audit import Audit, audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.entry import LogHead, open_entry, open_genesis
from cbdc.ledger.export import Journal, JournalFile, write
from cbdc.private import opener
from cbdc.record import NETWORK_BYTES, Signed, open_envelope
from offline.evidence import verify_evidence
from wallets.pilot.folder import MANIFEST, canonical_json, file_hash, has_begun, list_files

SQLITE = "sqlite:///"
MAX_FILE_BYTES = 1 << 20
MANY = 5_000
"""From so many entries on, a process that reads ahead is worth its start."""

PROOFS = "evidence"
ROOT_FILE = f"{PROOFS}/root.dto"
PROOF_FIELDS = ("file", "sha256", "type", "device", "amount_tiyn")
BEFORE_THE_JOURNAL = ("run.sqlite", "books.sqlite", "register.sqlite")
BEFORE_THE_REPORT = ("wallets.sqlite", ROOT_FILE, "head.dto", "report.html", "report.json")


def audit_target(
    target: str,
    head: Path | None = None,
    root: Path | None = None,
    signatures: bool = True,
    heard: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Audit a run's folder, a store URL or a journal's file; the result is what `tenge audit --json` prints.

    `problems` holds {entry or file, page, code, sentence} for each thing that is wrong: the entry of the journal (or
    another subject: a head, a row of state), or the file; and the page that explains the code. Raises E_AUDIT_TARGET
    when there is nothing to audit at the target. Without `signatures` no transaction's signature is verified, which
    `left_out` says; `heard` is told how many entries were replayed (and 0: nobody knows of how many).
    """
    root_bytes = None if root is None else open_root(read_file(root)).encode()
    kept = None if head is None else read_file(head)
    problems: list[dict[str, Any]] = []
    in_folder = not is_url(target) and not Path(target).is_file()
    if in_folder:
        check_folder(Path(target))
        problems += check_files(Path(target))
    with opened(target) as journal:
        derived = not isinstance(journal, JournalFile) or journal.derived
        found = audit(
            journal,
            None if kept is None else _open_head(journal, kept),
            root_bytes,
            derived,
            workers=workers_for(journal),
            signatures=signatures,
            told=None if heard is None else lambda entries: heard(entries, 0),
        )
    if kept is None and in_folder and _not_begun(Path(target), found):
        found.problems.clear()
    problems += [{**problem.facts(), "page": page_of(problem.code)} for problem in found.problems]
    if in_folder:
        told = {str(problem.get("file")) for problem in problems}
        problems += [row for row in check_presence(Path(target), found) if row["file"] not in told]
        problems += check_books(Path(target) / "books.sqlite")
        problems += check_root(Path(target), found) + check_report(Path(target), found)
    return {
        "ok": not problems,
        "entries": found.entries,
        "issued_tiyn": found.issued_tiyn,
        "redeemed_tiyn": found.redeemed_tiyn,
        "outstanding_tiyn": found.outstanding_tiyn,
        "held_tiyn": found.held_tiyn,
        "log_root": found.log_root.hex(),
        "left_out": list(found.left_out),
        "problems": problems,
    }


def _not_begun(folder: Path, found: Audit) -> bool:
    """Whether a run was stopped before it wrote entry 0: an empty journal is right then, and nowhere else.

    Never asked when somebody kept a head: there was a journal then.
    """
    return found.entries == 0 and _is_complete(folder) is False and not has_begun(folder)


def _is_complete(folder: Path) -> bool | None:
    """Whether a run's manifest says that it is complete; None when there is none to read."""
    try:
        return bool(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["complete"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def store_of(folder: Path) -> str:
    """The URL of a run's ledger: in its folder, or where `run.json` says."""
    try:
        store = str(json.loads((folder / "run.json").read_text(encoding="utf-8")).get("store", ""))
    except (OSError, ValueError, AttributeError, RecursionError):
        store = ""
    return store if is_url(store) else f"{SQLITE}{folder / 'ledger.sqlite'}"


def ledger_of(folder: Path) -> Path:
    """The file of a run's ledger, where it is a file."""
    url = store_of(folder)
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else folder / "ledger.sqlite"


def workers_for(journal: Journal) -> int:
    """One for each core where there is much to replay, this process among them; none otherwise."""
    return (os.cpu_count() or 1) if next(journal.entries(MANY, MANY + 1), None) else 0


def check_folder(folder: Path) -> None:
    """E_AUDIT_TARGET unless the folder is a run's, or has a ledger."""
    if not (folder / "run.json").is_file() and not (folder / "ledger.sqlite").is_file():
        raise Refused("E_AUDIT_TARGET", target=str(folder))


@contextmanager
def opened(target: str) -> Iterator[Journal]:
    """The journal at a run's folder, a store URL or a journal's file, to be read.

    Raises E_AUDIT_TARGET when there is none, and what `cbdc.ledger.engines.open_store` raises.
    """
    url = target
    if not is_url(target):
        path = Path(target)
        if path.is_file():
            yield JournalFile(path)
            return
        check_folder(path)
        url = store_of(path)
    file = Path(url.removeprefix(SQLITE))
    if url.startswith(SQLITE) and not file.is_file():
        raise Refused("E_AUDIT_TARGET", target=file.name)
    store = open_store(url, read_only=True)
    try:
        yield store
    finally:
        store.close()


def is_url(target: str) -> bool:
    """Whether a target names a store by its URL."""
    return "://" in target


def _open_head(journal: Journal, data: bytes) -> Signed[LogHead]:
    """A kept head, bound to the network of entry 0 (or to none, when entry 0 cannot be read: the audit says so)."""
    try:
        network = open_genesis(open_entry(next(iter(journal.entries(0, 1))).data).payload).network
    except (TengeError, StopIteration):
        network = bytes(NETWORK_BYTES)
    return open_envelope(data, LogHead, network)


def export_target(target: str, file: Path, state: bool) -> int:
    """Write the journal at a target into a file of lines; how many lines. The file must not be there yet: E_FILE."""
    with opened(target) as journal:
        try:
            with open(file, "x", encoding="utf-8", newline="\n", opener=opener) as out:
                return write(journal, out, state)
        except FileExistsError as error:
            raise Refused("E_FILE", file=file.name, problem=error.strerror or "there already") from None


def check_files(folder: Path) -> list[dict[str, Any]]:
    """What differs from the manifest: changed, missing and (once the run is complete) unknown files."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listed: dict[str, str] = dict(manifest["files"])
        complete = bool(manifest["complete"])
    except FileNotFoundError:
        return [] if not (folder / "run.json").exists() else [_problem(MANIFEST, "E_AUDIT_FILE_MISSING")]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return [_problem(MANIFEST, "E_AUDIT_FILE_CHANGED")]
    found = set(list_files(folder))
    problems = [_problem(name, "E_AUDIT_FILE_MISSING") for name in sorted(listed.keys() - found)]
    changed = [name for name in sorted(listed.keys() & found) if file_hash(folder / name) != listed[name]]
    problems += [_problem(name, "E_AUDIT_FILE_CHANGED") for name in changed]
    if complete:
        problems += [_problem(name, "E_AUDIT_FILE_UNKNOWN") for name in sorted(found - listed.keys())]
    return problems


def check_books(path: Path) -> list[dict[str, Any]]:
    """The institutions' books must sum to zero, posting by posting and in total."""
    if not path.is_file():
        return []
    try:
        books = Books(SqliteBooks(path))
        try:
            books.check()
        finally:
            books.close()
    except (TengeError, AssertionError):
        return [_problem(path.name, "E_AUDIT_BOOKS")]
    return []


def check_presence(folder: Path, found: Audit) -> list[dict[str, Any]]:
    """The files that a run of this age must have: the books before entry 0, the rest before the report."""
    if not (folder / "run.json").is_file():
        return []
    wanted = [*BEFORE_THE_JOURNAL] if found.entries else []
    if _is_complete(folder) or (folder / "report.json").is_file():
        wanted = [*BEFORE_THE_JOURNAL, *BEFORE_THE_REPORT]
    return [_problem(name, "E_AUDIT_FILE_MISSING") for name in wanted if not (folder / name).is_file()]


def check_root(folder: Path, found: Audit) -> list[dict[str, Any]]:
    """The root beside the proofs must be the ledger's own."""
    path = folder / ROOT_FILE
    if found.genesis is None or not path.is_file():
        return []
    try:
        own = read_file(path) == found.genesis.authority.root.encode()
    except TengeError as error:
        return [_problem(ROOT_FILE, error.code, error)]
    return [] if own else [_problem(ROOT_FILE, "E_AUDIT_ROOT")]


def check_report(folder: Path, found: Audit) -> list[dict[str, Any]]:
    """The report's supply must be the replay's, its proofs must prove what it says, and it must agree with itself."""
    path = folder / "report.json"
    if not path.is_file():
        return []
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        agreed = canonical_json(report["supply"]) == canonical_json(found.supply_tiyn)
        agreed = agreed and _is_consistent(report)
        rows = [{name: row[name] for name in PROOF_FIELDS} for row in report["offline"]["evidence"]]
        names = [str(row["file"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [_problem(path.name, "E_AUDIT_FILE_CHANGED")]
    problems = [] if agreed else [_problem(path.name, "E_AUDIT_REPORT")]
    there = {item.name: item for item in (folder / PROOFS).glob("*.dto") if item.name != "root.dto"}
    problems += [
        _problem(f"{PROOFS}/{name}", "E_AUDIT_FILE_UNKNOWN") for name in sorted(there.keys() - set(names))
    ]
    for name, row in zip(names, rows, strict=True):
        if name in there:
            problems += _check_proof(there[name], row, found)
        else:
            problems.append(_problem(f"{PROOFS}/{name}", "E_AUDIT_FILE_MISSING"))
    return problems


def _is_consistent(report: dict[str, Any]) -> bool:
    """Whether each expectation's verdict follows from its figures, and these are the report's own where it has them."""
    known = {
        f"{part}.{name}": value for part in ("supply", "offline") for name, value in report[part].items()
    }
    return all(
        row["ok"] is (row["expected"] == row["actual"])
        and known.get(row["fact"], row["actual"]) == row["actual"]
        for row in report["expectations"]
    )


def _check_proof(path: Path, row: dict[str, Any], found: Audit) -> list[dict[str, Any]]:
    """A proof must be the file that the report means, and show under the ledger's own ROOT what the report says."""
    name = f"{PROOFS}/{path.name}"
    try:
        data = read_file(path)
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            return [_problem(name, "E_AUDIT_FILE_CHANGED")]
        if found.genesis is None:
            return []  # The journal's own problem: there is no ROOT to check by.
        verdict = verify_evidence(data, found.genesis.authority.root)
    except TengeError as error:
        return [_problem(name, error.code, error)]
    shown = (f"E{verdict.type}", verdict.device_id.hex(), verdict.amount_tiyn)
    if shown != (str(row["type"]).partition(" ")[0], row["device"], row["amount_tiyn"]):
        return [_problem("report.json", "E_AUDIT_REPORT")]
    return []


def _problem(file: str, code: str, error: TengeError | None = None) -> dict[str, Any]:
    return {
        "file": file,
        "page": page_of(code),
        "code": code,
        "sentence": (error or Refused(code, file=file)).sentence(),
    }


def page_of(code: str) -> str:
    """Where the documents explain a code."""
    return f"docs/errors.md#{code.lower()}"


def words(found: dict[str, Any]) -> Iterator[str]:
    """An audit's result for a person."""
    issued, redeemed = money.format_tenge(found["issued_tiyn"]), money.format_tenge(found["redeemed_tiyn"])
    yield f"{found['entries']} entries, log root {found['log_root'][:16]}…"
    yield f"issued {issued} - redeemed {redeemed} = held {money.format_tenge(found['outstanding_tiyn'])}"
    for problem in found["problems"]:
        place = problem.get("file") or problem.get("subject")
        yield f"PROBLEM at {place}: {problem['sentence']} ({problem['code']})"
    for file in found.get("evidence", ()):
        yield f"EVIDENCE in {file}"
    if "signatures" in found["left_out"]:
        yield "NOT CHECKED: no signature of any transaction. Who took part is not shown; sums, hashes and rules are."
    yield "everything adds up" if found["ok"] else f"{len(found['problems'])} problems"


def read_file(path: Path) -> bytes:
    """A small file; E_FILE when it cannot be read, E_SIZE when it is none of ours."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Malformed("E_SIZE", size_bytes=path.stat().st_size, limit_bytes=MAX_FILE_BYTES)
        return path.read_bytes()
    except OSError as error:
        raise Refused("E_FILE", file=path.name, problem=error.strerror or "unreadable") from None
