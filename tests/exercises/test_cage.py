"""Hostile answers: each is graded, none gets out of its cage, and the kernel's walls hold without Python's."""

import os
import platform
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.exercises import hostile
from tests.exercises.answers import LABS, solution
from tests.sizes import some
from wallets.exercises import cage, grading, kernel_cage
from wallets.exercises.cage import Limits
from wallets.exercises.line import Raised, Student

LAB = LABS[0]
QUICK = Limits(call_seconds=2, memory_bytes=256 << 20)  # for what may never end
PATIENT = Limits(call_seconds=60, memory_bytes=256 << 20)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of somebody else's."""
    folder = tmp_path / "somebody"
    folder.mkdir()
    file = folder / "kept.txt"
    file.write_text("kept", encoding="utf-8")
    return file


@pytest.mark.parametrize("name", some(list(hostile.BODIES), 2))
def test_a_hostile_answer_is_graded_and_touches_nothing(name: str, victim: Path, tmp_path: Path) -> None:
    answer = tmp_path / "exercise.py"
    answer.write_text(hostile.text(name, victim, solution(LAB)), encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    found = grading.grade(LAB, answer, (7,), limits=QUICK, only="test_replay")
    assert [one.name for one in found.findings] == ["replay"]
    assert found.findings[0].problem
    assert found.findings[0].key not in {"", "grader_failed"}
    assert victim.read_text(encoding="utf-8") == "kept"
    assert sorted(tmp_path.rglob("*")) == before
    assert "where the fun ends" not in found.printed


@pytest.mark.parametrize("name", ["exercise.py", "bazaar.py"])
def test_the_grader_writes_through_no_link_that_an_answer_laid(name: str, victim: Path) -> None:
    """The answer is in a cage and the grader is not: an answer that got a link made must gain nothing by it."""
    student = Student(LAB.folder / "exercise.py", LAB.given(), ["cbdc.keys"], {}, PATIENT)
    try:
        for _ in range(2):
            with pytest.raises(Raised):
                student.replay()
            laid = max(student._root.glob(f"*/{name}"))
            laid.unlink()
            laid.symlink_to(victim)
            student.restart()
    finally:
        student.close()
    assert victim.read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize("call", ["symlink", "link"])
def test_an_answer_makes_no_links(call: str, victim: Path, tmp_path: Path) -> None:
    """Not by a target that looks near from one folder and is far from another, either."""
    answer = tmp_path / "exercise.py"
    answer.write_text(
        "def replay(bazaar):\n"
        "    import os\n"
        "    own = os.getcwd()\n"
        "    os.makedirs('/'.join('abcdefgh'))\n"
        "    os.chdir('/'.join('abcdefgh'))\n"
        f"    os.{call}(os.path.relpath({str(victim)!r}, own), '../' * 8 + 'laid')\n",
        encoding="utf-8",
    )
    found = grading.grade(LAB, answer, (7,), limits=PATIENT, only="test_replay")
    assert "Caged" in found.findings[0].problem


def test_an_answer_cannot_fill_the_disk_or_the_grader(tmp_path: Path) -> None:
    answer = tmp_path / "exercise.py"
    answer.write_text(
        "def replay(bazaar):\n"
        "    number = 0\n"
        "    while True:\n"
        "        number += 1\n"
        "        with open(f'{number}.bin', 'wb') as file:\n"
        "            file.write(bytes(8 << 20))\n",
        encoding="utf-8",
    )
    limits = Limits(call_seconds=20, written_bytes=64 << 20)
    found = grading.grade(LAB, answer, (7,), limits=limits, only="test_replay")
    assert found.findings[0].key == "ended.disk"


def test_after_two_strikes_nothing_more_is_asked(tmp_path: Path) -> None:
    answer = tmp_path / "exercise.py"
    names = ("replay", "spend_again", "invent_a_token")
    answer.write_text(
        "".join(f"def {name}(bazaar):\n    while True: pass\n\n" for name in names), encoding="utf-8"
    )
    found = grading.grade(LAB, answer, (7, 8), limits=Limits(call_seconds=1))
    keys = [one.key for one in found.findings if one.name in names]
    assert keys.count("too_long") == 1  # twice in the first check, in its two worlds
    assert keys.count("gave_up") == 2


def test_an_answer_cannot_change_what_the_world_says(tmp_path: Path) -> None:
    answer = tmp_path / "exercise.py"
    answer.write_text(
        "def replay(bazaar):\n"
        "    import wallets.sandbox\n"
        "    bazaar.journal_size = lambda: 0\n"
        "    type(bazaar).submit = lambda self, data: None\n"
        "    bazaar.submit(bazaar.settled)\n"
        "    return 0\n",
        encoding="utf-8",
    )
    found = grading.grade(LAB, answer, (7,), only="test_replay")
    assert found.findings[0].key == "settled_not_submitted_once_more"


@pytest.mark.parametrize(
    "asked", ["_sandbox", "submitted", "__class__.__init__.__globals__", "no_such_thing"]
)
def test_a_far_thing_shows_only_what_it_should(asked: str, tmp_path: Path) -> None:
    answer = tmp_path / "exercise.py"
    answer.write_text(f"def replay(bazaar):\n    return repr(bazaar.{asked})\n", encoding="utf-8")
    found = grading.grade(LAB, answer, (7,), only="test_replay")
    assert found.findings[0].problem
    assert "Sandbox" not in found.findings[0].problem


# --- the kernel's walls alone: no audit hook helps here ---

_ALONE = """
import ctypes, errno, os, socket, sys
from pathlib import Path
from wallets.exercises.cage import readable_places
from wallets.exercises.kernel_cage import wall_in
libc = ctypes.CDLL(None, use_errno=True)
folder, other = Path(sys.argv[1]), Path(sys.argv[2])
walls = wall_in(folder, readable_places())
def outcome(work):
    try:
        work()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
def forked():
    if os.fork() == 0:
        os._exit(0)
rows = {
    "write own": lambda: (folder / "mine").write_text("x"),
    "write other": lambda: (other / "kept").write_text("x"),
    "remove other": lambda: os.remove(other / "kept"),
    "read other": lambda: (other / "kept").read_text(),
    "list other": lambda: os.listdir(other),
    "mode of other": lambda: os.chmod(other / "kept", 0),
    "time of other": lambda: os.utime(other / "kept", (0, 0)),
    "fork": forked,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "socket": lambda: socket.socket(),
    "kill": lambda: os.kill(os.getppid(), 0),
    "new file in other": lambda: (other / "new").touch(),
    "processes": lambda: os.listdir("/proc"),
    "symbolic link": lambda: os.symlink(other / "kept", folder / "laid"),
    "hard link": lambda: os.link(other / "kept", folder / "linked"),
}
print(walls)
for name, work in rows.items():
    print(name, outcome(work))
import threading
heard = []
thread = threading.Thread(target=lambda: heard.append(1)); thread.start(); thread.join()
print("thread", "done" if heard else "no")
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel's walls are those of Linux; run this test there"
)
def test_the_kernels_walls_hold_without_python(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (other / "kept").write_text("kept", encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_ALONE), str(own), str(other)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    first, *lines = ran.stdout.splitlines()
    if "files" not in first or "calls" not in first:
        pytest.skip("this kernel has no Landlock or no seccomp; a kernel of 5.13 or later has both")
    told = dict(line.rsplit(" ", 1) for line in lines)
    assert told.pop("write own") == "done"
    assert told.pop("thread") == "done"
    assert set(told.values()) <= {"EACCES", "EPERM", "EXDEV"}, told
    assert (other / "kept").read_text(encoding="utf-8") == "kept"
    assert [file.name for file in other.iterdir()] == ["kept"]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_whole_instructions_and_ends_with_allow(machine: str) -> None:
    steps = kernel_cage.program(machine)
    assert len(steps) % 8 == 0
    assert len(steps) // 8 < 4_096
    assert steps[-8:] == bytes.fromhex("060000000000ff7f")


def test_the_grader_and_the_answers_are_not_among_what_may_be_read() -> None:
    places = cage.readable_places()
    for hidden in (solution(LAB), LAB.folder / "checks.py", cage.HIDDEN / "grading.py", Path.home() / ".ssh"):
        assert not any(hidden == place or place in hidden.parents for place in places), hidden


def test_a_grade_names_the_walls_that_stood() -> None:
    found = grading.grade(LAB, solution(LAB), (7,), only="test_replay")
    assert "audit" in found.walls
    if (
        sys.platform == "linux"
        and platform.machine() in {"x86_64", "aarch64"}
        and os.path.exists("/sys/kernel")
    ):
        assert "calls" in found.walls
