"""Audits from the page, and the comparison with a signed head that was kept elsewhere.

An audit replays the journal from entry 0 in a process of its own (`wallets.site.audit_work`) while the sandbox goes
on. A head that somebody kept is the one thing a rewritten journal cannot satisfy: it is signed by the ledger's key, so
either the present log continues it, or there are two histories under one signature.

Both read only. A head comes as a file of at most 4 KiB or as pasted hexadecimal text.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from cbdc.errors import Malformed, Refused, by_code
from cbdc.ledger.engines import url_of
from cbdc.ledger.entry import LogHead, check_consistency
from cbdc.ledger.store import Store
from cbdc.record import Signed, open_envelope
from wallets.site.audit_work import run_audit
from wallets.site.jobs import RUNNING, Job
from wallets.site.operations import MAX_UPLOAD_BYTES, N_, Asked, Download, Fields, Json, Operation, Query
from wallets.site.roles.watching import LINES, as_state, spoken
from wallets.site.users import SUPERVISOR_ROLE as ROLE

KIND = "audit"
CHECKS: Mapping[str, str] = {
    "rules": N_("Every entry follows the one before it, and the rules allow it"),
    "leaves": N_("Every entry has the id and the leaf of its bytes"),
    "heads": N_("Every signed head says what the journal says"),
    "kept": N_("The head that was kept elsewhere is part of this journal"),
    "state": N_("Every row of the derived state is what the replay gives"),
    "supply": N_("The supply, counted token by token, is issued less redeemed"),
}
_STATES: Mapping[str, str] = {
    "running": N_("at work"),
    "done": N_("finished"),
    "failed": N_("could not finish"),
    "cancelled": N_("cancelled"),
}


class KeptHead(Fields, frozen=True):
    """A signed head that was kept elsewhere: a file, or its bytes in hexadecimal."""

    head_file: Annotated[
        str,
        Meta(
            max_length=2 * MAX_UPLOAD_BYTES,
            title=N_("File of a signed head"),
            extra_json_schema={"contentEncoding": "base16"},
        ),
    ] = ""
    head_text: Annotated[
        str,
        Meta(
            max_length=2 * MAX_UPLOAD_BYTES,
            title=N_("Or its text"),
            description=N_("Hexadecimal, as the page of signed heads shows it."),
        ),
    ] = ""


class WhichAudit(Fields, frozen=True):
    """Which audit."""

    audit: Annotated[str, Meta(max_length=64, title=N_("Audit"))]


def read_head(asked: Asked, fields: KeptHead) -> Signed[LogHead] | None:
    """The head that was sent, signature verified; None when none was sent.

    Raises E_SITE_FIELD for text that is no hexadecimal, decoding errors, and E_SIG for a head that the ledger's key did
    not sign.
    """
    text = "".join((fields.head_file or fields.head_text).split())
    if not text:
        return None
    try:
        data = bytes.fromhex(text)
    except ValueError:
        field = "head_file" if fields.head_file else "head_text"
        raise Malformed("E_SITE_FIELD", field=field, problem="it is no hexadecimal text") from None
    if len(data) > MAX_UPLOAD_BYTES:
        raise Malformed("E_WEB_SIZE", limit_bytes=MAX_UPLOAD_BYTES)
    genesis = asked.world.system.genesis
    head = open_envelope(data, LogHead, genesis.network)
    genesis.verify_head(head)
    return head


def compare_head(asked: Asked, fields: KeptHead) -> Json:
    """Whether the present log continues a kept head.

    Raises E_AUDIT_TAIL when entries are missing at its end, E_AUDIT_FORK when it is another history, E_SITE_FIELD when
    nothing was sent, and what `read_head` raises.
    """
    head = read_head(asked, fields)
    if head is None:
        raise Malformed("E_SITE_FIELD", field="head_file", problem="send a file or paste its text")
    ledger = asked.world.system.ledger
    size, entries = head.record.size, ledger.size
    if size > entries:
        raise Refused("E_AUDIT_TAIL", size=size, entries=entries)
    try:
        check_consistency(
            size, head.record.root, entries, ledger.head().record.root, ledger.consistency(size)
        )
    except Refused:
        raise Refused("E_AUDIT_FORK", size=size) from None
    return {"size": size, "entries": entries, "added": entries - size, "time": head.record.time}


def heads(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The newest signed head, to be kept elsewhere, and the form to compare one that was kept."""
    head = asked.world.system.ledger.head()
    return {
        "size": head.record.size,
        "root": head.record.root.hex(),
        "time": head.record.time,
        "text": head.encode().hex(),
        "ledger_kid": asked.world.system.keys.ledger.public.kid.hex(),
    }


