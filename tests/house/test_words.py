"""Words that may not be written: hidden time and chance, floats in money, stray prints, silent excepts, paths."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.tree import ROOT, dotted, module_name, parsed, python_files, text_files

# The only doors to time and chance are in this module.
DOORS = {"cbdc.ports"}
_TIME = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
_CHANCE = {"os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4", "nacl.utils.random"}
_CHANCE_MODULES = {"random", "secrets"}
# A key made by a library takes its chance from the machine, where no seed reaches it.
_KEY_MAKERS = re.compile(
    r"(?:PrivateKey|SigningKey)\.generate$|\.generate_key$|(?:^|\.)generate_private_key$"
)

# A figure for the eye may be a fraction; money may not. A module is exempt when a part of its name is one of these.
FIGURES = {"report", "reports", "chart", "charts", "bench", "benches", "progress"}


def hidden_chance(tree: ast.Module) -> list[str]:
    """Every use of the machine's time or chance that no caller can replace."""
    return [f"line {line}: {name}" for line, name in sorted(_hidden(tree))]


def _hidden(tree: ast.Module) -> Iterator[tuple[int, str]]:
    names = _imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name in _CHANCE_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in _CHANCE_MODULES and not node.level:
            yield node.lineno, node.module
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            first, _, rest = dotted(node).partition(".")
            whole = names.get(first, first) + ("." + rest if rest else "")
            if whole.removeprefix("datetime.") in _TIME or whole in _CHANCE or _KEY_MAKERS.search(whole):
                yield node.lineno, whole


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `from os import urandom as u` makes `u` mean `os.urandom`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def floats(tree: ast.Module) -> list[str]:
    """Every call of `float` or `round`."""
    return _calls(tree, {"float", "round"})


def prints(tree: ast.Module) -> list[str]:
    """Every call of `print`."""
    return _calls(tree, {"print"})


def _calls(tree: ast.Module, names: set[str]) -> list[str]:
    return [
        f"line {node.lineno}: {dotted(node.func)}("
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and dotted(node.func) in names
    ]


def silent_excepts(tree: ast.Module) -> list[str]:
    """Every `except:` without a class, and every `except Exception` that does nothing."""
    found: list[str] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            found.append(f"line {node.lineno}: except without a class")
        elif dotted(node.type) in {"Exception", "BaseException"} and all(map(_does_nothing, node.body)):
            found.append(f"line {node.lineno}: except {dotted(node.type)} that does nothing")
    return found


def _does_nothing(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass | ast.Continue)


# Written in pieces, so that this file does not find itself.
_MACHINE = re.compile(
    r"(?<![\w.:/$}~>)*-])/(?:home/\w+|ro" + r"ot|wo" + r"rk)(?=[/\s\"'`),;:]|$)", re.MULTILINE
)
_BESIDE = "../sha" + "red"
_HOSTS = ("pypi" + ".org", "pythonhosted" + ".org", "registry.npm" + "js")


def machine_words(text: str) -> list[str]:
    """Paths of one machine, and addresses that packages were fetched from."""
    found = [match[0].strip() for match in _MACHINE.finditer(text)]
    return found + [word for word in (_BESIDE, *_HOSTS) if word in text]


_LOCK_LINE = re.compile(r"\s*(?:--hash=sha256:[0-9a-f]{64}|[\w.-]+==[\w.!+]+(?: ; [^#\\]+?)?)(?: \\)?")


