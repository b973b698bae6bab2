"""What the grader asks of exercise 1. The attacks run on a real ledger; the defence is attacked in turn.

Each forged payment in part 2 has an honest twin, and counts only when the twin is accepted: refusing everything earns
nothing.
"""

from collections.abc import Callable
from types import ModuleType

from bazaar import Bazaar
from counterfeits import Counterfeiter, Forgery

from cbdc.errors import TengeError
from cbdc.ledger.entry import Receipt
from cbdc.transaction import Issue, RegisterKey, SignedTransaction, Transfer, open_transaction

TITLE = "Exercise 1: forge a token"
NOT_HERE = {
    "cbdc.ledger": "your verifier is to ask the guards itself",
    "wallets": "your verifier is to ask the guards itself",
}

Aim = Callable[[Bazaar, SignedTransaction], str]


def _need(holds: bool, problem: str) -> None:
    if not holds:
        raise AssertionError(problem)


def _attack(student: ModuleType, seed: int, name: str, code: str, aim: Aim) -> None:
    """The attack must have been made (`aim` says what is missing), refused with `code`, and read rightly."""
    bazaar = Bazaar(seed)
    answer = getattr(student, name)(bazaar)
    _need(bool(bazaar.submitted), "nothing was submitted")
    data, outcome = bazaar.submitted[-1]
    _need(isinstance(outcome, TengeError), "the ledger accepted it, so it was no forgery")
    assert isinstance(outcome, TengeError)
    _need(outcome.code == code, f"another guard was faster: {outcome.code}: {outcome.sentence()}")
    problem = aim(bazaar, _opened(data, bazaar.network))
    _need(not problem, problem)
    right = (outcome.code, outcome.rule)
    _need(answer == right, f"the ledger said {right}, and the function returned {answer!r}")


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
        return "it is no payment (Transfer)"
    return "" if _mine_tiyn(bazaar, attempt) else "nothing of it would be yours"


def change_the_amount(student: ModuleType, seed: int) -> None:
    """G2: a signature is over the id, and the id over every byte of the body."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        waiting = open_transaction(bazaar.waiting, bazaar.network)
        if attempt.record.spends != waiting.record.spends or attempt.witnesses != waiting.witnesses:
            return "it is not the payment that waits, with the signature it has"
        more = _mine_tiyn(bazaar, attempt) > _mine_tiyn(bazaar, waiting)
        return "" if more else "you would not get more than he signed for"

    _attack(student, seed, "change_the_amount", "E_SIG", aim)


def invent_a_token(student: ModuleType, seed: int) -> None:
    """G3: what is spent must be there."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        if bazaar.spent in attempt.record.spends:
            return "that token did exist; it was spent"
        return _spend(bazaar, attempt)

    _attack(student, seed, "invent_a_token", "E_TOKEN_SPENT", aim)


def spend_again(student: ModuleType, seed: int) -> None:
    """G3 again: what was spent is no longer there."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        if attempt.record.spends != (bazaar.spent,):
            return "it does not spend the spent token"
        return _spend(bazaar, attempt)

    _attack(student, seed, "spend_again", "E_TOKEN_SPENT", aim)


def take_anothers_token(student: ModuleType, seed: int) -> None:
    """G4: a right signature of the wrong key."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        his = {identity for identity, _ in bazaar.misers_tokens()}
        return _spend(bazaar, attempt) if his & set(attempt.record.spends) else "no token of his is spent"

    _attack(student, seed, "take_anothers_token", "E_LOCKED", aim)


def make_more_of_it(student: ModuleType, seed: int) -> None:
    """G5: only Issue makes money."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        has = dict(bazaar.your_tokens())
        spent = sum(has[identity].amount_tiyn for identity in attempt.record.spends)
        made = sum(token.amount_tiyn for token in attempt.record.creates)
        return _spend(bazaar, attempt) if made > spent else "the outputs are not worth more than the inputs"

    _attack(student, seed, "make_more_of_it", "E_SUM_LEDGER", aim)


def count_it_twice(student: ModuleType, seed: int) -> None:
    """G1: one token stands once among the inputs."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        has = dict(bazaar.your_tokens())
        spent = sum(has[identity].amount_tiyn for identity in attempt.record.spends if identity in has)
        return "" if _mine_tiyn(bazaar, attempt) == spent else "the sums do not agree with counting twice"

    _attack(student, seed, "count_it_twice", "E_INPUT_TWICE", aim)