def head_file(asked: Asked, arguments: Mapping[str, str]) -> Download:
    """The newest signed head as a file."""
    head = asked.world.system.ledger.head()
    return Download(f"head-{head.record.size}.dto", head.encode())


# --- audits ---


def start_audit(asked: Asked, fields: KeptHead) -> Json:
    """Begin an audit; E_SITE_JOB_BUSY while another is at work, and what `read_head` raises."""
    head = read_head(asked, fields)
    system = asked.world.system
    ledger = system.stores.ledger
    store: Store | str = url_of(ledger) or ledger
    about = {
        "time": asked.world.clock.now(),
        "entries": system.ledger.size,
        "kept_size": 0 if head is None else head.record.size,
        "by": asked.user.id,
    }
    key = asked.id.hex()[:16]
    asked.world.jobs.start(KIND, key, about, run_audit, store, b"" if head is None else head.encode())
    return {"audit": key, "path": f"/{ROLE}/audits/{key}"}


def cancel_audit(asked: Asked, fields: WhichAudit) -> Json:
    """End an audit that is at work; E_SITE_JOB_UNKNOWN."""
    job = asked.world.jobs.cancel(KIND, fields.audit)
    return {"audit": job.key, "state": job.state}


def audits(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The audits of this server, newest first, and the form to begin one."""
    rows = [job_row(job) for job in asked.world.jobs.all(KIND)]
    return {"audits": rows, "running": any(row["state"] == RUNNING for row in rows)}


def job_row(job: Job) -> Json:
    """A job for a page."""
    return {
        "key": job.key,
        "state": job.state,
        "state_title": _STATES[job.state],
        "done": job.done,
        "of": job.of,
        "text": job.text,
        "about": job.about,
        "ok": job.result.get("ok"),
    }


def one_audit(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """How far an audit is, and what it found; E_SITE_JOB_UNKNOWN."""
    job = asked.world.jobs.get(KIND, arguments["audit"])
    language = spoken(asked.language)
    result: dict[str, Any] = dict(job.result)
    if result:
        result["checks"] = [{**row, "title": CHECKS[row["name"]]} for row in result["checks"]]
        result["problems"] = [
            {**row, "sentence": by_code(row["code"], row["facts"]).sentence(language)}
            for row in result["problems"]
        ]
        result["lines"] = [
            {"title": LINES[name], "tiyn": amount} for name, amount in result["held_tiyn"].items()
        ]
    refusal = job.refusal
    return {
        "job": job_row(job),
        "result": result,
        "failed": "" if refusal is None else refusal.sentence(language),
        "next": "" if refusal is None else refusal.next_step(language),
    }


def audit_state(asked: Asked, arguments: Mapping[str, str]) -> Download:
    """How far an audit is, for the page that waits for it; E_SITE_JOB_UNKNOWN."""
    return as_state(job_row(asked.world.jobs.get(KIND, arguments["audit"])))


QUERIES = (
    Query(ROLE, "audit-state", N_("Audit"), audit_state, takes="audit", in_menu=False),
    Query(ROLE, "audits", N_("Audits"), audits),
    Query(ROLE, "audits", N_("Audit"), one_audit, takes="audit", in_menu=False),
    Query(ROLE, "heads", N_("Signed heads"), heads),
    Query(ROLE, "head-file", N_("Signed head"), head_file, in_menu=False),
)
OPERATIONS = (
    Operation(
        ROLE,
        "start-audit",
        N_("Audit the journal"),
        KeptHead,
        start_audit,
        N_("The audit has begun."),
    ),
    Operation(ROLE, "cancel-audit", N_("Cancel the audit"), WhichAudit, cancel_audit, N_("Cancelled.")),
    Operation(
        ROLE,
        "compare-head",
        N_("Compare a kept head"),
        KeptHead,
        compare_head,
        N_("The present journal continues the head that you kept: {added} entries were added since."),
    ),
)
