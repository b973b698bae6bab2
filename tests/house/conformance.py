"""docs/protocol/conformance.md: every case of section 7, what shows it, and with what result.

python -m tests.house.conformance            prints the page
python -m tests.house.conformance --write    writes it, with the results that were recorded last
python -m tests.house.conformance --check    fails where the written page is another
python -m tests.house.conformance --run      runs every vector and every test that names a case, records, writes
python -m tests.house.conformance --again    the same, but only tests that are not recorded as passed

A case is a row of docs/protocol/07-cases.md. A vector shows the case that its id begins with. A test function shows the
cases whose ids are words of its name (`test_r17_...`) or stand in its docstring or its decorators; a state machine,
those in the docstring of its class. Results are kept in docs/protocol/conformance.json, one for each test.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.house.tree import ROOT
from tests.vectors.case import load, run
from tests.vectors.generate import MAKERS as FILES

FOLDER = ROOT / "docs/protocol"
CASES = FOLDER / "07-cases.md"
PAGE = FOLDER / "conformance.md"
RESULTS = FOLDER / "conformance.json"

FAMILIES = "NGXPSTRVZ"
_ID = rf"[{FAMILIES}]\d{{1,2}}"
# Requirements R1 to R9 and steps V0 to V8 have such names too; a docstring that speaks of one shows no case.
_STEPS = frozenset(f"V{number}" for number in range(9))
# Where docstrings speak of cases. Elsewhere (the ledger's guards are G1 to G11 too) only names count.
_SPEAKING = ("offline", "vectors", "model", "campaign", "fuzz", "lab", "contracts", "simulation")
_SILENT_ABOUT_KEYS = ("cbdc", "wallets", "pilot", "attacks", "web")

NOT_BUILT: Mapping[str, str] = {
    "Z2": "pseudonyms for each output are no part of this version (section 9): change goes to the paying key, receipts "
    "are signed by the key that was paid, and limits count for that one key",
}
DOCUMENTED: Mapping[str, str] = {"P18": "a relay cannot be seen; [limits.md](../limits.md)"}
# Cases whose tests are still to come: each says what is missing. Empty is the aim.
AWAITED: Mapping[str, str] = {}


class Case(NamedTuple):
    """A row of section 7."""

    id: str
    heading: str
    situation: str
    expected: str


class Rule(NamedTuple):
    """A rule of section 5 and the cases that show it."""

    name: str
    says: str
    cases: tuple[str, ...]


def cases() -> dict[str, Case]:
    """Every case of section 7, in its order."""
    found: dict[str, Case] = {}
    heading = ""
    for line in CASES.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if re.fullmatch(_ID, cells[0]):
            assert len(cells) == 3, line
            assert cells[0] not in found, f"{cells[0]} stands twice"
            found[cells[0]] = Case(cells[0], heading, cells[1], cells[2])
    return found


def rules() -> list[Rule]:
    """Every rule of section 5 that 7.10 lists."""
    found: list[Rule] = []
    for line in CASES.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| 5.") and len(cells) == 3:
            found.append(Rule(cells[0], cells[1], tuple(_spread(cells[2]))))
    return found


def _spread(cell: str) -> Iterator[str]:
    for part in cell.split(", "):
        first, _, last = part.partition(" to ")
        if not last:
            yield first
            continue
        for number in range(int(first[1:]), int(last[1:]) + 1):
            yield f"{first[0]}{number}"


# --- what shows a case ---


@cache
def vectors() -> Mapping[str, tuple[str, ...]]:
    """The vectors (file/id) of each case."""
    found: dict[str, list[str]] = {}
    for name in sorted(FILES):
        for one in load(name)["cases"]:
            if match := re.match(rf"({_ID})(?=-|$)", one["id"]):
                found.setdefault(match[1], []).append(f"{name}/{one['id']}")
    return {case: tuple(ids) for case, ids in found.items()}


def ids_in_name(name: str) -> set[str]:
    """The cases that are words of a test's name."""
    return {word.upper() for word in name.split("_") if re.fullmatch(_ID, word.upper()) and word.islower()}


def ids_in_text(text: str) -> set[str]:
    """The cases that a docstring or a parameter's name speaks of, also as a range (`P1 to P3`)."""
    found = set(re.findall(rf"\b{_ID}\b", text))
    for family, first, last in re.findall(rf"\b([{FAMILIES}])(\d{{1,2}}) to \1(\d{{1,2}})\b", text):
        found.update(f"{family}{number}" for number in range(int(first), int(last) + 1))
    return found - _STEPS


def _ids_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, speaking: bool) -> set[str]:
    found = ids_in_name(node.name)
    if speaking:
        found |= ids_in_text(ast.get_docstring(node) or "")
        for decorator in node.decorator_list:
            for part in ast.walk(decorator):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    found |= ids_in_text(part.value)
    return found


def nodes_in(file: Path, root: Path = ROOT) -> dict[str, set[str]]:
    """The tests of a file that show cases: node id to case ids."""
    area = file.relative_to(root / "tests").parts[0]
    speaking = area in _SPEAKING
    name = file.relative_to(root).as_posix()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    found: dict[str, set[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            found[f"{name}::{node.name}"] = _ids_of(node, speaking)
        elif machine := _machine(node, classes):
            found[f"{name}::{machine[0]}"] = _ids_of(machine[1], speaking)
    if area in _SILENT_ABOUT_KEYS:
        found = {node: {id for id in ids if id[0] != "G"} for node, ids in found.items()}
    return {node: ids for node, ids in found.items() if ids}


@cache
def tests() -> Mapping[str, tuple[str, ...]]:
    """The tests (node ids) of each case."""
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for node, ids in nodes_in(file).items():
            for id in ids:
                found.setdefault(id, set()).add(node)
    return {id: tuple(sorted(nodes)) for id, nodes in found.items()}


def bare(known: Mapping[str, Case]) -> list[str]:
    """The cases that nothing shows and no word excuses."""
    excused = {*NOT_BUILT, *DOCUMENTED, *AWAITED}
    return [id for id in known if not (vectors().get(id) or tests().get(id) or id in excused)]


def _machine(node: ast.stmt, classes: Mapping[str, ast.ClassDef]) -> tuple[str, ast.ClassDef] | None:
    """(name, class) of `TestWalk = Walk.TestCase`: a state machine, as pytest finds it."""
    if isinstance(node, ast.Assign):
        target, value = node.targets[0], node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target, value = node.target, node.value
    else:
        return None
    if not (isinstance(target, ast.Name) and isinstance(value, ast.Attribute) and value.attr == "TestCase"):
        return None
    owner = value.value.id if isinstance(value.value, ast.Name) else ""
    return (target.id, classes[owner]) if owner in classes else None


# --- results ---


def recorded(path: Path = RESULTS) -> dict[str, str]:
    """The result of each test and vector as recorded last."""
    if not path.exists():
        return {}
    loaded: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


class Recorder:
    """A pytest plugin: runs only these tests, and notes the worst outcome of each over its parameters and phases."""

    _WORSE = ("passed", "skipped", "failed")

    def __init__(self, wanted: Collection[str] = ()) -> None:
        self._wanted = frozenset(wanted)
        self.outcomes: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Leave out what is not wanted."""
        items[:] = [item for item in items if _plain(item.nodeid) in self._wanted]

    def pytest_runtest_logreport(self, report: object) -> None:
        """Note one phase of one test."""
        node = _plain(report.nodeid)  # type: ignore[attr-defined]
        outcome: str = report.outcome  # type: ignore[attr-defined]
        known = self.outcomes.get(node, "passed")
        self.outcomes[node] = max(known, outcome, key=self._WORSE.index)


def _plain(node: str) -> str:
    """A node id without its parameters and what stands inside a class."""
    return "::".join(node.partition("[")[0].split("::")[:2])


def run_all(but: Collection[str] = ()) -> dict[str, str]:
    """Run every vector, and every test that shows a case `but` these; the result of each by name."""
    import pytest

    results: dict[str, str] = {}
    for name in sorted(FILES):
        file = load(name)
        for one in file["cases"]:
            right = run(one, file["context"]) == one["expect"]
            results[f"{name}/{one['id']}"] = "passed" if right else "failed"
    nodes = sorted({node for nodes in tests().values() for node in nodes} - set(but))
    recorder = Recorder(nodes)
    if nodes:
        # Whole files: one that is skipped (an extra is not installed) must not stop the others.
        files = sorted({node.partition("::")[0] for node in nodes})
        pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", *files], plugins=[recorder])
    return results | {node: recorder.outcomes.get(node, "skipped") for node in nodes}


def _kept(results: Mapping[str, str]) -> dict[str, str]:
    # Vectors are kept by case, not one by one: the file stays small.
    kept: dict[str, str] = {}
    for id, names in vectors().items():
        known = [results.get(name) for name in names]
        if None not in known:
            passed = sum(one == "passed" for one in known)
            kept[f"vectors {id}"] = "passed" if passed == len(known) else "failed"
    kept |= {node: result for node, result in results.items() if "::" in node}
    return dict(sorted(kept.items()))


# --- the page ---

_TOP = """\
# Conformance

Every case of [section 7](07-cases.md), the vectors and tests that show it, and the result of their last recorded run
(`make conformance`). This page is made by `python -m tests.house.conformance`; a test keeps its list of cases, vectors
and tests current.
"""


def _result(id: str, results: Mapping[str, str]) -> str:
    if id in NOT_BUILT:
        return f"not built: {NOT_BUILT[id]}"
    if id in DOCUMENTED:
        return f"documented: {DOCUMENTED[id]}"
    names = list(tests().get(id, ())) + ([f"vectors {id}"] if id in vectors() else [])
    known = [results.get(name, "not run") for name in names]
    counts = {word: known.count(word) for word in ("passed", "failed", "skipped", "not run")}
    told = [f"{count} {word}" for word, count in counts.items() if count]
    if not told:
        return f"open: {AWAITED.get(id, 'nothing shows it')}"
    return ", ".join(told) if len(told) > 1 or counts["failed"] else told[0].split(" ", 1)[1]


def _shown(id: str) -> str:
    names = vectors().get(id, ())
    told = [f"{len(names)} vectors, `{names[0]}`" if len(names) > 1 else f"`{names[0]}`"] if names else []
    by_file: dict[str, list[str]] = {}
    for node in tests().get(id, ()):
        file, _, name = node.partition("::")
        by_file.setdefault(file.removeprefix("tests/").removesuffix(".py"), []).append(name)
    told += [f"{file}: {', '.join(f'`{name}`' for name in names)}" for file, names in by_file.items()]
    return "; ".join(told)


def page(results: Mapping[str, str]) -> str:
    """The whole page."""
    known = cases()
    shown = [id for id in known if id not in NOT_BUILT and id not in DOCUMENTED]
    answers = {id: _result(id, results) for id in known}
    passed = sum(answers[id] == "passed" for id in shown)
    parts = [_TOP, f"{len(known)} cases: {passed} of the {len(shown)} that can be run passed.\n"]
    heading = ""
    lines: list[str] = []
    for id, case in known.items():
        if case.heading != heading:
            parts += ["\n".join(lines) + "\n"] if lines else []
            heading = case.heading
            lines = [
                f"## {heading}\n",
                "| id | case | expected | shown by | result |",
                "|---|---|---|---|---|",
            ]
        lines.append(f"| {id} | {case.situation} | {case.expected} | {_shown(id)} | {answers[id]} |")
    parts.append("\n".join(lines) + "\n")
    lines = ["## Rules of section 5\n", "| rule | says | cases | result |", "|---|---|---|---|"]
    for rule in rules():
        good = all(answers[id] == "passed" or id in NOT_BUILT or id in DOCUMENTED for id in rule.cases)
        lines.append(
            f"| {rule.name} | {rule.says} | {', '.join(rule.cases)} | {'passed' if good else 'open'} |"
        )
    parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.house.conformance", description="the list of cases"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="write the page with the recorded results")
    how.add_argument("--check", action="store_true", help="fail where the page is not current")
    how.add_argument(
        "--run", action="store_true", help="run what shows the cases, record, and write the page"
    )
    how.add_argument("--again", action="store_true", help="run only tests that are not recorded as passed")
    chosen = parser.parse_args(arguments)
    running = chosen.run or chosen.again
    if running:
        known = {node for nodes in tests().values() for node in nodes}
        passed = [name for name, result in recorded().items() if result == "passed" and name in known]
        before = dict.fromkeys(passed, "passed") if chosen.again else {}
        kept = _kept(before | run_all(before))
        RESULTS.write_text(json.dumps(kept, indent=0) + "\n", encoding="utf-8")
    made = page(recorded())
    if chosen.write or running:
        PAGE.write_text(made, encoding="utf-8")
        failed = [name for name, result in recorded().items() if result == "failed"]
        sys.stdout.writelines(f"failed: {name}\n" for name in failed)
        return 1 if running and failed else 0
    if chosen.check:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == made
        if not current:
            sys.stdout.write(
                "conformance.md is not current; run `python -m tests.house.conformance --write`\n"
            )
        return 0 if current else 1
    sys.stdout.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