def lock_problems(text: str) -> list[str]:
    """Lines of a lock that are neither an exact pin nor a hash, and pins that have no hash."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    strange = [f"not a pin or a hash: {line}" for line in lines if not _LOCK_LINE.fullmatch(line)]
    bare = [
        f"no hash: {line}"
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if "==" in line and "--hash" not in line and "--hash" not in after
    ]
    return strange + bare


def _pins(text: str) -> set[str]:
    return {line.removesuffix(" \\") for line in text.splitlines() if "==" in line}


def _over_code(checker: object, exempt: object = lambda name: False) -> list[str]:
    assert callable(checker)
    assert callable(exempt)
    return [
        f"{file.relative_to(ROOT)}: {problem}"
        for file in python_files()
        if not exempt(module_name(file))
        for problem in checker(parsed(file))
    ]


def test_time_and_chance_come_through_their_doors() -> None:
    assert _over_code(hidden_chance, exempt=DOORS.__contains__) == []


def test_money_knows_no_fractions() -> None:
    assert _over_code(floats, exempt=lambda name: bool(FIGURES & set(re.split(r"[._]", name)))) == []


def test_only_the_command_line_prints() -> None:
    assert _over_code(prints, exempt=lambda name: name.startswith("wallets.cli")) == []


def test_no_except_is_silent() -> None:
    assert _over_code(silent_excepts) == []


def test_no_file_names_a_machine() -> None:
    assert [f"{name}: {word}" for name, text in text_files() for word in machine_words(text)] == []


@pytest.mark.parametrize("name", ["run", "test"])
def test_locks_hold_pins_and_hashes_only(name: str) -> None:
    assert lock_problems((ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")) == []


def test_a_larger_lock_holds_the_smaller() -> None:
    run, test = (
        _pins((ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")) for name in ("run", "test")
    )
    assert run <= test


# --- the checkers can fail ---


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("import time\ntime.time()", "line 2: time.time"),
        ("from time import time as t\nt()", "line 2: time.time"),
        ("import time as clock\nclock.time_ns()", "line 2: time.time_ns"),
        ("import datetime\ndatetime.datetime.now(datetime.UTC)", "line 2: datetime.datetime.now"),
        ("from datetime import datetime\ndatetime.now()", "line 2: datetime.datetime.now"),
        ("from datetime import date\ndate.today()", "line 2: datetime.date.today"),
        ("def f():\n    import random", "line 2: random"),
        ("from secrets import token_bytes", "line 1: secrets"),
        ("import os\nkey = os.urandom(32)", "line 2: os.urandom"),
        ("import os\nfield(default_factory=os.urandom)", "line 2: os.urandom"),
        ("from uuid import uuid4\nuuid4()", "line 2: uuid.uuid4"),
        ("Ed25519PrivateKey.generate()", "line 1: Ed25519PrivateKey.generate"),
        ("AESGCM.generate_key(256)", "line 1: AESGCM.generate_key"),
    ],
)
def test_hidden_time_and_chance_are_seen(source: str, seen: str) -> None:
    assert hidden_chance(ast.parse(source)) == [seen]


def test_time_and_chance_as_arguments_are_fine() -> None:
    source = "import time\ntime.perf_counter()\nclock.now()\nself.clock.time()\nentropy.bytes('note', b'1')\n"
    assert hidden_chance(ast.parse(source)) == []


def test_floats_prints_and_silence_are_seen() -> None:
    source = "float('1')\nround(x, 2)\nprint(1)\nmath.floor(1)\nself.print(2)\n"
    assert floats(ast.parse(source)) == ["line 1: float(", "line 2: round("]
    assert prints(ast.parse(source)) == ["line 3: print("]
    source = "try:\n    f()\nexcept Exception:\n    pass\ntry:\n    f()\nexcept:\n    raise\n"
    assert silent_excepts(ast.parse(source)) == [
        "line 3: except Exception that does nothing",
        "line 7: except without a class",
    ]
    assert silent_excepts(ast.parse("try:\n    f()\nexcept KeyError:\n    pass\n")) == []


def test_machine_words_are_seen() -> None:
    paths = ("/ro" + "ot/x", "/wo" + "rk/main", "'/ho" + "me/someone'", "see /wo" + "rk)")
    for path in (*paths, _BESIDE, *_HOSTS):
        assert machine_words(f"a {path} b"), path
    fine = "docs/work/a.md, /usr/bin/chromium, https://example.kz/work/1, ~/work, /workflow, $HOME/work, <id>/work"
    assert machine_words(fine) == []


def test_loose_locks_are_seen() -> None:
    digest = "0" * 64
    good = f"click==8.1 ; sys_platform == 'win32' \\\n    --hash=sha256:{digest} \\\n    --hash=sha256:{digest}\n"
    assert lock_problems(good) == []
    for bad in ("--index-url x\n", "click>=8\n", "click==8.1\n", "click @ file:x\n", "--hash=md5:0\n"):
        assert lock_problems(bad + good), bad
