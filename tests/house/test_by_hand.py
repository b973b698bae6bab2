"""docs/supply-by-hand.md says what is true: each step is computed again from what stands on the page."""

import hashlib
import re
import shutil
import subprocess

import pytest

from tests.house import made_by_hand
from tests.house.tree import ROOT

PAGE = (ROOT / "docs/supply-by-hand.md").read_text(encoding="utf-8")
STEP = re.compile(
    r"\*\*(?P<name>(?:Entry|Node|Transaction) [^*]+)\*\*[^\n]*\n\n```sh\n(?P<command>basenc [^\n]*)\n"
    r"(?P<hex>[0-9A-F\n]+)END\n# (?P<hash>[0-9a-f]{64})\n```"
)
STEPS = {found["name"]: (bytes.fromhex(found["hex"]), found["hash"]) for found in STEP.finditer(PAGE)}


def part(kind: str) -> dict[str, tuple[bytes, str]]:
    return {name: step for name, step in STEPS.items() if name.startswith(kind)}


def test_there_is_a_step_for_each_hash() -> None:
    assert (len(part("Entry")), len(part("Node")), len(part("Transaction"))) == (8, 7, 4)
    assert len(STEPS) == 19 == PAGE.count("basenc -d -i --base16 << END | sha256sum")


@pytest.mark.parametrize("name", STEPS)
def test_each_step_gives_its_hash(name: str) -> None:
    data, hashed = STEPS[name]
    assert hashlib.sha256(data).hexdigest() == hashed


@pytest.mark.skipif(
    shutil.which("basenc") is None, reason="install GNU coreutils 8.31 or newer to have basenc"
)
def test_the_commands_run_as_they_stand() -> None:
    for found in STEP.finditer(PAGE):
        command = f"{found['command']}\n{found['hex']}END\n"
        answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        assert answer.stdout.split()[0] == found["hash"], found["name"]


def test_the_nodes_are_made_of_the_leaves_and_give_the_signed_root() -> None:
    leaves = [hashed for _, hashed in part("Entry").values()]
    level = leaves
    nodes = list(part("Node").values())
    while len(level) > 1:
        above = []
        for left, right in zip(level[::2], level[1::2], strict=True):
            data, hashed = nodes.pop(0)
            assert data.hex() == f"01{left}{right}"
            above.append(hashed)
        level = above
    assert re.search(r"^root +(\w+)$", PAGE, re.MULTILINE)[1] == level[0]  # type: ignore[index]
    assert level[0] == made_by_hand.ledger().head().record.root.hex()


def test_the_bodies_stand_in_the_entries_and_spend_what_the_ids_name() -> None:
    entries = [data for data, _ in part("Entry").values()]
    ids = [hashed for _, hashed in part("Transaction").values()]
    for place, (data, _) in enumerate(part("Transaction").values(), 4):
        body = data[17 + 1 + 8 :]
        assert data.startswith(b"kzt-dt/online/v1\0")
        assert body in entries[place]
    spent = re.findall(r"spends \d+: output \d+ of (\w{16})", PAGE)
    assert len(spent) == 3
    assert all(any(full.startswith(one) for full in ids) for one in spent)


def test_the_sums_add_up_and_are_the_ledgers() -> None:
    for tokens, issued, redeemed in made_by_hand.states():
        assert issued - redeemed == sum(amount for _, amount in tokens.values())
    supply = made_by_hand.ledger().supply()
    assert (issued, redeemed) == (supply.issued_tiyn, supply.redeemed_tiyn) == (1_000, 500)
    rows = re.findall(r"^\| entry (\d) \|.*\| ([\d,]+) − ([\d,]+) = ([\d,]+) \|$", PAGE, re.MULTILINE)
    assert [int(row[0]) for row in rows] == [4, 5, 6, 7]
    for _, first, second, held in rows:
        assert int(first.replace(",", "")) - int(second.replace(",", "")) == int(held.replace(",", ""))