def issue_without_officers(student: ModuleType, seed: int) -> None:
    """G4: two of three officers sign an issue, and the operator."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        if not isinstance(attempt.record, Issue):
            return "it is no Issue"
        return "" if _mine_tiyn(bazaar, attempt) else "nothing of it would be yours"

    _attack(student, seed, "issue_without_officers", "E_QUORUM", aim)


def key_of_small_order(student: ModuleType, seed: int) -> None:
    """G2: a key under which one signature fits everything is no key."""

    def aim(bazaar: Bazaar, attempt: SignedTransaction) -> str:
        record = attempt.record
        if not isinstance(record, RegisterKey):
            return "it is no RegisterKey"
        return "" if len(record.public_key) == 32 else "it is no Ed25519 key"

    _attack(student, seed, "key_of_small_order", "E_KEY", aim)


def replay(student: ModuleType, seed: int) -> None:
    """A transaction is booked once; asked again, the ledger answers what it answered."""
    bazaar = Bazaar(seed)
    size, issued = bazaar.journal_size(), bazaar.issued_tiyn()
    answer = student.replay(bazaar)
    _need([data for data, _ in bazaar.submitted] == [bazaar.settled], "`settled` was not submitted once more")
    receipt = bazaar.submitted[0][1]
    assert isinstance(receipt, Receipt)
    assert (bazaar.journal_size(), bazaar.issued_tiyn()) == (size, issued)
    _need(
        answer == receipt.index, f"the receipt names the index {receipt.index}, and you returned {answer!r}"
    )


# --- part 2 ---


def _judge(student: ModuleType, maker: Counterfeiter, data: bytes) -> str:
    """What `accept` says: empty when it accepts, the refusal otherwise; a crash is raised."""
    refusals = (student.Forged, TengeError)
    try:
        answer = student.accept(data, maker.network, maker.keys, maker.unspent)
    except NotImplementedError:
        raise
    except refusals as error:
        return str(error) or "refused"
    except Exception as error:
        text = f"accept failed with {type(error).__name__} instead of refusing: {error}"
        raise AssertionError(text) from error
    _need(answer is None, f"accept returned {answer!r}; it is to return nothing, or raise")
    return ""


def _defence(student: ModuleType, seed: int, kind: str) -> None:
    maker = Counterfeiter(seed)
    forgeries: list[Forgery] = maker.forgeries(kind)
    for forgery in forgeries:
        said = _judge(student, maker, forgery.honest)
        _need(not said, f"an honest payment was refused: {said}")
        said = _judge(student, maker, forgery.data)
        _need(bool(said), f"a forgery was accepted: {forgery.story}")


def accept_honest_payments(student: ModuleType, seed: int) -> None:
    """Every honest payment is accepted, twice, and nothing is remembered or changed."""
    maker = Counterfeiter(seed)
    for story, data in [*maker.honest(), *reversed(maker.honest())]:
        said = _judge(student, maker, data)
        _need(not said, f"an honest payment was refused ({story}): {said}")


def accept_refuses_wrong_forms(student: ModuleType, seed: int) -> None:
    """G1: what is no well-formed payment."""
    _defence(student, seed, "form")


def accept_refuses_wrong_signatures(student: ModuleType, seed: int) -> None:
    """G2: signatures that are not of a known key over exactly this."""
    _defence(student, seed, "signature")


def accept_refuses_tokens_that_are_not_there(student: ModuleType, seed: int) -> None:
    """G3."""
    _defence(student, seed, "token")


def accept_refuses_the_wrong_owner(student: ModuleType, seed: int) -> None:
    """G4."""
    _defence(student, seed, "lock")


def accept_refuses_wrong_sums(student: ModuleType, seed: int) -> None:
    """G5."""
    _defence(student, seed, "sum")


def accept_refuses_lost_marks(student: ModuleType, seed: int) -> None:
    """G6."""
    _defence(student, seed, "mark")


CHECKS = (
    change_the_amount,
    invent_a_token,
    spend_again,
    take_anothers_token,
    make_more_of_it,
    count_it_twice,
    issue_without_officers,
    key_of_small_order,
    replay,
    accept_honest_payments,
    accept_refuses_wrong_forms,
    accept_refuses_wrong_signatures,
    accept_refuses_tokens_that_are_not_there,
    accept_refuses_the_wrong_owner,
    accept_refuses_wrong_sums,
    accept_refuses_lost_marks,
)
