"""A student's process: walls itself in, loads the answer, and answers the grader's calls.

It is started by `wallets.exercises.line`, never by hand. Standard input and output are the line to the grader; what
the answer prints goes to a file beside its folder. The grader's words are pickles (it is trusted here); what goes back
is plain values only (`wallets.exercises.plain`).

The grader's world never enters this process. An answer meets it as a `Far` thing: what the lab shows of it lies here,
as copies, and each call goes to the grader and back. So an answer cannot change what a ledger says.
"""

import importlib.util
import io
import os
import pickle
import struct
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from wallets.exercises import plain
from wallets.exercises.cage import Limits, close

PRINTED = "printed.txt"


class Far:
    """A thing of the grader's, seen from a student's process: `shown` is here, `calls` are asked over the line."""

    def __init__(
        self, number: int, kind: str, shown: Mapping[str, object], calls: tuple[str, ...], line: "Line"
    ) -> None:
        self.__dict__.update(shown)
        self.__dict__.update({"_number": number, "_kind": kind, "_calls": calls, "_line": line})

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__") or name not in self.__dict__["_calls"]:
            raise AttributeError(f"{self.__dict__['_kind']} has no {name}")
        number, line = self.__dict__["_number"], self.__dict__["_line"]

        def call(*given: object, **named: object) -> Any:
            return line.ask(number, name, given, named)

        return call

    def __repr__(self) -> str:
        return f"<{self.__dict__['_kind']} of the grader>"


class _Heard(pickle.Unpickler):
    def __init__(self, data: bytes, line: "Line") -> None:
        super().__init__(io.BytesIO(data))
        self._line = line

    def persistent_load(self, pid: Any) -> Far:
        """A thing of the grader's, by its number."""
        return self._line.far(*pid)


class Line:
    """This end of the line to the grader: one message at a time, each with its length before it."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source, self._target = source, target
        self._far: dict[int, Far] = {}

    def far(self, number: int, kind: str, shown: Mapping[str, object], calls: tuple[str, ...]) -> Far:
        """The one thing of that number, with what is shown of it now."""
        if number not in self._far:
            self._far[number] = Far(number, kind, shown, calls, self)
        self._far[number].__dict__.update(shown)
        return self._far[number]

    def hear(self) -> Any:
        """The grader's next word; the process ends when there is none."""
        size = self._source.read(4)
        if len(size) < 4:
            sys.exit(0)
        return _Heard(self._source.read(struct.unpack(">I", size)[0]), self).load()

    def say(self, *word: object) -> None:
        """A word to the grader; NotPlain if it is none."""
        data = plain.encode(list(word))
        self._target.write(struct.pack(">I", len(data)) + data)
        self._target.flush()

    def ask(self, number: int, name: str, given: tuple[object, ...], named: Mapping[str, object]) -> Any:
        """What a thing of the grader's answers, or what it raises."""
        told = [one.__dict__["_number"] if isinstance(one, Far) else one for one in given]
        far = [isinstance(one, Far) for one in given]
        self.say("ask", number, name, told, far, dict(named))
        kind, value = self.hear()
        if kind == "raise":
            raise value
        return value


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _raised(error: BaseException, folder: Path) -> tuple[object, ...]:
    """What an answer raised, in plain values: class, classes above it, text, code, facts, file and line."""
    rows = [row for row in traceback.extract_tb(error.__traceback__) if Path(row.filename).parent == folder]
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).parent == folder:
        place = (Path(error.filename).name, error.lineno or 0)
    else:
        place = (Path(rows[-1].filename).name, rows[-1].lineno or 0) if rows else ("", 0)
    kinds = [kind.__name__ for kind in type(error).__mro__]
    code, facts = getattr(error, "code", ""), getattr(error, "facts", {})
    if not isinstance(code, str) or not isinstance(facts, dict):
        code, facts = "", {}
    try:
        text = str(error)[:2_000]
    except Exception:
        text = ""
    told = {str(name): value if isinstance(value, int) else str(value) for name, value in facts.items()}
    return ("raised", kinds, text, code, told, *place)


def _answer(line: Line, folder: Path, work: Callable[[], object]) -> object:
    """Do `work` and tell what came of it; the value, where the grader needs none of it plain."""
    value: object = None
    try:
        value = work()
        word: tuple[object, ...] = ("done", value if not isinstance(value, ModuleType) else None)
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # whatever an answer raises is an answer
        word = _raised(error, folder)
    for flow in (sys.stdout, sys.stderr):
        try:
            flow.flush()
        except (OSError, ValueError, AttributeError):
            continue
    try:
        line.say(*word)
    except plain.NotPlain as error:
        line.say("strange", str(error))
    return value


def main() -> None:
    """Serve one answer: `FOLDER FILE PRINTED`, the walls first."""
    folder, name = Path(sys.argv[1]).resolve(), sys.argv[2]
    source, target = (os.fdopen(os.dup(number), mode) for number, mode in ((0, "rb"), (1, "wb")))
    printed = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((0, nothing), (1, printed), (2, printed)):
        os.dup2(new if old else nothing, old)
    line = Line(source, target)  # type: ignore[arg-type]
    limits, preload, barred = line.hear()
    for wanted in preload:
        importlib.import_module(wanted)
    os.chdir(folder)
    sys.path[:] = [path for path in sys.path if path]
    sys.path.insert(0, str(folder))
    assert isinstance(limits, Limits)
    sys.meta_path.insert(0, _Barred(barred))
    line.say("walls", close(folder, limits))
    module: object = None
    while True:
        kind, function, given, named = line.hear()
        if kind == "load":
            module = _answer(line, folder, lambda: _load(folder / name))
        else:
            _answer(line, folder, lambda: getattr(module, function)(*given, **named))  # noqa: B023 - called at once


class _Barred:
    """Refuses imports that would answer in the student's place, with the lab's reason."""

    def __init__(self, barred: Mapping[str, str]) -> None:
        self._barred = barred

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Nothing, or ImportError."""
        for one, reason in self._barred.items():
            if name == one or name.startswith(one + "."):
                raise ImportError(f"{one}: {reason}")


if __name__ == "__main__":
    main()
