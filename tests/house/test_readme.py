"""README tells the truth: two commands to start, the real help, every verb named, and an example that runs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from tests.house.tree import ROOT, Fence, fences

QUICK_START = ["make demo", "make test"]
EXAMPLE_LINES = 15


def first_commands(markdown: str, heading: str = "Quick start") -> list[str]:
    """The commands of the first fenced block under a heading, without comments and prompts."""
    for fence in fences(markdown):
        if fence.heading == heading:
            lines = (line.partition(" #")[0].strip().removeprefix("$ ") for line in fence.text.splitlines())
            return [line for line in lines if line and not line.startswith("#")]
    return []


def shown_help(markdown: str, program: str = "tenge") -> list[str]:
    """Every fenced block that shows the program's own help, without the line that asked for it."""
    texts = (fence.text.strip().removeprefix(f"$ {program} --help").strip() for fence in fences(markdown))
    return [text for text in texts if text.startswith(f"Usage: {program} [OPTIONS] COMMAND")]


def verbs(group: click.Command, path: tuple[str, ...] = ("tenge",)) -> Iterator[str]:
    """Every command a person can type, groups with their members: `tenge pilot run`."""
    if not isinstance(group, click.Group):
        return
    for name, command in sorted(group.commands.items()):
        if not command.hidden:
            yield " ".join((*path, name))
            yield from verbs(command, (*path, name))


def examples(markdown: str) -> list[Fence]:
    """The fenced blocks that are opened with the words `python example`."""
    return [fence for fence in fences(markdown) if fence.info[:2] == ("python", "example")]


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def _command() -> click.Group:
    from wallets import cli  # late: the other checks of this file stand without it

    assert isinstance(cli.main, click.Group)
    return cli.main


def _help(command: click.Command) -> str:
    # A terminal of 80 columns, as a person has it.
    answer = CliRunner(env={"COLUMNS": "80", "LANG": "C.UTF-8"}).invoke(
        command, ["--help"], prog_name="tenge"
    )
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_the_quick_start_is_two_commands() -> None:
    assert first_commands(_readme()) == QUICK_START


def test_the_help_is_the_real_one() -> None:
    assert shown_help(_readme()) == [_help(_command()).strip()]


def test_every_verb_is_told() -> None:
    commands = ROOT / "docs/commands.md"
    told = _readme() + (commands.read_text(encoding="utf-8") if commands.exists() else "")
    assert [verb for verb in verbs(_command()) if verb not in told] == []


def test_the_example_is_short_and_runs(tmp_path: Path) -> None:
    found = examples(_readme())
    assert found, "README has no block that is opened with `python example`"
    for example in found:
        assert len(example.text.strip().splitlines()) <= EXAMPLE_LINES
        run = _run(example.text, tmp_path)
        assert run.returncode == 0, run.stderr


def _run(source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", source],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# --- the checkers can fail ---

_PAGE = """
# Sandbox

```bash
make other
```

## Quick start

```bash
make demo   # a minute
$ make test
```

```console
$ tenge --help
Usage: tenge [OPTIONS] COMMAND [ARGS]...

  Money.
```

```python example
raise SystemExit(3)
```
```python
not run
```
"""


def test_the_page_is_taken_apart() -> None:
    assert first_commands(_PAGE) == QUICK_START
    assert first_commands(_PAGE, "Sandbox") == ["make other"]
    assert first_commands(_PAGE, "Elsewhere") == []
    assert shown_help(_PAGE) == ["Usage: tenge [OPTIONS] COMMAND [ARGS]...\n\n  Money."]
    assert [fence.text for fence in examples(_PAGE)] == ["raise SystemExit(3)"]


def test_an_example_that_fails_is_seen(tmp_path: Path) -> None:
    assert _run(examples(_PAGE)[0].text, tmp_path).returncode == 3


def test_verbs_and_help_are_walked() -> None:
    @click.group(help="Money.")
    def main() -> None: ...

    @main.group()
    def pilot() -> None: ...

    @pilot.command()
    def run() -> None: ...

    @main.command(hidden=True)
    def secret() -> None: ...

    assert list(verbs(main)) == ["tenge pilot", "tenge pilot run"]
    assert _help(main).startswith("Usage: tenge [OPTIONS] COMMAND [ARGS]...\n\n  Money.")
