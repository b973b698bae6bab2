"""`tenge pilot new`: a small script that plays, the skeleton of its page, and the schema for the editor.

A template is a script that plays as it is, with comments for who writes the first one; any pilot that comes with the
sandbox may be one too. What is written never replaces a file that is there.
"""

import re
from importlib import resources
from pathlib import Path

from cbdc.errors import Refused
from wallets.pilot import form
from wallets.pilot.folder import write_atomic
from wallets.pilot.quantities import GRADES
from wallets.pilot.script import PILOT_NAME, Script, built_in, parse, read_source

FIRST_LINE = f"#:schema ./{form.SCHEMA}\n"


def templates() -> list[str]:
    """The names of the templates, in order."""
    folder = resources.files("wallets.pilot").joinpath("templates")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def template_text(template: str) -> str:
    """The script of a template, or of a pilot that comes with the sandbox; E_DRAFT_TEMPLATE for another name."""
    if template in templates():
        file = resources.files("wallets.pilot").joinpath("templates", f"{template}.toml")
        return file.read_text(encoding="utf-8")
    if template in built_in():
        return read_source(template)[1].decode("utf-8")
    raise Refused("E_DRAFT_TEMPLATE", template=template, known=", ".join([*templates(), *built_in()]))


def draft(name: str, template: str) -> bytes:
    """A script of this name made from a template, the schema named in its first line.

    Raises E_DRAFT_NAME and E_DRAFT_TEMPLATE.
    """
    if PILOT_NAME.fullmatch(name) is None or name in built_in():
        raise Refused("E_DRAFT_NAME", name=name)
    text = template_text(template).replace("NAME", name)
    named = re.sub(r'^name = ".*"$', f'name = "{name}"', text, count=1, flags=re.MULTILINE)
    return (FIRST_LINE + named).encode()


def write_draft(name: str, template: str, folder: Path) -> list[Path]:
    """Write NAME.toml, NAME.md and the schema into a folder; the files that were written.

    Raises what `draft` raises, E_DRAFT_EXISTS when one of the two is there, E_STORE_UNAVAILABLE when the disk fails.
    """
    data = draft(name, template)
    script = parse(f"{name}.toml", data, {})
    files = {folder / f"{name}.toml": data, folder / f"{name}.md": page(script).encode()}
    for file in files:
        if file.exists():
            raise Refused("E_DRAFT_EXISTS", file=file.as_posix())
    schema = folder / form.SCHEMA
    if not schema.exists():
        files[schema] = form.schema_text().encode()
    for file, content in files.items():
        write_atomic(file, content)
    return list(files)


def page(script: Script) -> str:
    """The skeleton of a pilot's page, with what the script says already filled in."""
    rows = [
        f"| `{one.name}` | {one.value:,} {one.unit} | {GRADES[one.grade]} | {one.note} |"
        for one in script.parameters
    ]
    tried = list(dict.fromkeys((step.text, step.refused, step.rule) for step in script.steps if step.refused))
    refused = [f"| {text} | `{code}` | `{rule or '-'}` | (why) |" for text, code, rule in tried]
    expected = [
        f"| {one.name} | `{one.fact}` | (why it follows from the parameters) |" for one in script.expectations
    ]
    parts = [
        f"# {script.title}",
        script.summary,
        "## What the source says",
        script.source or "(source, with how well it is known)",
        "## What the script shows",
        "(who takes part, what happens on which day)",
        "## Facts and assumptions",
        "| parameter | value | known from | note |\n|---|---|---|---|\n" + "\n".join(rows),
        "## What is refused, and by which rule",
        "| attempt | code | rule | without that rule |\n|---|---|---|---|\n" + "\n".join(refused),
        "## Why each expected figure follows",
        "| what | fact | why |\n|---|---|---|\n" + "\n".join(expected),
        "## What is simulated",
        "\n".join(f"- {line}" for line in script.simulated) or "(what is not real)",
    ]
    return "\n\n".join(parts) + "\n"
