"""Files stay whole, the slowest begin, and nothing is lost or doubled."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.order import SLOW_SECONDS, slowest_first
from tests.parts import TESTS

SLOW = sorted(SLOW_SECONDS, key=lambda name: -SLOW_SECONDS[name])


def test_what_is_slow_is_there() -> None:
    assert [name for name in SLOW_SECONDS if not (TESTS / f"{name}.py").exists()] == []


def test_the_slowest_begin() -> None:
    files = {"b": ["b1", "b2"], SLOW[5]: ["y1", "y2"], "a": ["a1"], SLOW[0]: ["x1"]}
    assert slowest_first(files) == ["x1", "y1", "y2", "b1", "b2", "a1"]


@given(sizes=st.lists(st.integers(1, 9), max_size=9), slow=st.sets(st.integers(0, 8)))
def test_the_row_is_whole_and_files_stay_whole(sizes: list[int], slow: set[int]) -> None:
    names = [SLOW[file] if file in slow else f"quick {file}" for file in range(len(sizes))]
    files = {name: [(name, place) for place in range(size)] for name, size in zip(names, sizes, strict=True)}
    row = slowest_first(files)
    assert sorted(row) == sorted(one for tests in files.values() for one in tests)
    for tests in files.values():
        begin = row.index(tests[0])
        assert row[begin : begin + len(tests)] == tests


@pytest.mark.parametrize(("more", "cuts"), [((), False), (("--dist", "worksteal"), True)])
def test_a_file_is_played_by_one_worker(more: tuple[str, ...], cuts: bool, tmp_path: Path) -> None:
    # The first test of the first file is long, so whoever may take from its worker does.
    for place, name in enumerate(("long", "short")):
        (tmp_path / f"test_{name}.py").write_text(
            "import time\nimport pytest\n@pytest.mark.parametrize('n', range(20))\n"
            f"def test_{name}(n): time.sleep({1 - place} and (0.6 if n == 0 else 0.05))\n"
        )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "2",
        "-v",
        "--rootdir",
        ROOT,
        "-c",
        ROOT / "pyproject.toml",
    ]
    command += ["-p", "tests.order", *more, tmp_path]
    told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=True).stdout
    workers = {
        name: set(re.findall(rf"\[(gw\d)\].* PASSED .*test_{name}\[", told)) for name in ("long", "short")
    }
    assert (len(workers["long"]) > 1) is cuts, told
    if not cuts:
        assert len(workers["short"]) == 1
