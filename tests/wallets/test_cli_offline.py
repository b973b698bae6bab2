"""`tenge offline frames` and `tenge offline samples`, as somebody types them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from offline.link import Assembler, BleReceiver, open_qr
from wallets.cli import main


def tenge(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    done = tenge("offline", "samples", str(folder))
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == len(list(folder.iterdir())) >= 20
    return folder


def weighed(file: Path, *more: str) -> dict[str, Any]:
    done = tenge("offline", "frames", str(file), "--json", *more)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_samples_are_of_every_kind_and_follow_their_seed(samples: Path, tmp_path: Path) -> None:
    kinds = {weighed(file)["kind"] for file in samples.iterdir()}
    assert kinds >= {
        "BUNDLE", "OFFER message", "HELLO", "DRAFT", "COMMIT", "REQUEST", "INVOICE", "RECEIPT", "TRUST", "DEVCERT",
        "NOTE", "BATCH", "evidence file", "ROOT", "ENGAGEMENT", "ANSWER",
    }  # fmt: skip
    again, other = tmp_path / "again", tmp_path / "other"
    assert tenge("offline", "samples", str(again), "--json").exit_code == 0
    assert tenge("offline", "samples", str(other), "--seed", "8").exit_code == 0
    for file in samples.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes()
        assert (other / file.name).read_bytes() != file.read_bytes()


@pytest.mark.parametrize(
    "name", ["payment-1", "payment-5", "commit", "trust", "batch", "evidence", "engagement"]
)
def test_the_frames_shown_carry_the_file(samples: Path, name: str) -> None:
    data = (samples / f"{name}.dto").read_bytes()
    assembler, receiver = Assembler(len(data)), BleReceiver(len(data))
    qr = [assembler.take(open_qr(row["text"]), 0) for row in weighed(samples / f"{name}.dto")["frames"]]
    assert qr[-1] == data
    nfc = weighed(samples / f"{name}.dto", "--carrier", "nfc")["frames"]
    assert b"".join(bytes.fromhex(row["hex"]) for row in nfc) == data
    for mtu in (23, 517):
        rows = weighed(samples / f"{name}.dto", "--carrier", "ble", "--mtu", str(mtu))["frames"]
        assert max(row["bytes"] for row in rows) <= mtu - 3
        assert [receiver.take(bytes.fromhex(row["hex"])) for row in rows][-1] == data


def test_the_meter_adds_up(samples: Path) -> None:
    for file in samples.iterdir():
        found = weighed(file)
        assert found["bytes"] == file.stat().st_size
        assert sum(row["bytes"] for row in found["objects"]) + found["packing_bytes"] == found["bytes"]
    one, five = weighed(samples / "payment-1.dto"), weighed(samples / "payment-5.dto")
    assert [len(found["lines"][0]["hops"]) for found in (one, five)] == [1, 5]
    assert five["limits"]["max_bytes_qr"]["fits"]
    assert five["qr"]["pieces"] == len(five["frames"]) > one["qr"]["pieces"]
    assert 1 <= one["qr"]["versions"]["L"] < one["qr"]["versions"]["M"] <= 40


def test_words_for_people(samples: Path) -> None:
    told = tenge("offline", "frames", str(samples / "payment-5.dto"), "--carrier", "nfc").stdout
    for words in (
        "BUNDLE, ",
        "WHAT EACH HOP ADDS",
        "hop 5",
        "version",
        "NFC COMMAND 1/",
        "max_bytes 24,576 bytes: fits",
    ):
        assert words in told
    assert "LINE" not in tenge("offline", "frames", str(samples / "trust.dto")).stdout


def test_codes_are_drawn(samples: Path) -> None:
    plain = tenge("offline", "frames", str(samples / "payment-1.dto")).stdout
    drawn = tenge("offline", "frames", str(samples / "payment-1.dto"), "--qr").stdout
    assert drawn.startswith(plain)
    assert drawn.count("█") > 1_000
    assert "2 of 2" in drawn


def test_what_is_too_long_for_qr_still_shows(tmp_path: Path) -> None:
    from cbdc import canonical

    long = tmp_path / "long.dto"
    long.write_bytes(canonical.encode([1, bytes(16), [], [], []]))
    assert weighed(long)["kind"] == "BATCH"
    long.write_bytes(canonical.encode([1, bytes(16), [], [[99, bytes(60_000), b""]], []]))
    found = weighed(long)
    assert found["qr"] is None
    assert not found["limits"]["qr_codes"]["fits"]
    assert found["frames"] == []
    assert "does not fit into 64 codes" in tenge("offline", "frames", str(long)).stdout
    refused = tenge("offline", "frames", str(long), "--qr")
    assert refused.exit_code == 2
    assert "E_FRAME" in refused.stderr


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "E_PAYLOAD"), (b"# A page", "E_PAYLOAD"), (None, "E_FILE")]
)
def test_anything_else_is_refused_in_words(tmp_path: Path, content: bytes | None, code: str) -> None:
    file = tmp_path / "page.md"
    if content is not None:
        file.write_bytes(content)
    done = tenge("offline", "frames", str(file))
    assert done.exit_code == 2
    assert code in done.stderr
    assert "page.md" in done.stderr
    as_json = tenge("offline", "frames", str(file), "--json")
    assert json.loads(as_json.stdout)["code"] == code


@pytest.mark.parametrize("mtu", ["22", "518", "x"])
def test_links_that_no_phone_has(samples: Path, mtu: str) -> None:
    done = CliRunner().invoke(
        main, ["offline", "frames", str(samples / "commit.dto"), "--carrier", "ble", "--mtu", mtu]
    )
    assert done.exit_code == 2
