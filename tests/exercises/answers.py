"""Answers for the tests: the solutions, and wrong ones made from them.

Beside each solution stands `wrong/NN_name.py` with `WRONG`, a list of these: what is changed, and which check must say
so. Ten more wrong answers are made for every lab alike (`common_wrong`).
"""

import ast
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.house.tree import ROOT
from wallets.exercises.labs import ANSWER, Lab, all_labs

HERE = ROOT / "tests/exercises"
LABS = all_labs()
BY_NAME = {lab.name: lab for lab in LABS}


@dataclass(frozen=True, slots=True)
class Changed:
    """The solution with one thing changed: `old` stands in it once. `fails` is the check that must see it."""

    name: str
    old: str
    new: str
    fails: str


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The solution with other functions of these names: name -> body. `fails` is the check that must see it."""

    name: str
    bodies: dict[str, str]
    fails: str


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole other file. `fails` is a check that must see it; "" means that the grade must not be `passed`."""

    name: str
    text: str
    fails: str = ""


Wrong = Changed | Rewritten | Whole


def solution(lab: Lab) -> Path:
    """The solution of a lab."""
    return HERE / "solutions" / f"{lab.folder.name}.py"


@cache
def wrong_ones(lab_name: str) -> tuple[Wrong, ...]:
    """What `wrong/NN_name.py` lists."""
    lab = BY_NAME[lab_name]
    path = HERE / "wrong" / f"{lab.folder.name}.py"
    spec = importlib.util.spec_from_file_location(f"wrong_{lab.folder.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(module.WRONG)


def write(lab: Lab, wrong: Wrong, folder: Path) -> Path:
    """The file of a wrong answer."""
    text = solution(lab).read_text(encoding="utf-8")
    match wrong:
        case Changed():
            assert text.count(wrong.old) == 1, (
                f"{wrong.old!r} stands {text.count(wrong.old)} times in the solution"
            )
            text = text.replace(wrong.old, wrong.new)
        case Rewritten():
            text += "".join(
                f"\n\ndef {name}(*arguments, **named):\n    {body}\n" for name, body in wrong.bodies.items()
            )
        case Whole():
            text = wrong.text
    path = folder / ANSWER
    path.write_text(text, encoding="utf-8")
    return path


def to_do(lab: Lab) -> list[ast.FunctionDef]:
    """The functions of the stub that a student writes."""
    tree = ast.parse((lab.folder / ANSWER).read_text(encoding="utf-8"))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and "NotImplementedError('TODO')" in ast.unparse(node.body[-1])
    ]


def common_wrong(lab: Lab) -> list[Whole]:
    """Wrong answers that every lab must see through: constants, files read, another lab's solution, and the like."""
    names = [node.name for node in to_do(lab)]
    stub = (lab.folder / ANSWER).read_text(encoding="utf-8")
    other = LABS[(LABS.index(lab) + 1) % len(LABS)]

    def all_of(body: str) -> str:
        return stub + "".join(f"\n\ndef {name}(*arguments, **named):\n    {body}\n" for name in names)

    read = (
        "import pathlib\n    text = pathlib.Path({path!r}).read_text()\n    space = {{}}\n"
        "    exec(text, space)\n    return space[{name!r}](*arguments, **named)"
    )
    reading = stub + "".join(
        f"\n\ndef {name}(*arguments, **named):\n    {read.format(path=str(solution(lab)), name=name)}\n"
        for name in names
    )
    peeking = all_of(
        "import gc\n    import sys\n    frames = [f for f in gc.get_objects() if hasattr(f, 'f_locals')]\n"
        "    return next(f.f_locals['right'] for f in frames if 'right' in f.f_locals)"
    )
    return [
        Whole("empty", ""),
        Whole("nothing", all_of("return None")),
        Whole("yes", all_of("return True")),
        Whole("first argument", all_of("return arguments[0] if arguments else None")),
        Whole("refuses all", all_of("raise ValueError('no')")),
        Whole("always equal", _EQUAL + all_of("return _Equal()")),
        Whole("reads the solution", reading),
        Whole("looks for the grader", peeking),
        Whole("another lab", solution(other).read_text(encoding="utf-8")),
        Whole("leaves", all_of("raise SystemExit(0)")),
    ]


_EQUAL = '''

class _Equal(int):
    """Equal to everything."""

    def __eq__(self, other):
        return True

    def __bool__(self):
        return True

    def __hash__(self):
        return 0


'''
