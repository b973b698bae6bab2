"""One good message of each kind, and a strategy that makes many."""

from hypothesis import strategies as st

from cbdc.rails.currency import CURRENCIES, USD, Money, money
from cbdc.rails.messages import (
    Balance,
    BankTransfer,
    CancelRequest,
    CustomerTransfer,
    Initiation,
    Message,
    Resolution,
    Return,
    Statement,
    StatementEntry,
    Status,
    uetr_of,
)

HOME, ABROAD, PERSON = "KOKTKZKA", "MERDUS33", "acc000001"
UETR = uetr_of(bytes(32))
AT = 1_764_687_600
DAY = AT // 86_400
DOLLARS = money(1_000_00, USD)
ORIGINAL = ("M1", "pacs.008.001.08", "E1", UETR)
ENTRY = StatementEntry("R1", DOLLARS, "DBIT", AT, "debited", UETR)

SAMPLES: dict[str, Message] = {
    "pain.001": Message(
        PERSON,
        HOME,
        Initiation(
            "M1",
            AT,
            "O1",
            "E1",
            UETR,
            DAY,
            "Алем & Co",
            PERSON,
            HOME,
            DOLLARS,
            "Q1",
            ABROAD,
            "Acme Inc",
            "ben00001",
            "invoice 7",
        ),
    ),
    "pacs.008": Message(
        HOME,
        ABROAD,
        CustomerTransfer(
            "M1", AT, "E1", UETR, DOLLARS, DAY, "Alem LLP", PERSON, HOME, ABROAD, "Acme Inc", "ben00001"
        ),
    ),
    "pacs.009": Message(
        HOME,
        ABROAD,
        BankTransfer(
            "M1",
            AT,
            "E1",
            UETR,
            DOLLARS,
            DAY,
            HOME,
            ABROAD,
            "Q1",
            "00" * 8,
            bytes(32),
            b"h" * 32,
            AT + 7,
            DOLLARS,
            AT + 3,
        ),
    ),
    "pacs.002": Message(ABROAD, HOME, Status("M2", AT, *ORIGINAL, "RJCT", "AC01")),
    "pacs.002 with a lock": Message(
        ABROAD,
        HOME,
        Status("M2", AT, *ORIGINAL, "ACSP", network="ab" * 8, lock=b"l" * 32, hash=b"h" * 32, until=AT),
    ),
    "pacs.004": Message(ABROAD, HOME, Return("M3", AT, *ORIGINAL, DOLLARS, DAY, "AC04")),
    "camt.056": Message(HOME, ABROAD, CancelRequest("M4", AT, HOME, ABROAD, *ORIGINAL, "CUST")),
    "camt.029": Message(ABROAD, HOME, Resolution("M5", AT, ABROAD, HOME, *ORIGINAL, "ARDT")),
    "camt.053": Message(
        ABROAD,
        HOME,
        Statement(
            "M6",
            AT,
            "S1",
            1,
            AT - 9,
            AT,
            "nostro001",
            "USD",
            "Bank One",
            ABROAD,
            (Balance("OPBD", Money(0, USD), "CRDT", DAY), Balance("CLBD", DOLLARS, "DBIT", DAY)),
            (ENTRY, StatementEntry("R2", DOLLARS, "CRDT", AT, "other")),
        ),
    ),
}

references = st.from_regex(r"\A[A-Za-z0-9]([A-Za-z0-9\-/.:]{0,33}[A-Za-z0-9])?\Z")
names = st.from_regex(r"\A[A-Za-zЀ-ћ0-9.,'()/&+\-]{1,12}( [A-Za-z0-9&]{1,12}){0,4}\Z")
accounts = st.from_regex(r"\A[a-z0-9]{5,34}\Z")
banks = st.from_regex(r"\A[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?\Z")
moments = st.integers(0, 4_000_000_000)
days = st.integers(0, 40_000)
hashes = st.binary(min_size=32, max_size=32)
amounts = st.builds(money, st.integers(1, 2**53 - 1), st.sampled_from(list(CURRENCIES.values())))
uetrs = hashes.map(uetr_of)
kinds = st.sampled_from(["pacs.008.001.08", "pacs.009.001.08"])
reasons = st.from_regex(r"\A[A-Z0-9]{4}\Z")
original = (references, kinds, references, uetrs)

messages = st.one_of(
    st.builds(
        Message,
        accounts,
        banks,
        st.builds(
            Initiation,
            references,
            moments,
            references,
            references,
            uetrs,
            days,
            names,
            accounts,
            banks,
            amounts,
            references,
            banks,
            names,
            accounts,
            st.one_of(st.just(""), names),
        ),
    ),
    st.builds(
        Message,
        banks,
        banks,
        st.one_of(
            st.builds(
                CustomerTransfer,
                references,
                moments,
                references,
                uetrs,
                amounts,
                days,
                names,
                accounts,
                banks,
                banks,
                names,
                accounts,
                st.one_of(st.just(""), names),
            ),
            st.builds(
                BankTransfer,
                references,
                moments,
                references,
                uetrs,
                amounts,
                days,
                banks,
                banks,
                references,
                hashes.map(lambda data: data.hex()[:16]),
                hashes,
                hashes,
                moments,
                amounts,
                moments,
            ),
            st.builds(
                Status,
                references,
                moments,
                *original,
                st.sampled_from(["ACSP", "PDNG", "RJCT"]),
                st.one_of(st.just(""), reasons),
            ),
            st.builds(Return, references, moments, *original, amounts, days, reasons),
            st.builds(CancelRequest, references, moments, banks, banks, *original, reasons),
            st.builds(Resolution, references, moments, banks, banks, *original, reasons),
        ),
    ),
)
