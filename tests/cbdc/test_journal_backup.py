"""Backups of a journal on any engine, replayed into any engine: one moment, whole, proved, resumable."""

import hashlib
import json
import threading
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.store import Commit, Page, Store, together
from cbdc.operations.journal_backup import (
    JOURNAL,
    MANIFEST,
    back_up_journal,
    is_journal_backup,
    restore_journal,
    restore_journal_to,
)
from cbdc.operations.point_in_time import until_entries, until_time
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.system import Setup, Stores, System, assemble, open_stores
from tests.cbdc.institutions import BANKS, START, key, person, stock
from tests.servers.postgres import missing, need, the_postgres
from wallets.cli import main

ENGINES = ("sqlite", "journal", "postgresql")


def url_of(engine: str, folder: Path) -> str:
    if engine == "postgresql":
        if missing():
            need(missing())
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        return the_postgres().url(f"backup_{name}")
    folder.mkdir(exist_ok=True)
    return f"{engine}:///{folder / engine}"


def system(store: Store, clock: ManualClock) -> System:
    inner = open_stores(None)
    stores = Stores(store, inner.books, inner.cabinet)
    return assemble(stores, key, clock, SeededEntropy(3), Setup(banks=BANKS))


def work(store: Store) -> System:
    """A ledger with money, holders and some forty entries in groups of different sizes."""
    clock = ManualClock(START)
    made = system(store, clock)
    stock(made)
    for number in range(6):
        clock.advance(100)
        person(made, f"p{number}")
        made.fund_loss_reserve(number.to_bytes(32, "big"), 100 + number)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    store = MemoryStore()
    work(store)
    back_up_journal(store, tmp_path / "b.tenge", START)
    return tmp_path / "b.tenge"


def same(one: Store, other: Store) -> bool:
    return all(
        list(getattr(one, what)()) == list(getattr(other, what)())
        for what in ("entries", "heads", "state", "owner_rows")
    )


@pytest.mark.parametrize("target", ENGINES)
@pytest.mark.parametrize("source", ENGINES)
def test_any_engine_becomes_any_other(tmp_path: Path, source: str, target: str) -> None:
    with closing(open_store(url_of(source, tmp_path / "from"))) as original:
        made = work(original)
        with closing(open_store(url_of(source, tmp_path / "from"), read_only=True)) as reader:
            taken = back_up_journal(reader, tmp_path / "b.tenge", START)
        assert taken.entries == made.ledger.size
        with closing(open_store(url_of(target, tmp_path / "to"))) as again:
            head = restore_journal(tmp_path / "b.tenge", again)
            assert head == made.ledger.head()
            assert same(original, again)
            # It goes on as the ledger it was.
            resumed = Ledger(again, key("ledger"), ManualClock(START + 10_000))
            assert resumed.submit(made.ledger.entry(2).payload).index == 2


def test_a_backup_is_of_one_moment_while_the_ledger_is_written(tmp_path: Path) -> None:
    store, done = open_store(f"journal:///{tmp_path / 'j'}"), threading.Event()
    made = work(store)
    sizes: list[int] = []

    def go_on() -> None:
        number = 1_000
        while not done.is_set():
            number += 1
            made.fund_loss_reserve(number.to_bytes(32, "big"), 100)

    worker = threading.Thread(target=go_on)
    worker.start()
    try:
        for number in range(4):
            with closing(open_store(f"journal:///{tmp_path / 'j'}", read_only=True)) as reader:
                sizes.append(back_up_journal(reader, tmp_path / f"{number}.tenge", START).entries)
            # Also through the store that is being written itself.
            sizes.append(back_up_journal(store, tmp_path / f"own-{number}.tenge", START).entries)
    finally:
        done.set()
        worker.join()
    # A reader of the files may see a group that the writer itself does not yet count as kept.
    assert sizes[::2] == sorted(sizes[::2])
    assert sizes[1::2] == sorted(sizes[1::2])
    for path, size in zip(sorted(tmp_path.glob("?.tenge")), sizes[::2], strict=True):
        again = MemoryStore()
        assert restore_journal(path, again).record.size == size
        assert list(again.entries()) == list(store.entries(0, size))
    store.close()


