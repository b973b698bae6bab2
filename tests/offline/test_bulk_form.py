"""The file form of batches: what a reader takes, what a torn end is, what damage is."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.errors import Malformed, TengeError
from offline.bulk.files import Files, find_files
from offline.bulk.form import (
    FRAME_BYTES,
    HEADER_BYTES,
    MAGIC,
    BatchFile,
    Frame,
    frames,
    open_header,
    read_batch,
)

NETWORK = b"network."
OTHER = b"another."


def written(path: Path, batches: list[tuple[bytes, int]]) -> list[Frame]:
    file = BatchFile(path, NETWORK)
    made = [file.append(batch, arrived) for batch, arrived in batches]
    file.close()
    return made


def read(path: Path) -> list[tuple[bytes, int]]:
    found = []
    with path.open("rb") as file:
        assert open_header(file, path.name) == NETWORK
        for frame in list(frames(file, path.name)):
            file.seek(frame.offset)
            found.append((read_batch(file.read(frame.end - frame.offset), frame, path.name), frame.arrived))
    return found


BATCHES = [(b"one", 5), (b"two" * 100, 5), (b"three", 9)]


def test_what_was_appended_is_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.dtb"
    made = written(path, BATCHES)
    assert read(path) == BATCHES
    assert [frame.end for frame in made] == [frame.offset for frame in made[1:]] + [path.stat().st_size]


def test_the_same_batches_have_one_file_however_often_it_was_opened(tmp_path: Path) -> None:
    one, other = tmp_path / "a.dtb", tmp_path / "b.dtb"
    written(one, BATCHES)
    for batch in BATCHES:
        written(other, [batch])
    assert one.read_bytes() == other.read_bytes()


def test_a_file_cut_at_any_byte_gives_its_whole_frames_and_can_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "a.dtb"
    made = written(path, BATCHES)
    whole = path.read_bytes()
    for cut in range(HEADER_BYTES, len(whole)):
        path.write_bytes(whole[:cut])
        left = sum(frame.end <= cut for frame in made)
        assert read(path) == BATCHES[:left]
        written(path, BATCHES[left:])
        assert path.read_bytes() == whole


def test_a_head_cut_short_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.dtb"
    path.write_bytes(MAGIC[:5])
    written(path, BATCHES)
    assert read(path) == BATCHES


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_read_as_a_batch(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("form") / "a.dtb"
    written(path, BATCHES)
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    try:
        found = read(path)
    except (TengeError, AssertionError):
        return
    # A length that points behind the end looks like a torn frame: less is read, and nothing else.
    assert found == BATCHES[: len(found)]
    assert len(found) < len(BATCHES)


def test_arrivals_never_fall(tmp_path: Path) -> None:
    path = tmp_path / "a.dtb"
    written(path, BATCHES)
    file = BatchFile(path, NETWORK)
    with pytest.raises(Malformed) as refused:
        file.append(b"late", 8)
    file.close()
    assert refused.value.code == "E_BATCH_FILE"
    with path.open("rb") as source, pytest.raises(Malformed) as refused:
        list(frames(source, path.name, arrived=6))
    assert refused.value.code == "E_BATCH_FILE"


@pytest.mark.parametrize("batch", [b"", bytes((1 << 20) + 1)])
def test_a_batch_has_a_size(tmp_path: Path, batch: bytes) -> None:
    file = BatchFile(tmp_path / "a.dtb", NETWORK)
    with pytest.raises(Malformed) as refused:
        file.append(batch, 1)
    file.close()
    assert refused.value.code == "E_SIZE"


def test_a_length_out_of_range_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.dtb"
    written(path, BATCHES)
    data = path.read_bytes()
    path.write_bytes(data[:HEADER_BYTES] + bytes(4) + data[HEADER_BYTES + 4 :])
    with path.open("rb") as source, pytest.raises(Malformed) as refused:
        list(frames(source, path.name))
    assert refused.value.code == "E_BATCH_FILE"


def test_frames_can_be_read_from_any_of_them_on(tmp_path: Path) -> None:
    path = tmp_path / "a.dtb"
    made = written(path, BATCHES)
    with path.open("rb") as source:
        assert list(frames(source, path.name, made[1].offset, 5)) == made[1:]
    assert made[0].length + FRAME_BYTES == made[0].end - made[0].offset


def test_a_file_of_something_else_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.dtb"
    path.write_bytes(b"hello, this is another file altogether")
    for work in (lambda: BatchFile(path, NETWORK), lambda: Files(NETWORK).add(path)):
        with pytest.raises(Malformed) as refused:
            work()
        assert refused.value.code == "E_BATCH_FILE"
    written(tmp_path / "b.dtb", BATCHES)
    for work in (
        lambda: BatchFile(tmp_path / "b.dtb", OTHER),
        lambda: Files(OTHER).add(tmp_path / "b.dtb"),
        lambda: Files(NETWORK).add(tmp_path / "none.dtb"),
    ):
        with pytest.raises(Malformed) as refused:
            work()
        assert refused.value.code == "E_BATCH_FILE"


def test_files_are_found_by_name_once_and_known_by_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    for path in (tmp_path / "b.dtb", tmp_path / "a.dtb", folder / "a.dtb"):
        written(path, BATCHES)
    assert find_files([tmp_path, tmp_path / "b.dtb"]) == [tmp_path / "a.dtb", tmp_path / "b.dtb"]
    files = Files(NETWORK)
    assert [files.add(tmp_path / name) for name in ("a.dtb", "b.dtb", "a.dtb")] == [0, 1, 0]
    with pytest.raises(TengeError) as refused:
        files.add(folder / "a.dtb")
    assert refused.value.code == "E_BATCH_NAME"
    with pytest.raises(Malformed):
        files.signature(0, 10_000, 5)
    files.close()
    (tmp_path / "empty").mkdir()
    with pytest.raises(Malformed) as wrong:
        find_files([tmp_path / "empty"])
    assert wrong.value.code == "E_BATCH_FILE"
