"""docs/pilots/writing.md, typed from the top to the bottom, works as it says: every script part, every command.

```toml                          the next part of sports.toml
```toml file=NAME from=head      a script of its own, behind the page's [pilot] section
```sh                            commands; `# -> words`: these words are in the answer; `# exit 1 -> words`
```text                          what `tenge pilot check` says of sports.toml with the two slips told above it
"""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.house.tree import ROOT, Fence, fences
from wallets import cli
from wallets.pilot import expression, form, perform
from wallets.pilot.check import check_script
from wallets.pilot.facts import facts

PAGE = ROOT / "docs/pilots/writing.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = [fence for fence in fences(TEXT) if fence.info]
COMMAND = re.compile(r"^(tenge .*?)\s*(?:#\s*(?:exit (\d) )?-> (.*))?$")


def tenge(words: str) -> Result:
    return CliRunner().invoke(cli.main, shlex.split(words)[1:])


def head() -> str:
    return next(block.text for block in BLOCKS if block.info[0] == "toml")


def slipped(script: str) -> str:
    """The script with the two slips that the page makes."""
    wrong = script.replace('amount = "lesson"', 'amuont = "lesson"')
    third = wrong.index('name = "limit_tenge"')
    return wrong[:third] + wrong[third:].replace('grade = "A"', 'grade = "X"', 1)


class Reader:
    """Somebody who types what the page shows, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands = 0

    def toml(self, block: Fence) -> None:
        options = dict(option.split("=") for option in block.info[1:])
        file = self.folder / options.get("file", "sports.toml")
        if "from" in options:
            file.write_text(f"{head()}\n\n{block.text}\n")
            assert [one for one in check_script(file.name, file.read_bytes()) if not one.warning] == []
            return
        before = file.read_text() if file.exists() else ""
        file.write_text(f"{before}{block.text}\n\n")

    def sh(self, block: Fence) -> None:
        for line in filter(None, map(str.strip, block.text.splitlines())):
            found = COMMAND.match(line)
            assert found, line
            result = tenge(found[1])
            assert result.exit_code == int(found[2] or 0), f"{line}\n{result.output}"
            assert (found[3] or "").strip() in result.stdout, f"{line}\n{result.output}"
            self.commands += 1

    def text(self, block: Fence) -> None:
        data = slipped((self.folder / "sports.toml").read_text())
        (self.folder / "slipped").mkdir()
        (self.folder / "slipped/sports.toml").write_text(data)
        assert tenge("tenge pilot check slipped/sports.toml").stdout.strip() == block.text.strip()


@pytest.mark.slow
def test_the_page_works_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reader = Reader(tmp_path)
    for block in BLOCKS:
        getattr(reader, block.info[0])(block)
    assert reader.commands >= 12
    assert {"toml", "sh", "text"} == {block.info[0] for block in BLOCKS}


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {block.info[0] for block in BLOCKS} <= {"toml", "sh", "text"}
    assert len(fences(TEXT)) == len(BLOCKS)


def told(heading: str) -> str:
    """What stands under a heading of the reference."""
    return re.split(r"\n##+ ", TEXT.split(f"\n### {heading}\n", 1)[1])[0]


def test_the_reference_is_whole() -> None:
    assert all(f"`{verb}`" in told("Verbs") for verb in perform.VERBS)
    assert all(f"`{name}`" in told("Published figures") for name in facts())
    assert all(f"`{name}(" in told("Expressions") for name in expression._FUNCTIONS)
    for name, section in form.SECTIONS.items():
        assert f"**`[{name}]`**" in TEXT or f"**`[[{name}]]`**" in TEXT
        assert all(f"`{key}`" in told("Sections and keys") for key in section.keys)


def test_links_inside_the_page_lead_somewhere() -> None:
    titles = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors
