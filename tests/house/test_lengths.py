"""A function has at most 70 lines and a module at most 500: past that, a floor is missing."""

import ast

from tests.house.tree import PACKAGES, ROOT, parsed, python_files

FUNCTION_LINES = 70
MODULE_LINES = 500


def long_functions(tree: ast.Module, limit: int = FUNCTION_LINES) -> list[str]:
    """Every function or method with more than `limit` lines, from its `def` to its last line."""
    return [
        f"{node.name} (line {node.lineno}) has {lines} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > limit
    ]


def test_functions_are_short() -> None:
    problems = [
        f"{file.relative_to(ROOT)}: {problem}"
        for file in python_files()
        for problem in long_functions(parsed(file))
    ]
    assert problems == []


def test_modules_are_short() -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in python_files(packages=(*PACKAGES, "tests"))
    }
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_a_long_function_is_seen() -> None:
    body = "\n".join(["        pass"] * FUNCTION_LINES)
    source = f"class Teller:\n    def slow(self):\n{body}\n    async def quick(self):\n        pass\n"
    assert long_functions(ast.parse(source)) == [f"slow (line 2) has {FUNCTION_LINES + 1} lines"]
