"""Messages: what is written is read the same, nothing else is read, and whatever comes in, a stable code goes out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Malformed, TengeError
from cbdc.rails.currency import CURRENCIES, USD, Currency, Money, currency, money, read_money
from cbdc.rails.messages import BODIES, Message, is_bic, open_message, reference_of, uetr_of
from cbdc.rails.xml import MAX_XML_BYTES, schema
from tests.cbdc.rails.samples import ABROAD, HOME, PERSON, SAMPLES, UETR, messages


@pytest.mark.parametrize("name", SAMPLES)
def test_a_message_is_read_as_it_was_written(name: str) -> None:
    data = SAMPLES[name].encode()
    assert open_message(data) == SAMPLES[name]
    assert open_message(data).encode() == data


def test_every_kind_has_a_sample_and_a_schema() -> None:
    assert {message.body.KIND for message in SAMPLES.values()} == set(BODIES)
    assert all(schema(kind) is schema(kind) for kind in (*BODIES, "head.001.001.02"))


@pytest.mark.slow
@given(messages)
def test_any_message_is_read_as_it_was_written(message: Message) -> None:
    data = message.encode()
    assert open_message(data) == message
    assert open_message(data).encode() == data


def code_of(data: bytes) -> str:
    """The code with which these bytes are refused."""
    with pytest.raises(TengeError) as caught:
        open_message(data)
    assert isinstance(caught.value, Malformed)
    assert "{" not in caught.value.sentence()
    return caught.value.code


GOOD = SAMPLES["pacs.008"].encode()
ENTITY = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
REPLACED: list[tuple[bytes, bytes, str]] = [
    # not plain XML
    (b'<?xml version="1.0" encoding="UTF-8"?>\n', b"", "E_RAILS_XML"),
    (b'encoding="UTF-8"', b'encoding="UTF-16"', "E_RAILS_XML"),
    (b'encoding="UTF-8"?>\n', b'encoding="UTF-8"?>\n' + ENTITY, "E_RAILS_XML"),
    (b'encoding="UTF-8"?>\n', b'encoding="UTF-8"?>\n<!DOCTYPE x SYSTEM "file:///etc/passwd">', "E_RAILS_XML"),
    (b"<AppHdr", b"<!-- hello --><AppHdr", "E_RAILS_XML"),
    (b"Acme Inc", b"<![CDATA[Acme Inc]]>", "E_RAILS_XML"),
    (b"<AppHdr", b"<?php echo 1 ?><AppHdr", "E_RAILS_XML"),
    (b"Acme Inc", b"&a;", "E_RAILS_XML"),
    (b"Acme Inc", b"Acme & Inc", "E_RAILS_XML"),
    (b"Acme Inc", b"Acme \xff", "E_RAILS_XML"),
    (b"Acme Inc", b"Acme \x00", "E_RAILS_XML"),
    (b"</BizMsg>\n", b"", "E_RAILS_XML"),
    (b"</BizMsg>\n", b"</BizMsg><BizMsg/>", "E_RAILS_XML"),
    (b"</BizMsg>\n", b"</BizMsg>\n" + b" " * MAX_XML_BYTES, "E_SIZE"),
    # not our envelope, or no kind that is taken
    (b"urn:tenge-sandbox:message:1", b"urn:tenge-sandbox:message:2", "E_RAILS_XML"),
    (b"BizMsg", b"BusMsg", "E_RAILS_XML"),
    (b"AppHdr", b"AppHed", "E_RAILS_XML"),
    (b"xsd:pacs.008.001.08", b"xsd:pacs.008.001.12", "E_RAILS_KIND"),
    (b"xsd:pacs.008.001.08", b"xsd:../common", "E_RAILS_KIND"),
    (b"urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08", b"pacs.008.001.08", "E_RAILS_KIND"),
    # not what the schema describes
    (b"xsd:head.001.001.02", b"xsd:head.001.001.01", "E_RAILS_SCHEMA"),
    (b"xsd:pacs.008.001.08", b"xsd:pacs.009.001.08", "E_RAILS_SCHEMA"),
    (b"<MsgId>M1</MsgId>", b"", "E_RAILS_SCHEMA"),
    (b"<MsgId>M1</MsgId>", b"<MsgId>M1</MsgId><MsgId>M1</MsgId>", "E_RAILS_SCHEMA"),
    (b"<MsgId>M1</MsgId>", b"<MsgId></MsgId>", "E_RAILS_SCHEMA"),
    (b"<MsgId>M1</MsgId>", b"<MsgId>" + b"m" * 36 + b"</MsgId>", "E_RAILS_SCHEMA"),
    (b"<MsgId>M1</MsgId>", b"<MsgId> M1</MsgId>", "E_RAILS_SCHEMA"),
    (b"<NbOfTxs>1</NbOfTxs>", b"<NbOfTxs>2</NbOfTxs>", "E_RAILS_SCHEMA"),
    (b"INDA", b"CLRG", "E_RAILS_SCHEMA"),
    (b"SHAR", b"SHAX", "E_RAILS_SCHEMA"),
    (b'Ccy="USD"', b"", "E_RAILS_SCHEMA"),
    (b'Ccy="USD"', b'Ccy="usd"', "E_RAILS_SCHEMA"),
    (b'Ccy="USD"', b'Ccy="USD" Rate="1"', "E_RAILS_SCHEMA"),
    (b">1000.00<", b">1,000.00<", "E_RAILS_SCHEMA"),
    (b">1000.00<", b">-1000.00<", "E_RAILS_SCHEMA"),
    (b">1000.00<", b">+1000.00<", "E_RAILS_SCHEMA"),
    (b">1000.00<", b">1e3<", "E_RAILS_SCHEMA"),
    (b">1000.00<", b">01000.00<", "E_RAILS_SCHEMA"),
    (b">1000.00<", b">1000.<", "E_RAILS_SCHEMA"),
    (b">1000.00<", b">.50<", "E_RAILS_SCHEMA"),
    (b">1000.00<", b"> 1000.00<", "E_RAILS_SCHEMA"),
    (b">1000.00<", b">NaN<", "E_RAILS_SCHEMA"),
    (b">1000.00<", "> ١٠٠٠.٠٠<".encode(), "E_RAILS_SCHEMA"),
    (UETR.encode(), UETR.upper().encode(), "E_RAILS_SCHEMA"),
    (UETR.encode(), UETR.replace("-4", "-1", 1).encode(), "E_RAILS_SCHEMA"),
    (UETR.encode(), b"", "E_RAILS_SCHEMA"),
    (b"<BICFI>MERDUS33</BICFI>", b"<BICFI>MERDUS3</BICFI>", "E_RAILS_SCHEMA"),
    (b"<BICFI>MERDUS33</BICFI>", b"<BICFI>merdus33</BICFI>", "E_RAILS_SCHEMA"),
    (b"T15:00:00Z", b"T15:00:00", "E_RAILS_SCHEMA"),
    (b"T15:00:00Z", b"T15:00:00.5Z", "E_RAILS_SCHEMA"),
    (b"T15:00:00Z", b"T15:00:00+05:00", "E_RAILS_SCHEMA"),
    (b"2025-12-02", b"2025-02-30", "E_RAILS_SCHEMA"),
    (b"2025-12-02", b"02.12.2025", "E_RAILS_SCHEMA"),
    (b"Acme Inc", b"Acme\nInc", "E_RAILS_SCHEMA"),
    (b"Acme Inc", b"Acme  Inc", "E_RAILS_SCHEMA"),
    (b"Acme Inc", "Acme \u202etpircs".encode(), "E_RAILS_SCHEMA"),
    (b"Acme Inc", "Acme\u200bInc".encode(), "E_RAILS_SCHEMA"),
    (b"Acme Inc", b"a" * 141, "E_RAILS_SCHEMA"),
    (b"<Nm>Acme Inc</Nm>", b"<Nm>Acme Inc</Nm><PstlAdr/>", "E_RAILS_SCHEMA"),
    (b"<ChrgBr>", b'<ChrgBr xmlns="">', "E_RAILS_SCHEMA"),
    # well-formed, and not what an amount or a moment of ours is
    (b'Ccy="USD"', b'Ccy="XXX"', "E_RAILS_CURRENCY"),
    (b'Ccy="USD"', b'Ccy="JPY"', "E_RAILS_AMOUNT_TEXT"),
    (b'Ccy="USD"', b'Ccy="KWD"', "E_RAILS_AMOUNT_TEXT"),
    (b">1000.00<", b">1000<", "E_RAILS_AMOUNT_TEXT"),
    (b">1000.00<", b">1000.0<", "E_RAILS_AMOUNT_TEXT"),
    (b">1000.00<", b">1000.000<", "E_RAILS_AMOUNT_TEXT"),
    (b">1000.00<", b">0.00<", "E_MONEY_RANGE"),
    (b">1000.00<", b">9999999999999999.99<", "E_MONEY_RANGE"),
    (b"2025-12-02", b"1969-12-31", "E_RAILS_MOMENT"),
    (b"T15:00:00Z", b"T24:00:00Z", "E_RAILS_MOMENT"),
    # read, and would not be written just so
    (b"<BizMsg ", b"<BizMsg  ", "E_RAILS_LAYOUT"),
    (b"\n </AppHdr>", b"</AppHdr>", "E_RAILS_LAYOUT"),
    (b"</BizMsg>\n", b"</BizMsg>", "E_RAILS_LAYOUT"),
    (b"</BizMsg>\n", b"</BizMsg>\n\n", "E_RAILS_LAYOUT"),
    (b"\n", b"\r\n", "E_RAILS_XML"),
    (b"Acme Inc", b"&#65;cme Inc", "E_RAILS_LAYOUT"),
    (b"Acme Inc", b"Acme&#32;Inc", "E_RAILS_LAYOUT"),
    (b'Ccy="USD"', b"Ccy='USD'", "E_RAILS_LAYOUT"),
    (b"<MsgId>M1</MsgId>", b"<MsgId >M1</MsgId>", "E_RAILS_LAYOUT"),
    (b"<BizMsgIdr>M1", b"<BizMsgIdr>M2", "E_RAILS_LAYOUT"),
    (b"<MsgDefIdr>pacs.008.001.08", b"<MsgDefIdr>pacs.009.001.08", "E_RAILS_LAYOUT"),
    (b"<CreDt>2025", b"<CreDt>2024", "E_RAILS_LAYOUT"),
    (b"Acme Inc", "Acme e\u0301".encode(), "E_RAILS_LAYOUT"),
    (b'<BizMsg xmlns="urn', b'<BizMsg a="1" xmlns="urn', "E_RAILS_LAYOUT"),
    (b"<AppHdr xmlns=", b'<AppHdr xmlns:a="b" xmlns=', "E_RAILS_LAYOUT"),
]


@pytest.mark.parametrize(("old", "new", "code"), REPLACED, ids=[str(n) for n in range(len(REPLACED))])
def test_a_bad_message_is_refused_with_its_code(old: bytes, new: bytes, code: str) -> None:
    assert old in GOOD
    assert code_of(GOOD.replace(old, new)) == code


@pytest.mark.parametrize("name", SAMPLES)
def test_every_line_of_every_message_is_needed_once(name: str) -> None:
    lines = SAMPLES[name].encode().splitlines(keepends=True)
    for place in range(len(lines)):
        for changed in (lines[:place] + lines[place + 1 :], [*lines[:place], lines[place], *lines[place:]]):
            try:
                other = open_message(b"".join(changed))
            except Malformed:
                continue
            # A list may have one item less or more, and an optional field goes with its three lines.
            assert other.body != SAMPLES[name].body


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"<", b"<a/>", b'<?xml version="1.0"?><a/>', GOOD[:-20], b"\xff" * 99]
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    assert code_of(data) == "E_RAILS_XML"


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    assert code_of(noise) == "E_RAILS_XML"


@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_a_message_with_bytes_changed_is_refused_or_says_something_else(
    name: str, data: st.DataObject
) -> None:
    good = SAMPLES[name].encode()
    place = data.draw(st.integers(0, len(good) - 1))
    size = data.draw(st.integers(0, 4))
    bad = good[:place] + data.draw(st.binary(max_size=4)) + good[place + size :]
    try:
        read = open_message(bad)
    except Malformed:
        return
    assert read.encode() == bad


@given(
    st.lists(
        st.sampled_from(
            [*b"<>/=&;\"' "],
        ),
        max_size=40,
    ).map(bytes),
    st.integers(0, len(GOOD)),
)
def test_markup_put_into_a_message_is_refused(markup: bytes, place: int) -> None:
    bad = GOOD[:place] + markup + GOOD[place:]
    try:
        assert open_message(bad).encode() == bad
    except Malformed as refusal:
        assert refusal.code in ("E_RAILS_XML", "E_RAILS_SCHEMA", "E_RAILS_LAYOUT", "E_RAILS_KIND")  # noqa: PT017


@pytest.mark.parametrize(
    "name", ["", "KOKT", "KOKTKZKAX", "koktkzka", "1OKTKZKA", "KOKTKZ-A", "ҚОКТKZKA", "KOKTKZKAXXXX"]
)
def test_what_is_no_bic(name: str) -> None:
    assert not is_bic(name)


def test_who_sends_and_gets() -> None:
    assert is_bic(HOME)
    assert is_bic("KOKTKZKAPVP")
    for sender, receiver in ((HOME, ABROAD), (PERSON, HOME), (HOME, PERSON), (PERSON, PERSON)):
        message = replace(SAMPLES["pacs.002"], sender=sender, receiver=receiver)
        assert open_message(message.encode()) == message


@pytest.mark.parametrize(
    "change",
    [
        {"message_id": ""},
        {"message_id": "a b"},
        {"uetr": "no"},
        {"creditor": "a\nb"},
        {"creditor": ""},
        {"creditor_bank": "acc000001"},
        {"creditor_account": "a" * 35},
        {"amount": Money(1, Currency("ABC", 2))},
        {"amount": Money(0, USD)},
        {"settlement_date": -1},
    ],
)
def test_a_message_that_is_filled_in_wrongly_is_not_written(change: dict[str, object]) -> None:
    message = SAMPLES["pacs.008"]
    with pytest.raises(Malformed):
        replace(message, body=replace(message.body, **change)).encode()


def test_ids_follow_from_the_orders() -> None:
    assert uetr_of(bytes(32)) == UETR == uetr_of(bytes(32))
    assert UETR[14] == "4"
    assert UETR[19] in "89ab"
    assert uetr_of(b"a" * 32) != UETR
    assert reference_of(b"\xab" * 32) == "ab" * 16


# --- amounts ---


@given(st.integers(1, 2**53 - 1), st.sampled_from(sorted(CURRENCIES)))
def test_an_amount_is_read_as_it_was_written(minor: int, code: str) -> None:
    amount = money(minor, currency(code))
    assert read_money(amount.text, code) == amount
    whole, _, rest = amount.text.partition(".")
    assert len(rest) == currency(code).digits
    assert int(whole + rest) == minor


@pytest.mark.parametrize(
    ("minor", "code", "text"),
    [
        (1, "USD", "0.01"),
        (100_000, "USD", "1000.00"),
        (7, "JPY", "7"),
        (7, "KWD", "0.007"),
        (1_234, "KWD", "1.234"),
    ],
)
def test_amounts_have_their_currencys_digits(minor: int, code: str, text: str) -> None:
    assert money(minor, currency(code)).text == text


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "1.000", "01.00", "1.00 ", "１.00", "1.00\n", "-1.00", "1_0.00", "1e2"]
)
def test_other_texts_are_no_amount_in_dollars(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_money(text, "USD")
    assert caught.value.code == "E_RAILS_AMOUNT_TEXT"


@pytest.mark.parametrize(
    ("minor", "code"), [(0, "E_MONEY_RANGE"), (2**53, "E_MONEY_RANGE"), (True, "E_MONEY_TYPE")]
)
def test_amounts_have_bounds(minor: int, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        money(minor, USD)
    assert caught.value.code == code
