"""Bulk runs end with the facts of the slow way: in any order and cut, through any kill, whatever is spoilt."""

import random
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Refused, TengeError
from cbdc.keys import ED25519, ES256
from cbdc.record import Signed
from offline.batch import Batch, make_batch
from offline.bulk import shelf, stream
from offline.bulk.diary import MAGIC, Diary
from offline.bulk.files import find_files
from offline.bulk.form import BatchFile
from offline.bulk.stream import DIARY, BulkRun
from offline.bulk.synthetic import Country, Plan, write_part
from offline.bulk.work import Workers
from offline.records import DeviceCertificate, Note, SyncRequest, Transfer, genesis_link
from tests.offline.bulk_reference import Reference
from tests.offline.world import NOW, Device, World

NOBODY = 0


def run(folder: Path, authority: Any, paths: list[Path], **more: Any) -> tuple[dict[str, Any], BulkRun]:
    """A whole run in this process."""
    with BulkRun(folder, authority, **more) as bulk, Workers(NOBODY, authority) as workers:
        bulk.begin(paths)
        bulk.run(workers)
        return bulk.result(), bulk


def traffic(folder: Path, seed: int, algorithm: int = ED25519, transfers: int = 200) -> Any:
    """A small folder of SIMULATED traffic, rich in cheats."""
    folder.mkdir()
    return write_part(folder, Plan(transfers, 40_000, seed, algorithm), 0, 1)


@pytest.mark.parametrize("algorithm", [ED25519, ES256])
def test_r23_r25_a_stream_finds_just_the_planned_cheats(tmp_path: Path, algorithm: int) -> None:
    made = traffic(tmp_path / "in", 5, algorithm)
    authority = Country(5).authority
    paths = find_files([tmp_path / "in"])
    found, _ = run(tmp_path / "out", authority, paths)
    assert made.transfers == 200
    assert {bytes.fromhex(kid) for kid in found["guilty"]} == made.guilty
    assert len(made.guilty) > 2
    assert found["loss_tiyn"] == made.loss_tiyn > 0
    assert found["refused"].get("E_SIG", 0) == made.cheats["forged"]
    assert found["notes_tiyn"] + found["loss_tiyn"] == (
        found["float_tiyn"] + found["redeemed_tiyn"] + found["claimed_tiyn"]
    )
    facts = Reference(authority).files(paths).facts()
    assert found["digest"] == facts.digest().hex()
    assert found["float_tiyn"] == facts.float_tiyn


