"""Two readers of one protocol: ours, and one written from docs/protocol and the vectors alone, agree.

`tests/second` was made by somebody who had seen nothing else and imports nothing of the product. Both answer every
vector alike, and as many mutated messages as `TENGE_MUTATED` says (100,000 take some minutes): each is a vector whose
values were changed, and often signed again by a device that has been opened, so that changes reach the rules.
"""

import ast
import os
import random
from collections import Counter
from functools import cache
from typing import Any

import pytest

from cbdc.keys import ED25519, ES256
from tests.fuzz.mutation import Keyring, Mutator
from tests.fuzz.stage import roles_of
from tests.house.tree import ROOT
from tests.offline.world import World
from tests.second import check_case
from tests.vectors.case import Case, Context, load, run_bytes
from tests.vectors.generate import MAKERS
from tests.vectors.make_certificates import NAMES

MUTATED = int(os.environ.get("TENGE_MUTATED", "600"))
FILES = {name: load(name) for name in MAKERS}
CASES = [(one, file["context"]) for file in FILES.values() for one in file["cases"]]
# What a reader judges whole: bundles, payments, commits, proofs, and what they are made of.
MUTABLE = (
    "offer",
    "payment",
    "commit",
    "step",
    "certificate",
    "note",
    "invoice",
    "evidence",
    "message",
    "adopt",
)
FAMILIES = ("transfers", "payment", "commit", "certificates", "edges", "evidence", "messages")
PEOPLE = "ABCDEFGHK"


def answers(one: Case, context: Context, data: bytes) -> tuple[str, str]:
    """What we say of these bytes, and what the second reader says."""
    try:
        ours = run_bytes(one, context, data)
    except AssertionError:
        ours = "ok"  # accepted, and another value than the vector's
    theirs = check_case({**one, "bytes": data.hex()}, context)
    return ours, "ok" if theirs == "E_MISMATCH" else theirs


@cache
def keyring(network: str) -> Keyring | None:
    """The keys of the world that a vector stands in, where it is one of the known families."""
    for family in FAMILIES:
        for algorithm in (ED25519, ES256):
            world = World(f"{family} {NAMES[algorithm]}")
            if world.network.hex() == network:
                people = [world.key(name, algorithm) for name in PEOPLE]
                return Keyring(world.network, roles_of(world), people)
    return None


def test_the_second_reader_stands_alone() -> None:
    for path in (ROOT / "tests/second").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = ["." if node.level else str(node.module)]
            else:
                continue
            for name in names:
                assert name.split(".")[0] not in ("cbdc", "offline", "wallets", "tests"), (
                    f"{path.name}: {name}"
                )


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_both_readers_answer_every_vector_alike(name: str) -> None:
    file: Any = FILES[name]
    different = {
        one["id"]: (one["expect"], answer)
        for one in file["cases"]
        if (answer := check_case(one, file["context"])) != one["expect"]
    }
    assert different == {}


@pytest.mark.slow
def test_both_readers_answer_mutated_messages_alike() -> None:
    dice = random.Random(20_261_128)
    known = [(one, context) for one, context in CASES if one["check"] in MUTABLE and one["expect"] == "ok"]
    donors = [bytes.fromhex(one["bytes"]) for one, _ in dice.sample(known, 60)]
    told: Counter[str] = Counter()
    for number in range(MUTATED):
        one, context = dice.choice(known)
        chosen = one.get("context", context)
        place = context[chosen] if isinstance(chosen, str) else chosen
        mutator = Mutator(keyring(place.get("network", "")), donors)
        data = mutator.mutate(bytes.fromhex(one["bytes"]), dice)
        ours, theirs = answers(one, context, data)
        assert ours == theirs, f"{number}, {one['id']}: we say {ours}, they say {theirs}: {data.hex()}"
        told[ours] += 1
    assert len(told) > 25 + (MUTATED > 10_000) * 15, f"too few kinds of answers: {told}"
    assert told["ok"] > 0