def test_every_head_can_be_gone_back_to(file: Path) -> None:
    whole = MemoryStore()
    restore_journal(file, whole)
    for size, envelope in whole.heads():
        then = MemoryStore()
        head = restore_journal(file, then, until_entries(size))
        assert (head.record.size, head.encode(), then.size()) == (size, envelope, size)
        later = restore_journal(file, MemoryStore(), until_time(head.record.time)).record
        assert later.time == head.record.time
        assert later.size >= size
    with pytest.raises(TengeError, match="E_RESTORE_UNTIL"):
        restore_journal(file, MemoryStore(), until_entries(0))
    with pytest.raises(TengeError, match="E_RESTORE_UNTIL"):
        restore_journal(file, MemoryStore(), until_time(START - 1))


class Dying(MemoryStore):
    """A store whose process is killed at a commit."""

    left = 0

    def commit(self, commit: Commit) -> None:
        self.left -= 1
        if self.left < 0:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="killed")
        super().commit(commit)


def test_a_restore_that_was_cut_off_anywhere_goes_on(file: Path) -> None:
    whole = MemoryStore()
    restore_journal(file, whole)
    heads = [size for size, _ in whole.heads()]
    for commits in range(len(heads)):
        store = Dying()
        store.left = commits
        with pytest.raises(TengeError, match="E_STORE_UNAVAILABLE"):
            restore_journal(file, store)
        assert store.size() == (heads[commits - 1] if commits else 0)
        store.left = 1_000
        restore_journal(file, store)
        assert same(store, whole)
        assert store.left == 1_000 - (len(heads) - commits), "what stood was not written again"


def test_a_store_that_holds_something_else_is_left_alone(file: Path, tmp_path: Path) -> None:
    other = MemoryStore()
    system(other, ManualClock(START + 1))
    before = list(other.entries())
    with pytest.raises(TengeError) as caught:
        restore_journal(file, other)
    assert (caught.value.code, caught.value.facts) == ("E_RESTORE_STORE", {"entries": len(before)})
    assert list(other.entries()) == before
    # More than is wanted, and a store that went on.
    whole = MemoryStore()
    restore_journal(file, whole)
    with pytest.raises(TengeError, match="E_RESTORE_STORE"):
        restore_journal(file, whole, until_entries(whole.size() - 1))
    system(whole, ManualClock(START + 9_000)).fund_loss_reserve(b"n" * 32, 5)
    with pytest.raises(TengeError, match="E_RESTORE_STORE"):
        restore_journal(file, whole)


@pytest.mark.parametrize("engine", ["sqlite", "journal"])
def test_a_store_that_could_not_be_read_just_now_is_not_written_over(
    file: Path, tmp_path: Path, engine: str
) -> None:
    url = f"{engine}:///{tmp_path / 'live'}"
    with closing(open_store(url)) as live:
        system(live, ManualClock(START + 777))
        before = live.size()
    asked: list[bool] = []

    def opened(read_only: bool) -> Store:
        asked.append(read_only)
        if len(asked) == 1:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="too many connections, this once")
        return open_store(url, read_only=read_only)

    with pytest.raises(TengeError, match="E_RESTORE_STORE"):
        restore_journal_to(file, opened)
    assert asked == [True, False]
    with closing(open_store(url, read_only=True)) as live:
        assert live.size() == before
        assert audit(live).ok


def repacked(file: Path, change: Callable[[dict[str, bytes]], Any], right_sum: bool = False) -> None:
    with zipfile.ZipFile(file) as packed:
        contents = {name: packed.read(name) for name in packed.namelist()}
    change(contents)
    if right_sum:
        manifest = json.loads(contents[MANIFEST])
        manifest["sha256"] = hashlib.sha256(contents[JOURNAL]).hexdigest()
        contents[MANIFEST] = json.dumps(manifest).encode()
    with zipfile.ZipFile(file, "w") as packed:
        for name, data in contents.items():
            packed.writestr(name, data)


def lines(change: Callable[[list[bytes]], Any]) -> Callable[[dict[str, bytes]], None]:
    def changed(contents: dict[str, bytes]) -> None:
        rows = contents[JOURNAL].splitlines(keepends=True)
        change(rows)
        contents[JOURNAL] = b"".join(rows)

    return changed


def entry(rows: list[bytes], number: int) -> int:
    return next(place for place, row in enumerate(rows) if row.startswith(b'{"entry":%d,' % number))


def flipped(rows: list[bytes]) -> None:
    at = entry(rows, 7)
    place = rows[at].index(b'"data":"') + 60
    rows[at] = (
        rows[at][:place] + (b"0" if rows[at][place : place + 1] != b"0" else b"1") + rows[at][place + 1 :]
    )