class Town:
    """Batches of a small world with everything in them: bundles, invoices, statements, orders, spoilt bytes."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.world = World("town")
        self.people = [self.world.make_device(f"p{number}") for number in range(5)]
        self.orphan = self.world.make_device("orphan")
        self.batches: list[bytes] = []
        for number in range(12):
            self._day(number)

    def _day(self, number: int) -> None:
        world, chance = self.world, self.chance
        payer, payee, third = chance.sample([*self.people, self.orphan], 3)
        note = world.make_note(payer.kid, 10_000)
        invoice = world.make_invoice(payee.key, 4_000)
        first = world.make_transfer(payer.key, note, note, payee.kid, 4_000, reference=invoice.oid)
        second = world.make_transfer(payee.key, note, first, third.kid, 1_000)
        bundle = world.bundle([payer.certificate, payee.certificate], [(note, [first, second])])
        objects: list[Signed[Any]] = [invoice, first, second, note]
        if chance.random() < 0.4:
            objects.append(world.make_transfer(payer.key, note, note, third.kid, 4_000))
        if chance.random() < 0.3:
            objects.append(world.make_transfer(payee.key, note, first, third.kid, 9_000))
        if chance.random() < 0.3:
            objects.append(Signed(first.record, first.body, bytes(64), first.oid))
        if chance.random() < 0.5:
            objects += [one.certificate for one in (payer, payee, third) if one is not self.orphan]
        chance.shuffle(objects)
        request = self._statement(payee, number) if chance.random() < 0.5 else None
        batch = make_batch(
            number.to_bytes(16, "big"), [bundle] if chance.random() < 0.6 else [], objects, request
        )
        self.batches.append(self._spoil(batch) if chance.random() < 0.3 else batch.encode())

    def _statement(self, device: Device, number: int) -> Any:
        counter, head = self.world._logs.get(device.kid, (0, genesis_link(device.kid)))
        nonce = number.to_bytes(16, "big")
        record = SyncRequest(device.kid, number + 1, counter, head, 100, (), 0, 0, 0, 0, 1, nonce)
        return self.world.sign(record, device.key)

    def _spoil(self, batch: Batch) -> bytes:
        bundles = list(batch.bundles)
        objects: list[Any] = [list(item) for item in batch.objects]
        dice = self.chance.randrange(5)
        if dice == 0 and bundles:
            bundles[0] = bundles[0][:-1]
        elif dice == 1:
            objects[0] = [99, b"", bytes(64)]
        elif dice == 2:
            objects[0] = objects[0][:2]
        elif dice == 3:
            objects[0][1] = objects[0][1] + b"\0"
        else:
            return batch.encode() + b"\0"
        return Batch(batch.batch_id, tuple(bundles), tuple(objects), batch.sync_request).encode()

    def write(self, path: Path, order: list[int], start: int = 0) -> Path:
        file = BatchFile(path, self.world.network)
        for place, number in enumerate(order, start):
            file.append(self.batches[number], NOW + place)
        file.close()
        return path


@pytest.mark.parametrize("seed", range(6))
def test_r2_r3_batches_with_everything_in_them_end_as_the_slow_way_does(tmp_path: Path, seed: int) -> None:
    town = Town(seed)
    order = list(range(len(town.batches)))
    for turn in range(2):
        order += town.chance.choices(order, k=3)
        path = town.write(tmp_path / f"{turn}.dtb", order)
        reference = Reference(town.world.authority).files([path])
        found, bulk = run(tmp_path / f"out{turn}", town.world.authority, [path])
        assert found["digest"] == reference.facts().digest().hex()
        assert found["refused"] == dict(sorted(reference.refused.items()))
        assert found["waiting"] == sum(len(some) for some in reference.waiting.values())
        assert len(bulk.forest.shelf) == len(reference.seen)
        town.chance.shuffle(order)


def test_the_towns_are_rich(tmp_path: Path) -> None:
    codes: set[str] = set()
    for seed in range(6):
        town = Town(seed)
        path = town.write(tmp_path / f"{seed}.dtb", list(range(len(town.batches))))
        reference = Reference(town.world.authority).files([path])
        codes |= set(reference.refused)
        assert reference.waiting or reference.facts().guilt
    assert {"E_SIG", "E_DECODE", "E_OBJTYPE", "E_FIELD"} <= codes


@pytest.mark.parametrize("seed", range(3))
def test_r2_r3_files_in_any_order_and_cut_have_one_digest(tmp_path: Path, seed: int) -> None:
    """The arrival of a batch is its own wherever it stands, so the files may come in any order."""
    town = Town(seed)
    digests = set()
    for turn in range(4):
        names = []
        places = list(range(len(town.batches)))
        town.chance.shuffle(places)
        cut = town.chance.randrange(1, len(places))
        for part, some in enumerate((places[:cut], places[cut:])):
            file = BatchFile(tmp_path / f"{turn}-{part}.dtb", town.world.network)
            for number in sorted(some):
                file.append(town.batches[number], NOW + number)
            file.close()
            names.append(tmp_path / f"{turn}-{part}.dtb")
        town.chance.shuffle(names)
        found, _ = run(tmp_path / f"out{turn}", town.world.authority, names)
        digests.add(found["digest"])
    assert len(digests) == 1


def test_r1_a_batch_twice_changes_nothing_and_another_under_its_id_is_refused(tmp_path: Path) -> None:
    town = Town(1)
    other = make_batch(Batch(bytes(16), (), (), None).batch_id, (), [town.people[0].certificate]).encode()
    town.batches = [town.batches[0], town.batches[0], other]
    one, _ = run(tmp_path / "a", town.world.authority, [town.write(tmp_path / "a.dtb", [0])])
    two, _ = run(tmp_path / "b", town.world.authority, [town.write(tmp_path / "b.dtb", [0, 1, 2])])
    assert one["digest"] == two["digest"]
    assert two["refused"] == {**one["refused"], "E_BATCH_REUSED": 1}


def test_r5_what_came_before_its_certificate_enters_with_its_own_arrival(tmp_path: Path) -> None:
    world = World()
    ayan, shop = world.make_device("ayan"), world.make_device("shop")
    note = world.make_note(ayan.kid, 1_000)
    paid = world.make_transfer(ayan.key, note, note, shop.kid, 400)
    forged = Signed(paid.record, paid.body, bytes(64), paid.oid)
    path = tmp_path / "a.dtb"
    file = BatchFile(path, world.network)
    file.append(make_batch(bytes(16), (), [paid, forged, note]).encode(), NOW)
    with BulkRun(tmp_path / "out", world.authority) as bulk, Workers(NOBODY, world.authority) as workers:
        file.flush()
        bulk.begin([path])
        bulk.run(workers)
        assert bulk.result()["waiting"] == 2
        assert paid.oid not in bulk.forest.shelf
        file.append(make_batch(bytes(15) + b"1", (), [ayan.certificate]).encode(), NOW + 9)
        file.close()
        bulk.run(workers)
        found = bulk.result()
        assert found["waiting"] == 0
        assert found["refused"] == {"E_SIG": 1}
        assert bulk.forest.shelf.arrived(paid.oid) == NOW
        node = bulk.forest.shelf.number[paid.oid]
        assert bulk.forest.moment[node] == NOW + 9
    assert found["digest"] == Reference(world.authority).files([path]).facts().digest().hex()


def test_with_a_registry_a_note_that_nobody_registered_roots_nothing(tmp_path: Path) -> None:
    traffic(tmp_path / "in", 8)
    authority = Country(8).authority
    paths = find_files([tmp_path / "in"])
    reference = Reference(authority).files(paths)
    notes = sorted(signed.oid for signed in reference.seen if isinstance(signed.record, Note))
    registry = frozenset(notes[1:])
    found, bulk = run(tmp_path / "out", authority, paths, registry=registry)
    reference.registry = registry
    assert found["digest"] == reference.facts().digest().hex()
    assert found["pending"] > 0
    assert not bulk.forest.root[bulk.forest.shelf.number[notes[0]]]


# --- kills ---


class Killed(BaseException):
    """The process is gone."""


def test_r21_a_kill_at_any_write_ends_with_the_same_facts(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(stream, "CHUNK_BYTES", 30_000)
    traffic(tmp_path / "in", 9, transfers=400)
    authority = Country(9).authority
    paths = find_files([tmp_path / "in"])
    expected, _ = run(tmp_path / "whole", authority, paths)
    size = (tmp_path / "whole" / DIARY).stat().st_size
    for number in range(1, 7):
        left = number

        def checkpoint(name: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed(name)

        folder = tmp_path / f"killed{number}"
        with pytest.raises(Killed):
            run(folder, authority, paths, checkpoint=checkpoint)
        found, _ = run(folder, authority, paths, resume=True)
        assert found == expected
    data = (tmp_path / "whole" / DIARY).read_bytes()
    for cut in random.Random(1).sample(range(len(MAGIC), size), 5):
        folder = tmp_path / f"torn{cut}"
        folder.mkdir()
        (folder / DIARY).write_bytes(data[:cut])
        found, _ = run(folder, authority, paths, resume=True)
        assert found == expected


def test_a_run_goes_on_when_its_files_have_grown(tmp_path: Path) -> None:
    town = Town(2)
    order = list(range(len(town.batches)))
    path = town.write(tmp_path / "a.dtb", order[:5])
    run(tmp_path / "out", town.world.authority, [path])
    path = town.write(tmp_path / "a.dtb", order[5:], 5)
    grown, bulk = run(tmp_path / "out", town.world.authority, [path], resume=True)
    again, idle = run(tmp_path / "out", town.world.authority, [path], resume=True)
    assert grown == again
    assert bulk.taking.signatures > 0
    assert idle.taking.signatures == 0
    assert grown["digest"] == Reference(town.world.authority).files([path]).facts().digest().hex()


def test_a_folder_goes_on_only_with_what_it_began_with(tmp_path: Path) -> None:
    traffic(tmp_path / "in", 3)
    traffic(tmp_path / "other", 4)
    authority = Country(3).authority
    paths = find_files([tmp_path / "in"])
    run(tmp_path / "out", authority, paths)
    for more in ({}, {"resume": True, "grace_seconds": 5}, {"resume": True, "registry": frozenset()}):
        with pytest.raises(Refused) as refused:
            run(tmp_path / "out", authority, paths, **more)
        assert refused.value.code == "E_RECONCILE_STATE"
    for wrong in ([], find_files([tmp_path / "other"])):
        with pytest.raises(TengeError) as changed:
            run(tmp_path / "out", authority, wrong, resume=True)
        assert changed.value.code in {"E_RECONCILE_STATE", "E_BATCH_FILE"}
    # The same name and network, and other batches.
    (tmp_path / "in" / "part-000.dtb").unlink()
    write_part(tmp_path / "in", Plan(100, 40_000, 3, ED25519), 0, 1)
    with pytest.raises(Refused) as refused:
        run(tmp_path / "out", authority, paths, resume=True)
    assert refused.value.code == "E_RECONCILE_STATE"


def test_a_diary_is_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"something else")
    with pytest.raises(Refused) as refused:
        Diary(tmp_path / "a")
    assert refused.value.code == "E_RECONCILE_STATE"


def test_damage_in_a_file_is_told_and_what_came_before_it_counts(tmp_path: Path) -> None:
    traffic(tmp_path / "in", 6, transfers=1_000)
    authority = Country(6).authority
    (path,) = find_files([tmp_path / "in"])
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    with pytest.raises(TengeError) as refused:
        run(tmp_path / "out", authority, [path])
    assert refused.value.code == "E_BATCH_FILE"
    data[-20] ^= 1
    path.write_bytes(data)
    found, _ = run(tmp_path / "out", authority, [path], resume=True)
    assert found["digest"] == Reference(authority).files([path]).facts().digest().hex()


@pytest.mark.slow
def test_r21_r25_a_killed_process_is_gone_on_with_in_others_under_another_hash_seed(tmp_path: Path) -> None:
    """kill -9 of a run with workers, then the rest in another process with another hash seed: one digest."""
    traffic(tmp_path / "in", 11, transfers=1_000)
    authority = Country(11).authority
    expected, _ = run(tmp_path / "whole", authority, find_files([tmp_path / "in"]))
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from offline.bulk.files import find_files\n"
        "from offline.bulk.stream import BulkRun\n"
        "from offline.bulk.synthetic import Country\n"
        "from offline.bulk.work import Workers\n"
        "def kill(name):\n"
        "    if name == 'bulk.diary.after' and sys.argv[3] == 'kill':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "if __name__ == '__main__':\n"
        "    authority = Country(11).authority\n"
        "    with BulkRun(Path(sys.argv[2]), authority, resume=True, checkpoint=kill) as bulk:\n"
        "        with Workers(int(sys.argv[4]), authority) as workers:\n"
        "            bulk.begin(find_files([Path(sys.argv[1])]))\n"
        "            bulk.run(workers)\n"
        "        print(bulk.result()['digest'])\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program, encoding="utf-8")
    root = str(Path(__file__).resolve().parents[2])
    given = [sys.executable, str(script), str(tmp_path / "in"), str(tmp_path / "out")]
    killed = subprocess.run(
        [*given, "kill", "0"], env={"PYTHONPATH": root, "PYTHONHASHSEED": "1"}, check=False
    )
    assert killed.returncode == -9
    rest = subprocess.run(
        [*given, "go", "1"],
        env={"PYTHONPATH": root, "PYTHONHASHSEED": "77"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert rest.stdout.strip() == expected["digest"]


# --- the shelf ---


def test_the_shelf_answers_as_seen_does(tmp_path: Path) -> None:
    town = Town(4)
    path = town.write(tmp_path / "a.dtb", [*range(len(town.batches)), 0, 3])
    seen = Reference(town.world.authority).files([path]).seen
    with (
        BulkRun(tmp_path / "out", town.world.authority) as bulk,
        Workers(NOBODY, town.world.authority) as workers,
    ):
        bulk.begin([path])
        bulk.run(workers)
        kept = bulk.forest.shelf
        for signed in seen:
            assert kept.get(signed.oid) == signed
            assert kept.arrived(signed.oid) == seen.arrived(signed.oid)
            assert [one.oid for one in kept.children(signed.oid)] == [
                one.oid for one in seen.children(signed.oid)
            ]
            assert (kept.transfer(signed.oid) is None) != isinstance(signed.record, Transfer)
            assert kept.invoice(signed.oid) == seen.invoice(signed.oid)
            assert kept.order(signed.oid) == seen.order(signed.oid)
        for transfer in seen.transfers():
            record = transfer.record
            assert kept.spent_by(record.payer, record.outpoint) == seen.spent_by(
                record.payer, record.outpoint
            )
            assert kept.counted(record.payer, record.counter) == seen.counted(record.payer, record.counter)
            assert kept.linked(record.payer, record.link) == seen.linked(record.payer, record.link)
        for name in ("transfers", "notes", "receipts"):
            assert {one.oid for one in getattr(kept, name)()} == {one.oid for one in getattr(seen, name)()}
        for signed in seen:
            if isinstance(signed.record, DeviceCertificate):
                kid = signed.record.kid
                assert kept.certificates(kid) == seen.certificates(kid)
                assert kept.certificate(kid) == seen.certificate(kid)
                assert kept.certified_at(kid) == seen.certified_at(kid)
                assert kept.requests(kid) == seen.requests(kid)
        assert kept.synced_kids() == seen.synced_kids()
        for name in ("twice_spent", "twice_counted", "twice_linked", "broken_logs"):
            assert {kid: what for kid, what in getattr(kept, name).items() if what} == {
                kid: what for kid, what in getattr(seen, name).items() if what
            }
        assert b"nothing" not in kept
        assert kept.get(b"nothing") is None


def test_r37_memory_grows_with_the_objects_and_not_by_much(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(stream, "CHUNK_BYTES", 60_000)
    monkeypatch.setattr(shelf, "_KEPT_OBJECTS", 64)
    traffic(tmp_path / "in", 12, transfers=900)
    authority = Country(12).authority
    (path,) = find_files([tmp_path / "in"])
    chunk_bytes, sizes = [], []
    with BulkRun(tmp_path / "out", authority) as bulk, Workers(NOBODY, authority) as workers:
        bulk.begin([path])
        tracemalloc.start()
        try:

            def tell(progress: Any) -> None:
                chunk_bytes.append(tracemalloc.get_traced_memory()[0])
                sizes.append(progress.objects)

            bulk.run(workers, tell)
        finally:
            tracemalloc.stop()
    assert len(sizes) >= 2
    grown = (chunk_bytes[-1] - chunk_bytes[0]) / (sizes[-1] - sizes[0])
    assert grown < 1_400, "a million transfers with all that belongs to them stay within 2 GiB"
