"""What the grader asks of this exercise. The attacks run on a real ledger; the defence is attacked in turn.

Each forged payment in part 2 has an honest twin, and counts only when the twin is accepted: refusing everything earns
nothing.
"""

import random
from collections.abc import Callable

from bazaar import Bazaar
from counterfeits import Counterfeiter, Forgery

from cbdc.errors import TengeError
from cbdc.ledger.entry import Receipt
from cbdc.transaction import Issue, RegisterKey, SignedTransaction, Transfer, open_transaction
from wallets.exercises.asking import need, refusal
from wallets.exercises.labs import Key
from wallets.exercises.line import Raised, Student

Aim = Callable[[Bazaar, SignedTransaction], str]
REFUSALS = ("Forged", "TengeError")


def _attack(student: Student, seed: int, name: str, code: str, aim: Aim) -> None:
    """The attack must have been made (`aim` says what is missing), refused with `code`, and read rightly."""
    bazaar = Bazaar(seed)
    answer = getattr(student, name)(bazaar)
    need(bazaar.submitted, "nothing_submitted")
    data, outcome = bazaar.submitted[-1]
    need(isinstance(outcome, TengeError), "accepted_so_no_forgery")
    assert isinstance(outcome, TengeError)
    need(outcome.code == code, "another_guard", code=outcome.code, text=outcome.sentence())
    problem = aim(bazaar, _opened(data, bazaar.network))
    need(not problem, problem)
    right = (outcome.code, outcome.rule)
    need(answer == right, "read_wrongly", said=right, answer=repr(answer)[:80])


def _opened(data: bytes, network: bytes) -> SignedTransaction:
    """The transaction, also where one token stands twice among its inputs."""
    try:
        return open_transaction(data, network)
    except TengeError as error:
        if error.code != "E_INPUT_TWICE":
            raise
    return Counterfeiter.open_anyway(data, network)


def _mine_tiyn(bazaar: Bazaar, attempt: SignedTransaction) -> int:
    kid = bazaar.you.public.kid
    return sum(token.amount_tiyn for token in attempt.record.creates if token.lock.holder == kid)


def _spend(bazaar: Bazaar, attempt: SignedTransaction) -> str:
    if not isinstance(attempt.record, Transfer):
        return "it_is_no_payment_transfer"
    return "" if _mine_tiyn(bazaar, attempt) else "nothing_of_it_would_be_yours"


def test_change_the_amount(student: Student, seed: int) -> None:
    """G2: a signature is over the id, and the id over every byte of the body."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        waiting = open_transaction(bazaar.waiting, bazaar.network)
        if attempt.record.spends != waiting.record.spends or attempt.witnesses != waiting.witnesses:
            return "it_is_not_the_payment_that_waits_with_the_signature_it_has"
        more = _mine_tiyn(bazaar, attempt) > _mine_tiyn(bazaar, waiting)
        return "" if more else "you_would_not_get_more_than_he_signed_for"

    _attack(student, seed, "change_the_amount", "E_SIG", aim)


def test_invent_a_token(student: Student, seed: int) -> None:
    """G3: what is spent must be there."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        if bazaar.spent in attempt.record.spends:
            return "that_token_did_exist_it_was_spent"
        return _spend(bazaar, attempt)

    _attack(student, seed, "invent_a_token", "E_TOKEN_SPENT", aim)


def test_spend_again(student: Student, seed: int) -> None:
    """G3 again: what was spent is no longer there."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        if attempt.record.spends != (bazaar.spent,):
            return "it_does_not_spend_the_spent_token"
        return _spend(bazaar, attempt)

    _attack(student, seed, "spend_again", "E_TOKEN_SPENT", aim)


def test_take_anothers_token(student: Student, seed: int) -> None:
    """G4: a right signature of the wrong key."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        his = {identity for identity, _ in bazaar.misers_tokens()}
        return _spend(bazaar, attempt) if his & set(attempt.record.spends) else "no_token_of_his_is_spent"

    _attack(student, seed, "take_anothers_token", "E_LOCKED", aim)


def test_make_more_of_it(student: Student, seed: int) -> None:
    """G5: only Issue makes money."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        has = dict(bazaar.your_tokens())
        spent = sum(has[identity].amount_tiyn for identity in attempt.record.spends)
        made = sum(token.amount_tiyn for token in attempt.record.creates)
        return _spend(bazaar, attempt) if made > spent else "the_outputs_are_not_worth_more_than_the_inputs"

    _attack(student, seed, "make_more_of_it", "E_SUM_LEDGER", aim)


def test_count_it_twice(student: Student, seed: int) -> None:
    """G1: one token stands once among the inputs."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        has = dict(bazaar.your_tokens())
        spent = sum(has[identity].amount_tiyn for identity in attempt.record.spends if identity in has)
        return "" if _mine_tiyn(bazaar, attempt) == spent else "the_sums_do_not_agree_with_counting_twice"

    _attack(student, seed, "count_it_twice", "E_INPUT_TWICE", aim)


