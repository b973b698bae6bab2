"""The directory of phone numbers: found one by one, counted, moved and removed only by who holds them."""

from dataclasses import replace

import pytest

from cbdc.aliases import PROOF_SECONDS, AliasDirectory, claim_purpose, move_purpose, normal, remove_purpose
from cbdc.cabinet import MemoryCabinet
from cbdc.errors import Malformed, TengeError
from cbdc.orders import HolderProof
from cbdc.ports import ManualClock
from cbdc.record import Signed, sign
from cbdc.system import System
from cbdc.transaction import RotateKey, sign_transaction
from tests.cbdc.institutions import ident, key, make_system, person

NUMBER, OTHER = "+7 701 000-00-01", "+77010000002"
SECRET = bytes(range(32))


class Watched(MemoryCabinet):
    """A cabinet that remembers every row it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes] = []

    def put_many(self, rows):  # type: ignore[no-untyped-def]
        rows = list(rows)
        self.seen += [part for row in rows for part in (row.id, row.data or b"")]
        super().put_many(rows)


@pytest.fixture
def system() -> System:
    made = make_system()
    for name, bank in (("ayan", 1), ("aruzhan", 1), ("dana", 2)):
        person(made, name, bank)
    return made


@pytest.fixture
def directory(system: System) -> AliasDirectory:
    return AliasDirectory(system.ledger, Watched(), SECRET, system.clock, 3)


def word(system: System, name: str, purpose: str, at: int = 0) -> Signed[HolderProof]:
    record = HolderProof(key(name).public.kid, purpose, system.clock.now() + at, bytes(16))
    return sign(record, system.network, key(name))


def claim(system: System, directory: AliasDirectory, name: str, number: str = NUMBER) -> None:
    directory.claim(number, word(system, name, claim_purpose(number)))


def ask(directory: AliasDirectory, asker: str, number: str = NUMBER, name: str = "look") -> str:
    try:
        found = directory.resolve(ident(name), key(asker).public.kid, number)
    except TengeError as refusal:
        return refusal.code
    return next(who for who in ("ayan", "ayan.2", "aruzhan", "dana") if key(who).public.kid == found)


def code(call, *arguments):  # type: ignore[no-untyped-def]
    with pytest.raises(TengeError) as refusal:
        call(*arguments)
    return refusal.value.code


@pytest.mark.parametrize("number", ["+77010000001", "+7 701 000 00 01", "+7(701)000-00-01"])
def test_a_number_has_one_form(number: str) -> None:
    assert normal(number) == "+77010000001"


@pytest.mark.parametrize(
    "number", ["", "7010000001", "+0701000001", "+7701", "+7" * 30, "+7701000000a", "+٧7010000001"]
)
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(Malformed, match="E_ALIAS_NUMBER"):
        normal(number)


def test_a_claimed_number_leads_to_its_holder(system: System, directory: AliasDirectory) -> None:
    claim(system, directory, "aruzhan")
    assert ask(directory, "ayan") == "aruzhan"
    assert ask(directory, "ayan", "+77010000001") == "aruzhan"


def test_a_number_leads_to_the_present_key(system: System, directory: AliasDirectory) -> None:
    claim(system, directory, "ayan")
    new = key("ayan.2")
    record = RotateKey(bytes(16), key("ayan").public.kid, new.public.algorithm, new.public.raw)
    signers = [key("ayan"), new, system.keys.bank(1)]
    system.ledger.submit(sign_transaction(record, system.network, signers).encode())
    assert ask(directory, "dana") == "ayan.2"
    # What was known before the change stays the holder's: the new key may claim again, and others may not.
    directory.claim(NUMBER, word(system, "ayan.2", claim_purpose(NUMBER)))
    assert code(directory.claim, NUMBER, word(system, "ayan", claim_purpose(NUMBER))) == "E_KEY_RETIRED"
    assert code(directory.claim, NUMBER, word(system, "dana", claim_purpose(NUMBER))) == "E_ALIAS_TAKEN"


def test_two_people_cannot_have_one_number(system: System, directory: AliasDirectory) -> None:
    claim(system, directory, "ayan")
    claim(system, directory, "ayan")
    assert code(claim, system, directory, "aruzhan") == "E_ALIAS_TAKEN"
    claim(system, directory, "ayan", OTHER)
    assert ask(directory, "dana", OTHER) == "ayan"


def test_only_who_has_a_number_moves_it_even_to_another_bank(
    system: System, directory: AliasDirectory
) -> None:
    claim(system, directory, "ayan")
    target = key("dana").public.kid
    purpose = move_purpose(NUMBER, target)
    assert code(directory.move, NUMBER, target, word(system, "dana", purpose)) == "E_ALIAS_PROOF"
    assert (
        code(directory.move, NUMBER, target, word(system, "ayan", claim_purpose(NUMBER))) == "E_ALIAS_PROOF"
    )
    assert (
        code(directory.move, NUMBER, key("nobody").public.kid, word(system, "ayan", purpose))
        == "E_ALIAS_PROOF"
    )
    directory.move(NUMBER, target, word(system, "ayan", purpose))
    directory.move(NUMBER, target, word(system, "ayan", purpose))
    assert ask(directory, "aruzhan") == "dana"
    assert code(directory.move, OTHER, target, word(system, "ayan", purpose)) == "E_ALIAS_UNKNOWN"


def test_only_who_has_a_number_removes_it(system: System, directory: AliasDirectory) -> None:
    claim(system, directory, "ayan")
    purpose = remove_purpose(NUMBER)
    assert code(directory.remove, NUMBER, word(system, "dana", purpose)) == "E_ALIAS_PROOF"
    directory.remove(NUMBER, word(system, "ayan", purpose))
    assert ask(directory, "dana") == "E_ALIAS_UNKNOWN"
    assert ask(directory, "aruzhan") == "E_ALIAS_UNKNOWN"
    claim(system, directory, "dana")
    assert ask(directory, "aruzhan") == "E_ALIAS_UNKNOWN", "the same lookup has the same answer"
    assert ask(directory, "aruzhan", name="later") == "dana"


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (PROOF_SECONDS, ""),
        (-PROOF_SECONDS, ""),
        (PROOF_SECONDS + 1, "E_ALIAS_PROOF"),
        (-PROOF_SECONDS - 1, "E_ALIAS_PROOF"),
    ],
)
def test_a_word_is_good_for_ten_minutes(
    system: System, directory: AliasDirectory, late: int, expected: str
) -> None:
    proof = word(system, "ayan", claim_purpose(NUMBER), at=late)
    assert PROOF_SECONDS == 600
    if expected:
        assert code(directory.claim, NUMBER, proof) == expected
    else:
        directory.claim(NUMBER, proof)


def test_a_word_needs_the_keys_own_signature_and_a_known_key(
    system: System, directory: AliasDirectory
) -> None:
    proof = word(system, "ayan", claim_purpose(NUMBER))
    other = word(system, "dana", claim_purpose(NUMBER))
    assert code(directory.claim, NUMBER, replace(proof, signature=other.signature)) == "E_SIG"
    assert code(claim, system, directory, "nobody") == "E_KEY_UNKNOWN"


def test_lookups_are_counted_for_the_holder_found_or_not(system: System, directory: AliasDirectory) -> None:
    claim(system, directory, "aruzhan")
    assert ask(directory, "ayan", name="1") == "aruzhan"
    assert ask(directory, "ayan", "+77019999999", "2") == "E_ALIAS_UNKNOWN"
    assert ask(directory, "ayan", name="1") == "aruzhan"
    assert ask(directory, "ayan", name="3") == "aruzhan"
    assert ask(directory, "ayan", name="4") == "E_ALIAS_RATE"
    assert ask(directory, "ayan", "+77019999999", "2") == "E_ALIAS_UNKNOWN"
    assert ask(directory, "dana", name="1") == "aruzhan"
    assert ask(directory, "dana", name="5") == "aruzhan"
    assert ask(directory, "dana", name="6") == "aruzhan"
    assert ask(directory, "dana", name="7") == "E_ALIAS_RATE", (
        "another holder's lookup is no answer of its own"
    )
    clock = system.clock
    assert isinstance(clock, ManualClock)
    clock.advance(86_400)
    assert ask(directory, "ayan", name="4") == "aruzhan"


def test_a_second_key_buys_no_second_count(system: System, directory: AliasDirectory) -> None:
    claim(system, directory, "aruzhan")
    system.banks[1].register_key(ident("ayan"), key("ayan.2"))
    assert [ask(directory, "ayan", name=str(n)) for n in range(3)] == ["aruzhan"] * 3
    assert ask(directory, "ayan.2", name="more") == "E_ALIAS_RATE"


def test_an_answer_stays_while_a_number_moves(system: System, directory: AliasDirectory) -> None:
    claim(system, directory, "ayan")
    assert ask(directory, "aruzhan", name="before") == "ayan"
    target = key("dana").public.kid
    directory.move(NUMBER, target, word(system, "ayan", move_purpose(NUMBER, target)))
    assert ask(directory, "aruzhan", name="before") == "ayan"
    assert ask(directory, "aruzhan", OTHER, name="before") == "E_ID_REUSED"
    assert ask(directory, "aruzhan", name="after") == "dana"


def test_without_the_rule_nobody_counts(system: System) -> None:
    directory = AliasDirectory(system.ledger, MemoryCabinet(), SECRET, system.clock, None)
    claim(system, directory, "aruzhan")
    assert {ask(directory, "ayan", name=str(n)) for n in range(50)} == {"aruzhan"}
    assert code(directory.resolve, ident("x"), key("nobody").public.kid, NUMBER) == "E_KEY_UNKNOWN"


def test_nothing_that_is_kept_names_the_number(system: System) -> None:
    cabinet = Watched()
    directory = AliasDirectory(system.ledger, cabinet, SECRET, system.clock, 3)
    claim(system, directory, "aruzhan")
    ask(directory, "ayan")
    target = key("dana").public.kid
    directory.move(NUMBER, target, word(system, "aruzhan", move_purpose(NUMBER, target)))
    digits = normal(NUMBER)[1:].encode()
    assert cabinet.seen
    assert not any(digits in part for part in cabinet.seen)
    assert not any(digits in entry.payload for entry in system.ledger.entries(0))
    # Two directories keep nothing in common: the secret is in every row's name.
    other = Watched()
    claim(system, AliasDirectory(system.ledger, other, bytes(32), system.clock, 3), "aruzhan")
    assert not set(other.seen[::2]) & set(cabinet.seen[::2])
    assert "all" not in vars(AliasDirectory)
