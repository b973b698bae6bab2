"""The command `tenge audit`: believe nothing, here or far away.

Heavy modules are loaded by the command that needs them, so that `tenge --version` answers at once.
"""

from pathlib import Path

import click

from wallets.cli_answers import FAILED, OK, print_json, refusals

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("target", required=False)
@click.option("--head", type=_FILE, help="A signed head kept elsewhere (head.dto of a run).")
@click.option("--root", type=_FILE, help="The root one trusts (evidence/root.dto of a run).")
@click.option(
    "--no-signatures", is_flag=True, help="Check hashes, rules and sums, and no transaction's signature."
)
@click.option("--remote", metavar="URL", help="Follow a ledger over HTTP instead of reading its store.")
@click.option(
    "--keep",
    type=_FILE,
    default=Path("build/auditor"),
    show_default=True,
    help="With --remote: the folder in which the auditor remembers what it saw.",
)
@click.option(
    "--receipt",
    "receipts",
    type=_FILE,
    multiple=True,
    help="With --remote: a receipt somebody holds (JSON, as /v1/transactions/ID answers); may be given often.",
)
@click.option(
    "--evidence",
    type=_FILE,
    help="Check a file of evidence under --root: two signed heads that cannot both be true.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def audit(
    target: str | None,
    head: Path | None,
    root: Path | None,
    no_signatures: bool,
    remote: str | None,
    keep: Path,
    receipts: tuple[Path, ...],
    evidence: Path | None,
    as_json: bool,
) -> int:
    """Audit a run's folder, a ledger's store URL or a journal's file: replay from entry 0 and add everything up again.

    With --remote, follow a ledger over HTTP: hold its newest signed head against the last one seen, fetch and replay
    what is new, and write down what cannot be true. Stopped with Ctrl-C it goes on where it was.

    \b
    Examples:
      tenge audit build/school-meals-7
      tenge audit sqlite:///build/school-meals-7/ledger.sqlite --json
      tenge audit --remote http://127.0.0.1:8765 --keep build/auditor --receipt receipt.json
      tenge audit --evidence build/auditor/evidence/FILE --root root.dto
    """
    from wallets import auditing, following

    if [target, remote, evidence].count(None) != 2:
        raise click.UsageError("Give one of TARGET, --remote URL or --evidence FILE.")
    if evidence is not None:
        if root is None:
            raise click.UsageError("--evidence needs --root FILE: the root you trust.")
        click.echo(f"proved: the ledger signed {following.evidence_of(evidence, root)}")
        return OK
    told = following.progress(as_json)
    if remote is not None:
        if no_signatures:
            raise click.UsageError("--remote checks every signature.")
        found = following.follow(remote, keep, head, root, receipts, told)
    else:
        assert target is not None
        found = auditing.audit_target(target, head, root, signatures=not no_signatures, heard=told)
    if as_json:
        print_json(found)
    else:
        for line in auditing.words(found):
            click.echo(line)
    return OK if found["ok"] else FAILED
