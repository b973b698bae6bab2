"""The fuzzer itself: it finds planted bugs, follows its seed, and finds nothing in a quarter of a minute (or longer).

`make fuzz` hunts for half an hour; TENGE_FUZZ_SECONDS sets how long the test does (15 by default).
"""

import gc
import json
import os
import random
import tracemalloc
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import Refused
from cbdc.keys import forget_verified
from cbdc.transaction import forget_opened
from offline import link
from tests.fuzz import __main__ as command
from tests.fuzz import engine
from tests.fuzz.engine import Coverage, Hunt, TooMuchWork, attempt
from tests.fuzz.mutation import Mutator, opened, packed
from tests.fuzz.stage import shared
from tests.fuzz.target import Broken, Target, check_signed, envelopes_in
from tests.fuzz.targets import MAKERS
from tests.sizes import some

SECONDS = int(os.environ.get("TENGE_FUZZ_SECONDS", "15"))


@pytest.mark.slow
def test_n20_nothing_breaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--engine", "own", "--seconds", str(SECONDS), "--folder", str(tmp_path)]
    assert command.main(arguments) == 0, capsys.readouterr().out
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["found"] == []
    assert {row["target"] for row in summary["targets"]} == set(MAKERS)
    for row in summary["targets"]:
        # Every target was reached, took what is right, and refused for more than one reason.
        least = min(row["runs"] // 50, row["edges"] // 50, row["accepted"], row["answers"] // 2)
        assert least >= 1, row
    assert capsys.readouterr().out.splitlines()[-1].startswith("fuzz: ")


@pytest.mark.parametrize("name", some(list(MAKERS), 3))
def test_the_same_seed_hunts_the_same(name: str) -> None:
    target = MAKERS[name]()
    hunts = []
    for seed in (3, 3, 3, 4):
        hunts.append(Hunt(target, seed))
        for _ in range(60):
            hunts[-1].step()
    # The first run fills what lives as long as the process (transactions read once, lazy imports).
    one, other, third = hunts[1:]
    assert one.summary() == other.summary()
    assert one.corpus == other.corpus
    assert one.dice.random() == other.dice.random() != third.dice.random()


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=30)
@given(dice=st.randoms(use_true_random=False), number=st.integers(0, 200))
def test_property_any_mutation_is_refused_or_right(name: str, dice: random.Random, number: int) -> None:
    """The same targets under hypothesis, which makes a failing input small."""
    target = _target(name)
    data = target.seeds[number % len(target.seeds)]
    for _ in range(3):
        data = target.mutator.mutate(data, dice)
        target.run(data)


_KEPT: dict[str, Target] = {}


def _target(name: str) -> Target:
    if name not in _KEPT:
        _KEPT[name] = MAKERS[name]()
    return _KEPT[name]


@pytest.mark.parametrize(
    "name", some(["decode", "object", "bundle", "evidence", "frames", "apdu", "ble", "message"], 2, 1)
)
def test_the_same_inputs_again_leave_nothing_in_memory(name: str) -> None:
    target = _target(name)
    dice = random.Random(5)
    inputs = [target.mutator.mutate(dice.choice(list(target.seeds)), dice) for _ in range(150)]
    tracemalloc.start()
    try:
        for _ in range(2):
            for data in inputs:
                target.run(data)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(4):
            for data in inputs:
                target.run(data)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 64 * 1_024
    finally:
        tracemalloc.stop()


# --- planted bugs ---


def hunted(name: str, steps: int) -> list[str]:
    """What a hunt of so many steps finds, whatever this process has read before."""
    forget_verified()
    forget_opened()
    hunt = Hunt(MAKERS[name](), 1)
    for _ in range(steps):
        hunt.step()
    return hunt.summary()["found"]


