"""The law of imports: a module imports only modules that stand above it in docs/architecture.md."""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.house.tree import PACKAGES, ROOT, dotted, fences, modules, parsed, python_files

_LISTED = re.compile(r"^((?:cbdc|offline|wallets)(?:\.\w+)+) {2,}\S")


def listed(markdown: str) -> list[str]:
    """The modules that the architecture lists, in order, from the fenced blocks that begin with one."""
    names: list[str] = []
    for fence in fences(markdown):
        lines = [line for line in fence.text.splitlines() if line.strip()]
        if lines and _LISTED.match(lines[0]):
            names += [match[1] for line in lines if (match := _LISTED.match(line))]
    return names


def imported(tree: ast.Module, importer: str, known: Mapping[str, Path]) -> set[str]:
    """Every module of the house (or of its tests) named by an import: at the top, late, for typing, by name."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, importer)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add(whole if whole in known else base)
        elif isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in {
            "import_module",
            "__import__",
        }:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return {name for name in found if name.split(".")[0] in (*PACKAGES, "tests")}


def _absolute(node: ast.ImportFrom, importer: str) -> str:
    if not node.level:
        return node.module or ""
    package = importer.split(".")[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def breaches(order: Sequence[str], known: Mapping[str, Path]) -> list[str]:
    """Each import that does not go up the list, and each that goes against cbdc <- offline <- wallets."""
    place = {name: index for index, name in enumerate(order)}
    problems: list[str] = []
    for importer, file in known.items():
        for name in sorted(imported(parsed(file), importer, known)):
            if name not in known:
                problems.append(f"{importer} imports {name}, which is no module of the house")
            elif PACKAGES.index(name.split(".")[0]) > PACKAGES.index(importer.split(".")[0]):
                problems.append(f"{importer} imports {name}: the direction is {' <- '.join(PACKAGES)}")
            elif place.get(name, len(place)) >= place.get(importer, -1):
                problems.append(f"{importer} imports {name}, which does not stand above it")
    return problems


def _architecture() -> list[str]:
    return listed((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))


def test_every_module_is_listed_once() -> None:
    names, files = _architecture(), modules()
    assert sorted({name for name in names if names.count(name) > 1}) == [], "listed twice"
    assert sorted(set(files) - set(names)) == [], "not in docs/architecture.md"
    assert sorted(set(names) - set(files)) == [], "listed, but there is no such module"


def test_imports_stand_above() -> None:
    assert breaches(_architecture(), modules()) == []


def test_package_files_are_empty() -> None:
    assert [str(file) for file in python_files() if file.name == "__init__.py" and file.stat().st_size] == []


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {file.parent for file in python_files()}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


# --- the checkers can fail ---

_PAGE = """
# Floors

```
cbdc.errors     one error tree
                on two lines
cbdc.ledger.rules  decide
```

```text
cbdc.errors mentioned with one space is no entry
```

~~~
offline.purse  what a device holds
~~~
"""


def test_the_list_is_read_from_its_blocks_only() -> None:
    assert listed(_PAGE) == ["cbdc.errors", "cbdc.ledger.rules", "offline.purse"]


def _house(folder: Path, sources: Mapping[str, str]) -> dict[str, Path]:
    for name, source in sources.items():
        file = folder / (name.replace(".", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    return {name: folder / (name.replace(".", "/") + ".py") for name in sources}


def test_every_kind_of_import_counts(tmp_path: Path) -> None:
    below = {
        "top": "import cbdc.low\n",
        "late": "def f():\n    from cbdc.low import x\n",
        "typing": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from cbdc import low\n",
        "relative": "from . import low\n",
        "relative_name": "from .low import x\n",
        "by_name": "import importlib\nimportlib.import_module('cbdc.low')\n",
    }
    for kind, source in below.items():
        known = _house(tmp_path / kind, {"cbdc.high": source, "cbdc.low": ""})
        assert breaches(["cbdc.high", "cbdc.low"], known) == [
            "cbdc.high imports cbdc.low, which does not stand above it"
        ], kind
        assert breaches(["cbdc.low", "cbdc.high"], known) == [], kind


def test_directions_strangers_and_tests_are_seen(tmp_path: Path) -> None:
    known = _house(
        tmp_path,
        {
            "wallets.cli": "",
            "offline.purse": "import wallets.cli\n",
            "cbdc.money": "from cbdc.nothing import x\nimport tests.conftest\nimport cbdc.money\nimport json\n",
        },
    )
    assert breaches(["wallets.cli", "offline.purse", "cbdc.money"], known) == [
        "offline.purse imports wallets.cli: the direction is cbdc <- offline <- wallets",
        "cbdc.money imports cbdc.money, which does not stand above it",
        "cbdc.money imports cbdc.nothing, which is no module of the house",
        "cbdc.money imports tests.conftest, which is no module of the house",
    ]
