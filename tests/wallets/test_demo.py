"""The story of four people: short, the same for a seed, and every fact in it is one of the run."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cbdc.money import tenge
from offline.evidence import verify_evidence
from wallets import demo
from wallets.court import verify_file
from wallets.sandbox import Sandbox

Told = tuple[list[str], Path]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    out = tmp_path_factory.mktemp("demo") / "out"
    lines, ok = demo.tell(7, out)
    assert ok
    return lines, out


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def report_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return found


def test_the_story_is_short(told: Told) -> None:
    lines, _ = told
    assert len(lines) <= 25
    assert max(len(line) for line in lines[:-2]) <= 160
    assert all(line == line.rstrip() and "\n" not in line for line in lines)


def test_the_same_seed_tells_the_same_story_byte_for_byte(told: Told, tmp_path: Path) -> None:
    lines, out = told
    again, ok = demo.tell(7, tmp_path / "out")
    assert ok
    assert everything(tmp_path / "out") == everything(out)
    assert again[:-2] == lines[:-2], "only the last two lines name the folder"


def test_another_seed_tells_it_with_other_bytes(told: Told, tmp_path: Path) -> None:
    lines, out = told
    other, ok = demo.tell(8, tmp_path / "out")
    assert ok
    mine, theirs = everything(out), everything(tmp_path / "out")
    assert mine.keys() == theirs.keys()
    assert not [name for name in mine if mine[name] == theirs[name]]
    # The people, the amounts and the proof's kind are the story's; the seed is in the first line.
    assert other[0] == lines[0].replace("seed 7", "seed 8")
    assert other[1:-2] == lines[1:-2]


@pytest.mark.parametrize(
    "fact",
    [
        "Test money; not affiliated with the National Bank of Kazakhstan",
        "issues 50 000 ₸ to Kok Tobe Bank",
        "two of three officers sign",
        "Aigerim pays Dana 2 000 ₸ online",
        "one note of 3 000 ₸",
        "Hop 1: Aigerim's device pays Bolat's",
        "Bolat CHEATS",
        "Hop 2: Bolat pays Dana",
        "pays Erlan with THE SAME note",
        "E1 DOUBLE_SPEND",
        "name Bolat's device, and nobody else",
        "a file of 840 bytes",
        "Dana gets 3 000 ₸ and Erlan gets 3 000 ₸",
        "The loss of 3 000 ₸ is booked once",
        "Bolat (own online wallet): 1 000 ₸",
        "2 000 ₸.",
        "60 000 ₸ issued = 17 000 ₸ held (in wallets 9 000 ₸, in the loss reserve 8 000 ₸) + 43 000 ₸ redeemed",
        "17 000 ₸ of digital tenge exist now",
        "agrees",
    ],
)
def test_every_fact_is_told(told: Told, fact: str) -> None:
    assert fact in "\n".join(told[0])


def test_the_table_of_who_has_what(told: Told) -> None:
    rows = {
        cells[0]: [int(cell.replace(" ", "")) for cell in cells[1:]]
        for line in told[0]
        if (cells := re.split(r" {2,}", line.strip()))[0] in demo.NAMES
    }
    assert rows == {
        "Aigerim": [20_000, 0, 0, 14_000, 1_000, 0],
        "Bolat": [20_000, 0, 0, 19_000, 0, 0],
        "Dana": [20_000, 0, 0, 20_000, 5_000, 0],
        "Erlan": [20_000, 0, 0, 20_000, 3_000, 0],
    }


def test_the_report_has_the_figures(told: Told) -> None:
    lines, out = told
    report = report_of(out)
    supply = report["supply"]
    assert (report["story"], report["seed"]) == ("demo", 7)
    assert supply["issued_tiyn"] - supply["redeemed_tiyn"] == tenge(17_000)
    assert (supply["wallets_tiyn"], supply["loss_reserve_tiyn"]) == (tenge(9_000), tenge(8_000))
    assert supply["escrow_tiyn"] == supply["bank_inventory_tiyn"] == supply["treasury_tiyn"] == 0
    assert report["lines"] == lines[:-2]


def test_the_proof_stands_on_the_root_alone(told: Told) -> None:
    _, out = told
    for row in report_of(out)["evidence"]:
        found = verify_file(out / "evidence" / row["file"], out / "evidence" / "root.dto")
        assert found["ok"]
        assert found["device_id"] == row["device"]
        assert row["named"] == "Bolat"
    proof = bytearray((out / "evidence" / "case-1.dto").read_bytes())
    assert len(proof) == 840
    proof[400] ^= 1
    (out / "changed.dto").write_bytes(proof)
    assert not verify_file(out / "changed.dto", out / "evidence" / "root.dto")["ok"]
    (out / "changed.dto").unlink()


def test_the_last_lines_can_be_followed(told: Told) -> None:
    lines, out = told
    assert lines[-2] == f"REPORT      {(out / 'report.json').as_posix()}"
    assert lines[-1].startswith("TRY NEXT    tenge evidence verify ")
    assert demo.tell(7, out, "./bin/tenge")[0][-1].startswith("TRY NEXT    ./bin/tenge evidence verify ")


def test_a_story_that_does_not_add_up_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo judges its own run: with a proof that names somebody else it is not all right."""
    really = verify_evidence

    def another(data: bytes, root: Any) -> Any:
        verdict = really(data, root)
        people = Sandbox.in_memory(7)
        device = people.person(demo.NAMES[0], demo.DEPOSIT_TENGE).device
        assert device is not None
        object.__setattr__(verdict, "kid", device.certificate.record.kid)
        return verdict

    monkeypatch.setattr(demo, "verify_evidence", another)
    lines, ok = demo.tell(7, tmp_path / "out")
    assert not ok
    assert "name Aigerim's device" in "\n".join(lines)
