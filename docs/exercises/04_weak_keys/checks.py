"""What the grader asks of this exercise. The attacks run on the weak till; the defence is attacked in turn.

What an attack made is also shown to the product (`cbdc.keys`), which must refuse it: the till is weak, the rule is
not.
"""

import random

from corners import KINDS, Corner, Corners, twins
from teahouse import ALDAR, Till, slip_message

from cbdc.errors import TengeError
from cbdc.keys import ED25519, ES256, public_key
from wallets.exercises.asking import need, refusal
from wallets.exercises.labs import Key
from wallets.exercises.line import Raised, Student


def _product_takes(algorithm: int, raw: bytes, signature: bytes, message: bytes) -> bool:
    try:
        public_key(algorithm, raw).verify(signature, message)
    except TengeError:
        return False
    return True


def _attack(student: Student, name: str, till: Till, kind: str) -> list[tuple[object, ...]]:
    """What the till did of this kind after the attack, which must have returned what you got of it."""
    answer = getattr(student, name)(till)
    done = [facts for what, facts in till.events if what == kind]
    need(done, "nothing_done")
    need(type(answer) is int and answer > 0, "no_number", answer=repr(answer)[:80])
    need(till.book().keys() >= till.first_book.keys(), "nothing_done")
    return [*done, ("answer", answer)]


def _twin(student: Student, seed: int, name: str, algorithm: int) -> None:
    till = Till(seed)
    *paid, (_, answer) = _attack(student, name, till, "paid")
    payer, slip, signature, key = paid[-1]
    first = [one[2] for one in till.first_nail if (one[0], one[1]) == (payer, slip)]
    need(first and slip[0] == ALDAR, "not_a_slip_to_you")  # type: ignore[index]
    need(key == till.first_book[str(payer)] and payer != ALDAR, "payer_changed")
    need(key[0] == algorithm, "other_algorithm")  # type: ignore[index]
    need(signature not in first, "same_signature")
    need(answer == slip[1], "read_wrongly", paid=slip[1], answer=answer)  # type: ignore[index]
    taken = [_product_takes(*key, one, slip_message(slip)) for one in (first[0], signature)]  # type: ignore[misc,arg-type]
    assert taken.count(True) == 1, "the product takes one of two twins"
    student.note("G2", "cbdc.keys: E_SIG")


def test_second_paper(student: Student, seed: int) -> None:
    """ES256: s and n - s."""
    _twin(student, seed, "second_paper", ES256)


def test_longer_number(student: Student, seed: int) -> None:
    """Ed25519: S and S + L."""
    _twin(student, seed, "longer_number", ED25519)


def test_one_for_all(student: Student, seed: int) -> None:
    """A key of small order, in a writing that is on no list."""
    till = Till(seed)
    *paid, (_, answer) = _attack(student, "one_for_all", till, "paid")
    need(len(paid) >= 2, "two_slips")
    (payer, slip, signature, key), (payer2, slip2, signature2, key2) = paid[-2:]
    need(payer == payer2 == ALDAR and key == key2 != till.first_book[ALDAR], "not_your_weak_key")
    need(signature == signature2, "two_signatures")
    need(slip[1] != slip2[1], "one_amount")  # type: ignore[index]
    total = slip[1] + slip2[1]  # type: ignore[index]
    need(answer == total, "read_wrongly", paid=total, answer=answer)
    try:
        public_key(*key)  # type: ignore[misc]
    except TengeError as error:
        student.note("G2", f"cbdc.keys: {error.code}")
    else:
        raise AssertionError("the product takes this key")


def test_anothers_slips(student: Student, seed: int) -> None:
    """A public key under a second name."""
    till = Till(seed)
    *back, (_, answer) = _attack(student, "anothers_slips", till, "back")
    name, key, found, back_tiyn = back[-1]
    need(name == ALDAR, "not_your_name")
    others = {one for who, one in till.first_book.items() if who != ALDAR}
    need(key in others and found, "not_anothers_key")
    need(answer == back_tiyn, "read_wrongly", paid=back_tiyn, answer=answer)
    student.note("G4", "the ledger: E_POSSESSION")


