"""The cage of a student's process: what it may read and write, how long it may think, how much it may hold.

A grader that runs a class's answers runs strangers' code. Each answer runs in a process of its own that first walls
itself in, for good:

- it reads Python, its libraries and the code of the house, but nothing of the exercises and their checks, nor anything
  else on the computer; it writes in its own folder only;
- it makes no process, runs no program, opens no connection, sends no signal;
- processor time, memory, file sizes and open files have limits (`Limits`), and the grader watches time and memory from
  outside too.

Three walls, each where the system has it: the limits of POSIX; Landlock and seccomp of Linux (`kernel_cage`); and
Python's own audit hook, on every system. The last one keeps out what Python does knowingly; who reaches round Python
(by forged bytecode or a library's C functions) meets it no more, and on macOS and Windows there is no other wall.
docs/limits.md says so, and each grade names the walls that stood.
"""

import os
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident

from wallets.exercises.kernel_cage import wall_in

HOUSE = Path(__file__).resolve().parents[2]
HIDDEN = Path(__file__).resolve().parent
"""What of the house a student's process may not read: the grader itself."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an answer may use up: for one call, and in all."""

    call_seconds: int = 5
    processor_seconds: int = 120
    memory_bytes: int = 768 << 20
    file_bytes: int = 16 << 20
    written_bytes: int = 256 << 20
    open_files: int = 64


def close(folder: Path, limits: Limits) -> list[str]:
    """Wall this process in, for good; `folder` is its own. Returns the walls that stand, for the grade."""
    readable = readable_places()
    walls = _limits(limits)
    walls += wall_in(folder, readable)
    sys.addaudithook(_watch(folder, readable))
    return [*walls, "audit"]


def readable_places() -> list[Path]:
    """Python, its libraries, the code of the house without the grader, and what every program reads."""
    named = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    python: list[str] = [sys.prefix, sys.base_prefix, sys.exec_prefix, *named, *_library_paths()]
    system = [
        "/usr/lib",
        "/lib",
        "/lib64",
        "/usr/share/zoneinfo",
        "/dev/urandom",
        "/dev/null",
        "/etc/ld.so.cache",
    ]
    house = [HOUSE / "cbdc", HOUSE / "offline"]
    house += [one for one in sorted((HOUSE / "wallets").iterdir()) if one != HIDDEN]
    places = {Path(os.path.realpath(str(one))) for one in (*python, *system, *house)}
    # A library folder that holds the whole house (an unusual install) would open the grader too.
    return sorted(one for one in places if one.exists() and one != HOUSE and one not in HOUSE.parents)


def _library_paths() -> list[str]:
    return [path for path in sys.path if path and ("site-packages" in path or "dist-packages" in path)]


def _limits(limits: Limits) -> list[str]:
    try:
        import resource
    except ImportError:  # Windows
        return []
    wanted = {
        "RLIMIT_CPU": limits.processor_seconds,
        "RLIMIT_AS": limits.memory_bytes + (512 << 20),  # addresses, of which libraries take many and use few
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        number = getattr(resource, name, None)
        if number is not None:
            _, hard = resource.getrlimit(number)
            most = value if hard == resource.RLIM_INFINITY else min(value, hard)
            try:
                resource.setrlimit(number, (most, most))
            except (ValueError, OSError):  # macOS knows the limit on memory and refuses it
                continue
    return ["limits"]


class Caged(PermissionError):
    """What a student's code asked for and may not have."""


_CHANGES = {
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.mkdir": 1,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "os.chflags": 1,
    "os.setxattr": 1,
    "os.removexattr": 1,
    "os.chdir": 1,
}
_LOOKS = {"os.listdir": 1, "os.scandir": 1, "os.walk": 1, "glob.glob": 1}
_NEVER = (
    *(
        "os.fork",
        "os.forkpty",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "os.startfile",
        "os.kill",
    ),
    *(
        "os.link",
        "os.symlink",
        "os.killpg",
        "os.add_dll_directory",
        "os.putenv",
        "subprocess.Popen",
        "pty.spawn",
        "signal.pthread_kill",
    ),
    *("ctypes.", "socket.", "_winapi.", "winreg.", "msvcrt.", "mmap.__new__", "webbrowser.open", "syslog."),
    *("ftplib.", "smtplib.", "urllib.Request", "resource.", "sqlite3.enable_load_extension"),
)
_NO_IMPORT = ("ctypes", "_ctypes", "cffi", "_posixsubprocess", "multiprocessing", "wallets.exercises")


def _watch(folder: Path, readable: Sequence[Path]) -> Callable[[str, tuple[object, ...]], None]:
    """The audit hook: raises Caged for what an answer may not do."""
    own = os.path.realpath(folder)
    trees = tuple(str(one) for one in readable)
    judging: set[int] = set()

    def within(path: object, roots: Sequence[str]) -> bool:
        if isinstance(path, int) or path is None:  # a descriptor that is open already; the current folder
            return True
        # Copies of the exact type: a subclass's own methods must not run in here.
        if isinstance(path, bytes):
            path = os.fsdecode(b"".join((path,)))
        elif isinstance(path, str):
            path = "".join((path,))
        else:
            return False
        real = os.path.realpath(path)
        return any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in roots)

    def judge(event: str, given: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = (*given, None, None, None)[:3]
            writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (
                isinstance(flags, int)
                and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            )
            if not within(path, (own,) if writes and path != os.devnull else (own, *trees)):
                raise Caged(f"your code may not {'write' if writes else 'read'} {path}")
        elif event in _CHANGES:
            if not all(within(path, (own,)) for path in given[: _CHANGES[event]]):
                raise Caged(f"your code may not change {given[0]}")
        elif event in _LOOKS:
            if not within(given[0] if given else None, (own, *trees)):
                raise Caged(f"your code may not look into {given[0]}")
        elif event == "import":
            name = str(given[0])
            if any(name == one or name.startswith(one + ".") for one in _NO_IMPORT):
                raise Caged(f"your code may not import {name}")
        elif event.startswith(_NEVER):
            raise Caged(f"your code may not do this ({event})")

    def hook(event: str, given: tuple[object, ...]) -> None:
        thread = get_ident()
        if thread in judging:  # what the judging itself looks up
            return
        judging.add(thread)
        try:
            judge(event, given)
        finally:
            judging.discard(thread)

    return hook
