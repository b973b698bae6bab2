"""The page about the stage: its example runs, and its table is the story."""

import re

from tests.conftest import ROOT
from wallets.web import story
from wallets.web.app import MAX_REQUEST_BYTES

PAGE = (ROOT / "docs/stage.md").read_text(encoding="utf-8")


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(example, "docs/stage.md", "exec"), {})


def test_the_table_has_a_line_for_every_click() -> None:
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, flags=re.MULTILINE)] == list(
        range(1, len(story.STEPS) + 1)
    )


def test_the_limit_is_the_one_in_force() -> None:
    assert f"at most {MAX_REQUEST_BYTES:,} bytes".replace(",", " ") in PAGE