def test_it_finds_a_decoder_that_takes_two_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    def lenient(data: bytes, limit_bytes: int = canonical.MAX_MESSAGE_BYTES) -> Any:
        try:
            value = msgpack.unpackb(data, raw=False, strict_map_key=False)
        except Exception:
            raise Refused("E_SESSION", problem="no MessagePack") from None
        canonical._check(value, 1)
        return value

    assert hunted("decode", 1_500) == []
    monkeypatch.setattr(canonical, "decode", lenient)
    assert any("two forms" in problem for problem in hunted("decode", 1_500))


def test_it_finds_an_exception_of_another_family(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(data: bytes, limit_bytes: int = canonical.MAX_MESSAGE_BYTES) -> Any:
        return msgpack.unpackb(data, raw=False)

    monkeypatch.setattr(canonical, "decode", careless)
    assert any("Error" in problem for problem in hunted("decode", 1_500))


def test_it_finds_signatures_that_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    from cbdc.keys import PublicKey

    monkeypatch.setattr(PublicKey, "verify", lambda self, signature, message: None)
    assert any("nobody signed" in problem for problem in hunted("bundle", 1_500))


def test_it_finds_an_assembler_that_does_not_ask_for_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never(bytes):
        def __ne__(self, other: object) -> bool:
            return False

    assert hunted("frames", 300) == []
    monkeypatch.setattr(link, "message_id", lambda message: Never(4))
    assert any("did not name" in problem for problem in hunted("frames", 300))


def test_it_finds_work_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(text: str) -> bytes:
        return link.unbase45(text)

    coverage = Coverage()
    monkeypatch.setattr(engine, "MOST_LINES", 1_000)
    with pytest.raises(TooMuchWork):
        coverage.run(lambda: [endless("BB8") for _ in range(1_000)])
    target = Target("long", [b"x"], lambda world, data: [endless("BB8") for _ in range(1_000)])  # type: ignore[arg-type]
    hunt = Hunt(target, 1)
    hunt.step()
    assert any("TooMuchWork" in problem for problem in hunt.summary()["found"])


# --- what is saved and told ---


def test_a_finding_is_saved_and_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def play(world: Any, data: bytes) -> None:
        raise Broken("it broke")

    answer, broken = attempt(Target("decode", [b"x"], play), b"\x90")
    assert answer == "Broken"
    assert broken is not None
    path = broken.save(tmp_path)
    assert path.read_bytes() == b"\x90"
    assert command.main(["--replay", str(path)]) == 0
    assert capsys.readouterr().out == "ok\n"


def test_growth_and_findings_make_it_fail(capsys: pytest.CaptureFixture[str]) -> None:
    good = engine.total([], 1.0, 0.0) | {"engine": "own", "seed": 1}
    assert command.report(good) == 0
    assert command.report({**good, "growth_mib": 1_000}) == 1
    assert command.report({**good, "found": ["bundle: it broke"]}) == 1
    assert "TOO MUCH" in capsys.readouterr().out


# --- mutations ---


def test_what_is_opened_packs_again() -> None:
    for name in MAKERS:
        for data in _target(name).seeds:
            tree = opened(data)
            if isinstance(tree, list) and name not in ("decode", "evidence"):
                assert packed(tree) == data


def test_mutations_are_signed_again_by_those_who_were_opened() -> None:
    stage = shared()
    payment = stage.payer.resend(stage.payer.status(stage.now).outbox[0])
    dice = random.Random(2)
    mutator = Mutator(stage.keyring, [payment])
    changed = [mutator.mutate(payment, dice) for _ in range(300)]
    assert len(set(changed)) > 250
    genuine = list(envelopes_in(payment))
    vouched = sum(
        envelope not in genuine and stage.keyring.vouches(*envelope)
        for data in changed
        for envelope in envelopes_in(data)
        if type(envelope[0]) is int and 0 < envelope[0] < 15
    )
    assert vouched > 50
    check_signed(payment, stage.keyring)
    with pytest.raises(Broken):
        check_signed(stage.payer.certificate.encode()[:-1] + b"?", stage.keyring)
