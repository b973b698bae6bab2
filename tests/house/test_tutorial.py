"""The tutorial is true: typed from the top to the bottom it runs, and answers what the page shows."""

import ast
import io
import shlex
import tokenize
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.house.tree import ROOT, fences

PAGE = ROOT / "docs/tutorial.md"
ANSWER = "# -> "


def shown(source: str) -> dict[int, str]:
    """What the page says Python answers, by the line it stands on."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    return {
        token.start[0]: token.string[len(ANSWER) :] for token in comments if token.string.startswith(ANSWER)
    }


def answers(source: str, names: dict[str, Any]) -> Iterator[tuple[int, list[str], list[str]]]:
    """Each statement as a person types it: (its line, what the page shows, what Python answers)."""
    statements = ast.parse(source).body
    ends = [statement.lineno - 1 for statement in statements[1:]] + [len(source.splitlines())]
    told = shown(source)
    for statement, end in zip(statements, ends, strict=True):
        expected = [told[line] for line in range(statement.lineno, end + 1) if line in told]
        yield statement.lineno, expected, _typed(statement, names)


def _typed(statement: ast.stmt, names: dict[str, Any]) -> list[str]:
    said = io.StringIO()
    with redirect_stdout(said):
        if isinstance(statement, ast.Expr):
            value = eval(compile(ast.Expression(statement.value), "tutorial", "eval"), names)
            if value is not None:
                print(repr(value))
        else:
            exec(compile(ast.Module([statement], []), "tutorial", "exec"), names)
    return said.getvalue().splitlines()


def commands(source: str) -> list[tuple[list[str], str]]:
    """Each command of a shell block: its words after `tenge`, and what must stand in its answer."""
    found = []
    for line in source.splitlines():
        command, _, answer = line.partition(ANSWER)
        words = shlex.split(command, comments=True)
        if words[:1] == ["tenge"]:
            found.append((words[1:], answer))
    return found


def differences(markdown: str) -> list[str]:
    """Run a page's Python blocks as one session and its commands where they stand; what is not as it is shown."""
    from wallets import cli  # late: the checkers below stand without it

    names: dict[str, Any] = {}
    problems = []
    for fence in fences(markdown):
        if fence.info == ("python",):
            for line, expected, said in answers(fence.text, names):
                if expected != said:
                    problems.append(f"{fence.heading}, line {line}: shown {expected}, said {said}")
        elif fence.info == ("sh",):
            for words, expected_text in commands(fence.text):
                run = CliRunner().invoke(cli.main, words, prog_name="tenge")
                if run.exit_code or expected_text not in run.output:
                    problems.append(f"{fence.heading}, tenge {shlex.join(words)}: {run.output}")
    return problems


def test_the_tutorial_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert differences(PAGE.read_text(encoding="utf-8")) == []


def test_the_tutorial_goes_all_the_way() -> None:
    page = PAGE.read_text(encoding="utf-8")
    calls = "issue buy_once pay_once new_mark buy_and_load pay_offline_once clone sync verify_evidence redeem audit"
    code = "\n".join(fence.text for fence in fences(page) if fence.info == ("python",))
    assert [call for call in calls.split() if f"{call}(" not in code] == []
    typed = [words for fence in fences(page) if fence.info == ("sh",) for words, _ in commands(fence.text)]
    assert {("evidence", "verify"), ("pilot", "run")} <= {tuple(words[:2]) for words in typed}


# --- the checkers can fail ---


def test_statements_are_answered_one_by_one() -> None:
    source = (
        "a = 2\na     # -> 2\nfor b in (1, 2):\n    print(a + b)\n# -> 3\n# -> 4\n'# -> no'  # -> '# -> no'\n"
    )
    assert list(answers(source, {})) == [
        (1, [], []),
        (2, ["2"], ["2"]),
        (3, ["3", "4"], ["3", "4"]),
        (7, ["'# -> no'"], ["'# -> no'"]),
    ]


@pytest.mark.parametrize("block", ["1 + 1  # -> 3", "1 + 1", "None  # -> None", "a = 1  # -> 1", "print(1)"])
def test_a_wrong_a_missing_and_a_false_answer_are_seen(block: str) -> None:
    assert len(differences(f"# T\n```python\n{block}\n```\n")) == 1


def test_a_failing_command_is_seen() -> None:
    page = "# T\n```sh\nmake nothing\ntenge nowhere\ntenge --help # -> digital tenge\ntenge --help # -> rouble\n```\n"
    assert [problem.split(":")[0] for problem in differences(page)] == ["T, tenge nowhere", "T, tenge --help"]