def test_card_secret(student: Student, seed: int) -> None:
    """One nonce, two messages."""
    till = Till(seed)
    *paid, (_, answer) = _attack(student, "card_secret", till, "paid")
    payer, slip, _, key = paid[-1]
    need(payer == till.card and key == till.first_book[till.card], "payer_changed")
    need(slip[0] == ALDAR, "not_a_slip_to_you")  # type: ignore[index]
    need(all(slip != one for _, one, _ in till.first_nail), "old_slip")
    need(answer == slip[1], "read_wrongly", paid=slip[1], answer=answer)  # type: ignore[index]
    student.note("", "RFC 6979: a nonce from the secret and the message")


# --- part 2 ---


def _judge(student: Student, *arguments: object, name: str = "verify") -> str:
    """What the function says: empty when it accepts, the refusal otherwise; a crash is its failure."""
    try:
        said = refusal(getattr(student, name), *arguments, kinds=("Refused",))
    except Raised as error:
        need(
            error.is_a("NotImplementedError"),
            "crashed",
            name=name,
            kind=error.kinds[0],
            text=error.text[:120],
            line=error.line,
        )
        raise
    return "" if said is None else said.text or said.kinds[0]


def _defence(student: Student, seed: int, kind: str) -> None:
    """Wrong ones between right ones, in an order of chance; the product judges each alike."""
    corners = Corners(seed)
    honest = list(corners.honest())
    asked: list[Corner] = list(KINDS[kind](corners)) if kind else []
    asked += random.Random(seed).sample(honest, 5) if kind else honest * 2
    random.Random(seed + 1).shuffle(asked)
    for one in asked:
        arguments = (one.algorithm, one.raw, one.signature, one.message)
        assert _product_takes(*arguments) is one.right, one
        said = _judge(student, *arguments)
        student.note("" if one.right else "G2", one.story)
        story = Key(f"story.{one.story}")
        if one.right:
            need(not said, "honest_refused", story=story, said=said)
        else:
            need(said, "corner_accepted", story=story)


def test_verify_accepts_honest_signatures(student: Student, seed: int) -> None:
    """Every honest signature of both algorithms, every time."""
    _defence(student, seed, "")


def test_verify_refuses_wrong_signatures(student: Student, seed: int) -> None:
    """What is not this key's over this message."""
    _defence(student, seed, "wrong")


def test_verify_refuses_second_writings(student: Student, seed: int) -> None:
    """What was made of a right signature without the secret."""
    _defence(student, seed, "second")


def test_verify_refuses_keys_of_small_order(student: Student, seed: int) -> None:
    """In all their writings."""
    _defence(student, seed, "weak")


def test_verify_refuses_what_is_no_key(student: Student, seed: int) -> None:
    """Lengths, curves, algorithms."""
    _defence(student, seed, "strange")


def test_verify_refuses_strange_points(student: Student, seed: int) -> None:
    """R of small order, and what is right only times eight."""
    _defence(student, seed, "points")


def test_admit(student: Student, seed: int) -> None:
    """Possession, names and keys."""
    for story, arguments, right in Corners(seed).registrations():
        said = _judge(student, *arguments, name="admit")
        student.note("" if right else "G4", story)
        if right:
            need(not said, "guest_refused", story=Key(f"story.{story}"), said=said)
        else:
            need(said, "guest_admitted", story=Key(f"story.{story}"))


def test_payment_id(student: Student, seed: int) -> None:
    """One payment, one id, whatever its signature looks like."""
    known: dict[bytes, bytes] = {}
    for message, signatures in twins(random.Random(seed)):
        ids = {student.payment_id(message, signature) for signature in signatures}
        need(all(type(one) is bytes and len(one) == 32 for one in ids), "no_id")
        need(len(ids) == 1, "twin_counts_twice")
        identity = ids.pop()
        need(identity not in known, "one_id_for_two")
        known[identity] = message
    need(all(student.payment_id(message, b"") == one for one, message in known.items()), "twin_counts_twice")
