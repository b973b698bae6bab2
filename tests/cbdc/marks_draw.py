"""Any clauses and any payments, for properties of judging alone (no ledger)."""

from hypothesis import strategies as st

from cbdc.clause import BasketLine, Clause, Party, Payment
from cbdc.clauses import (
    Cap,
    Document,
    Drops,
    Estimate,
    Goods,
    Listed,
    Marks,
    Period,
    Prices,
    Release,
    Share,
    Window,
)
from cbdc.token import CANTEEN, PUPIL
from tests.cbdc.world import START, fixed_bytes

REGISTER, MARK = fixed_bytes("register"), fixed_bytes("mark")
PAYMENT = Payment(
    MARK,
    Party(fixed_bytes("payer"), PUPIL),
    Party(fixed_bytes("payee"), CANTEEN),
    100,
    START + 1,
    vouched=True,
)
_SCOPE = (st.sampled_from(["a", "b"]), st.sampled_from([(), (PUPIL,)]), st.sampled_from([(), (CANTEEN,)]))
_ITEM, _SUM, _FACT = st.integers(0, 4), st.integers(1, 200), st.integers(1, 2)
_ROWS = st.dictionaries(_ITEM, _SUM, min_size=1, max_size=3).map(lambda rows: tuple(rows.items()))
_RANGES = st.lists(st.tuples(_ITEM, st.integers(4, 6)), min_size=1, max_size=2).map(tuple)
_PART, _WHOLE = st.integers(1, 3), st.integers(3, 9)
_REGISTER = st.just(REGISTER)
_CLAUSES: tuple[st.SearchStrategy[Clause], ...] = (
    st.builds(Listed, *_SCOPE, _REGISTER, _FACT, st.integers(1, 3), st.just(b"")),
    st.builds(Document, *_SCOPE, _REGISTER, _FACT, st.integers(1, 3), st.integers(0, 1)),
    st.builds(Goods, *_SCOPE, st.integers(0, 1), _RANGES),
    st.builds(Prices, *_SCOPE, _ROWS),
    st.builds(Estimate, *_SCOPE, _ROWS),
    st.builds(Cap, *_SCOPE, _SUM),
    st.builds(Period, *_SCOPE, st.integers(1, 5), st.integers(1, 4), _SUM),
    st.builds(Window, *_SCOPE, st.just(START), st.integers(START, START + 2)),
    st.builds(Share, *_SCOPE, _PART, _WHOLE, st.just(fixed_bytes("tax"))),
    st.builds(Drops, *_SCOPE),
    st.builds(Marks, *_SCOPE, _PART, _WHOLE),
    st.builds(Release, st.just("r"), st.just(()), st.just(()), _REGISTER, _FACT, _PART, _WHOLE),
)


def any_clauses() -> st.SearchStrategy[tuple[Clause, ...]]:
    """Up to six clauses of any kinds."""
    return st.lists(st.one_of(*_CLAUSES), max_size=6).map(tuple)


@st.composite
def any_payment(draw: st.DrawFn) -> Payment:
    """A payment from the pupil to the canteen."""
    lines = draw(st.lists(st.builds(BasketLine, _ITEM, st.integers(1, 3), _SUM), max_size=4).map(tuple))
    documents = draw(
        st.lists(st.sampled_from([fixed_bytes("one"), fixed_bytes("two")]), max_size=3).map(tuple)
    )
    amount = sum(line.amount_tiyn for line in lines) or draw(_SUM)
    now, vouched = draw(st.integers(START, START + 3)), draw(st.booleans())
    return Payment(MARK, PAYMENT.payer, PAYMENT.payee, amount, now, lines, documents, vouched)
