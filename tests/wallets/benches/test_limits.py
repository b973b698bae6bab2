"""The limits of the machine: real signatures, really verified; real appends; what a process used."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import nacl.bindings
import pytest

from cbdc import keys
from wallets.benches import limits


def test_the_signatures_stand_and_are_all_different() -> None:
    asked = limits.signed_messages(130)
    assert len({(signature, message) for _, _, signature, message in asked}) == 130
    assert len({raw for _, raw, _, _ in asked}) == limits.KEYS
    keys.forget_verified()
    for algorithm, raw, signature, message in asked:
        keys.PublicKey(algorithm, raw).verify(signature, message)


def test_each_library_verifies_each_signature_in_the_time_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process remembers of signatures it made must not be counted as speed."""
    asked: list[str] = []

    def heard(name: str, really: Any) -> Any:
        def verify(*given: Any) -> Any:
            asked.append(name)
            return really(*given)

        return verify

    monkeypatch.setattr(limits, "on_all_cores", lambda questions, cores, name: len(questions))
    # The signer checks what it signs as well, so count from when the signatures stand.
    stood = limits.signed_messages(30)
    monkeypatch.setattr(limits, "signed_messages", lambda count: stood)
    monkeypatch.setattr(nacl.bindings, "crypto_sign_open", heard("PyNaCl", nacl.bindings.crypto_sign_open))
    monkeypatch.setattr(keys, "_opens", heard("libsodium", keys._opens))
    found = limits.verifications(30)
    assert Counter(asked)["libsodium"] == 3 * 30
    assert Counter(asked)["PyNaCl"] == 3 * 30
    assert set(found) == {"libsodium", "PyNaCl", "cryptography"}
    assert all(
        speeds["one_core_per_second"] > 0 and speeds["all_cores_per_second"] == 30
        for speeds in found.values()
    )


def test_all_cores_verify_the_same_signatures() -> None:
    assert limits.on_all_cores(limits.signed_messages(20), 1, limits.CHOSEN) > 0


def test_appends_are_on_the_disk(tmp_path: Path) -> None:
    seconds = limits.append_seconds(tmp_path, 5)
    assert len(seconds) == 5
    assert (tmp_path / "appends").stat().st_size == 5 * limits.APPEND_BYTES
    machine = limits.machine(seconds)
    assert machine["cores"] >= 1
    assert machine["disk_sync_ms"] > 0
    assert "PyNaCl" in machine["versions"]


def test_what_a_process_used() -> None:
    assert limits.peak_mib(os.getpid()) > 1
    assert limits.processor_seconds(os.getpid()) > 0
    assert limits.peak_mib(2**22 + 1) == 0
    assert limits.processor_seconds(2**22 + 1) == 0


def test_a_child_that_ended_is_counted() -> None:
    before = limits.processor_seconds(os.getpid())
    # More than is asked for: a system that counts in hundredths rounds each part down.
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    assert limits.processor_seconds(os.getpid()) - before >= 0.3