@pytest.mark.parametrize("right_sum", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lines(flipped),
        lines(lambda rows: rows.pop()),
        lines(lambda rows: rows.pop(entry(rows, 7))),
        lines(lambda rows: rows.insert(entry(rows, 7), rows[entry(rows, 7)])),
        lines(lambda rows: rows.__setitem__(slice(8, 12), reversed(rows[8:12]))),
        lambda contents: contents.update({JOURNAL: b""}),
        lambda contents: contents.update({JOURNAL: b"x" * 100}),
    ],
)
def test_a_changed_backup_is_refused_and_nothing_is_written(
    file: Path, change: Callable[[dict[str, bytes]], Any], right_sum: bool
) -> None:
    repacked(file, change, right_sum)
    store = MemoryStore()
    with pytest.raises(TengeError, match="E_BACKUP_DAMAGED") as caught:
        restore_journal(file, store)
    assert "{" not in caught.value.sentence()
    assert store.size() == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda contents: contents.update({MANIFEST: b"[]"}),
        lambda contents: contents.update({MANIFEST: b"{"}),
        lambda contents: contents.update({MANIFEST: b" " * 70_000}),
        lambda contents: contents.update({"more": b"x"}),
        lambda contents: contents.pop(JOURNAL),
        lambda contents: contents.pop(MANIFEST),
        lambda contents: contents.update(
            {MANIFEST: contents[MANIFEST].replace(b'"entries": ', b'"entries": 1')}
        ),
    ],
)
def test_another_form_is_refused(file: Path, change: Callable[[dict[str, bytes]], Any]) -> None:
    repacked(file, change)
    store = MemoryStore()
    with pytest.raises(TengeError, match="E_BACKUP_DAMAGED"):
        restore_journal(file, store)
    assert store.size() == 0


@pytest.mark.parametrize("kept", [0, 10, 1_000, -1, -30])
def test_a_short_backup_is_refused(file: Path, kept: int) -> None:
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(TengeError, match="E_BACKUP_DAMAGED"):
        restore_journal(file, MemoryStore())


def test_nothing_is_written_over_and_nothing_is_left(file: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    with pytest.raises(TengeError, match="E_LEDGER_EMPTY"):
        back_up_journal(store, tmp_path / "c", START)
    restore_journal(file, store)
    for place, code in ((file, "E_BACKUP_EXISTS"), (tmp_path / "no" / "folder" / "c", "E_BACKUP_FILE")):
        with pytest.raises(TengeError, match=code):
            back_up_journal(store, place, START)
    assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.glob("*.part")) == []


def test_an_engine_that_does_not_hold_what_it_was_given_is_found_out(file: Path) -> None:
    class Forgetful(MemoryStore):
        def state(self) -> Iterator[tuple[bytes, bytes]]:
            rows = super().state()
            next(rows)
            return rows

        def derived_rows(self) -> Generator[Page, None, None]:
            return together(self.state(), self.owner_rows())

    with pytest.raises(TengeError) as caught:
        restore_journal(file, Forgetful())
    assert caught.value.code == "E_RESTORE_PROOF"
    assert "{" not in caught.value.sentence()


def test_the_commands_back_up_and_restore_by_url(tmp_path: Path) -> None:
    def tenge_(*arguments: object) -> Any:
        return CliRunner().invoke(main, [str(one) for one in arguments])

    source, file = f"journal:///{tmp_path / 'j'}", tmp_path / "b.tenge"
    with closing(open_store(source)) as store:
        size = work(store).ledger.size
        made = tenge_("backup", source, "--to", file, "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["entries"] == size
    assert is_journal_backup(file)
    again, then = f"sqlite:///{tmp_path / 'again.sqlite'}", f"journal:///{tmp_path / 'then'}"
    done = tenge_("restore", file, "--to", again)
    assert done.exit_code == 0, done.output
    assert tenge_("restore", file, "--to", again).exit_code == 0, "once more changes nothing"
    cut = tenge_("restore", file, "--to", then, "--until", 9, "--json")
    assert cut.exit_code == 0, cut.output
    assert json.loads(cut.stdout)["entries"] <= 9
    for url in (again, then):
        assert tenge_("audit", url).exit_code == 0
    for to in (tmp_path / "folder", "sqlite:///" + str(tmp_path / "x")):
        refused = tenge_("restore", file if "folder" in str(to) else tmp_path / "none", "--to", to, "--json")
        assert refused.exit_code == 2
        assert json.loads(refused.stdout)["code"] in ("E_RESTORE_KIND", "E_BACKUP_DAMAGED")
    with closing(open_store(again, read_only=True)) as store:
        assert audit(store).ok
