"""The commands `tenge evidence ...`: a proof of guilt checked, or taken apart, without any database.

Heavy modules are loaded by the command that needs them, so that `tenge --version` answers at once.
"""

from pathlib import Path

import click

from cbdc.errors import LANGUAGES
from wallets.cli_answers import FAILED, OK, print_json, refusals


@click.group()
def evidence() -> None:
    """Proofs of guilt: check one without any database."""


@evidence.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--root", type=click.Path(path_type=Path), required=True, help="The root (evidence/root.dto of a run)."
)
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default="en",
    show_default=True,
    help="The language of the words.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def evidence_verify(file: Path, root: Path, language: str, as_json: bool) -> int:
    """Check the proof in FILE with nothing but the root; exit 1 when it proves nothing.

    Tells what was signed, which facts contradict each other, who is named, who is innocent, what it proves and what it
    does not.

    \b
    Examples:
      tenge evidence verify build/demo/evidence/case-1.dto --root build/demo/evidence/root.dto
      tenge evidence verify case-1.dto --root root.dto --language kk
    """
    from wallets import court

    found = court.verify_file(file, root, language)
    if as_json:
        print_json(found)
    else:
        for line in court.words(found, language):
            click.echo(line)
    return OK if found["ok"] else FAILED


@evidence.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--root", type=click.Path(path_type=Path), help="The root: shows the ids of objects too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def evidence_show(file: Path, root: Path | None, as_json: bool) -> int:
    """Print every object in FILE with its fields, and judge nothing.

    \b
    Examples:
      tenge evidence show build/demo/evidence/case-1.dto
      tenge evidence show case-1.dto --root root.dto --json
    """
    from wallets import court

    found = court.show_file(file, root)
    if as_json:
        print_json(found)
    else:
        for line in court.shown_words(found):
            click.echo(line)
    return OK