def test_issue_without_officers(student: Student, seed: int) -> None:
    """G4: two of three officers sign an issue, and the operator."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        if not isinstance(attempt.record, Issue):
            return "it_is_no_issue"
        return "" if _mine_tiyn(bazaar, attempt) else "nothing_of_it_would_be_yours"

    _attack(student, seed, "issue_without_officers", "E_QUORUM", aim)


def test_key_of_small_order(student: Student, seed: int) -> None:
    """G2: a key under which one signature fits everything is no key."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        record = attempt.record
        if not isinstance(record, RegisterKey):
            return "it_is_no_registerkey"
        return "" if len(record.public_key) == 32 else "it_is_no_ed_key"

    _attack(student, seed, "key_of_small_order", "E_KEY", aim)


def test_replay(student: Student, seed: int) -> None:
    """A transaction is booked once; asked again, the ledger answers what it answered."""
    bazaar = Bazaar(seed)
    size, issued = bazaar.journal_size(), bazaar.issued_tiyn()
    answer = student.replay(bazaar)
    need([data for data, _ in bazaar.submitted] == [bazaar.settled], "settled_not_submitted_once_more")
    receipt = bazaar.submitted[0][1]
    assert isinstance(receipt, Receipt)
    assert (bazaar.journal_size(), bazaar.issued_tiyn()) == (size, issued)
    student.note("G1", "the same transaction, the same answer")
    need(answer == receipt.index, "another_index", index=receipt.index, answer=repr(answer)[:80])


# --- part 2 ---


def _judge(student: Student, maker: Counterfeiter, data: bytes) -> str:
    """What `accept` says: empty when it accepts, the refusal otherwise; a crash is its failure."""
    try:
        said = refusal(
            student.accept, data, maker.network, dict(maker.keys), dict(maker.unspent), kinds=REFUSALS
        )
    except Raised as error:
        need(
            error.is_a("NotImplementedError"),
            "crashed",
            kind=error.kinds[0],
            text=error.text,
            line=error.line,
        )
        raise
    return "" if said is None else said.code or said.text or said.kinds[0]


def _defence(student: Student, seed: int, kind: str, guard: str) -> None:
    """Every forgery of a kind is refused, and its honest twin accepted, asked in an order of chance."""
    maker = Counterfeiter(seed)
    forgeries: list[Forgery] = maker.forgeries(kind)
    asked = [(one, honest) for one in forgeries for honest in (True, False)]
    random.Random(seed).shuffle(asked)
    for forgery, honest in asked:
        said = _judge(student, maker, forgery.honest if honest else forgery.data)
        student.note("" if honest else guard, "explain.honest" if honest else f"story.{forgery.story}")
        if honest:
            need(not said, "honest_refused", said=said)
        else:
            need(said, "forgery_accepted", story=Key(f"story.{forgery.story}"))


def test_accept_honest_payments(student: Student, seed: int) -> None:
    """Every honest payment is accepted, twice, and nothing is remembered or changed."""
    maker = Counterfeiter(seed)
    honest = maker.honest()
    for story, data in [*honest, *reversed(honest)]:
        said = _judge(student, maker, data)
        need(not said, "this_honest_refused", story=Key(f"story.{story}"), said=said)


def test_accept_refuses_wrong_forms(student: Student, seed: int) -> None:
    """G1: what is no well-formed payment."""
    _defence(student, seed, "form", "G1")


def test_accept_refuses_wrong_signatures(student: Student, seed: int) -> None:
    """G2: signatures that are not of a known key over exactly this."""
    _defence(student, seed, "signature", "G2")


def test_accept_refuses_tokens_that_are_not_there(student: Student, seed: int) -> None:
    """G3."""
    _defence(student, seed, "token", "G3")


def test_accept_refuses_the_wrong_owner(student: Student, seed: int) -> None:
    """G4."""
    _defence(student, seed, "lock", "G4")


def test_accept_refuses_wrong_sums(student: Student, seed: int) -> None:
    """G5."""
    _defence(student, seed, "sum", "G5")


def test_accept_refuses_lost_marks(student: Student, seed: int) -> None:
    """G6."""
    _defence(student, seed, "mark", "G6")
