"""Payment requests: one line of text, one QR code, and everything that is refused."""

import base64
import hashlib
import re

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.request_board import MOST_MEMO_BYTES
from wallets.request import MAX_TEXT_CHARACTERS, PaymentRequest, parse_request, qr_svg

NETWORK = bytes.fromhex("0102030405060708")
PAYEE = bytes(range(32))
LUNCH = PaymentRequest(NETWORK, PAYEE, 56_000, "Түскі ас, 3-сынып", 1_780_000_000)
# What a printed card says must be read for ever.
LUNCH_TEXT = (
    "TENGE1:SYA4ICABAIBQIBIGA4EMIIAAAEBAGBAFAYDQQCIKBMGA2DQPCAIREEYUCULBOGAZDINRYHI6D"
    "7G5VQF52CRNFL6RQHILVUMWEDILBUMBFQQDGLORQHIYXUF52GF5BP6ONIMKKAGI64UOG"
)
CARD_TEXT = "TENGE1:SYA4ICABAIBQIBIGA4EMIIAAAEBAGBAFAYDQQCIKBMGA2DQPCAIREEYUCULBOGAZDINRYHI6D4AKAAHUPQWVW"

memos = st.text("aZ09 .,-№₸әіңғүұқөһЁ日😀", max_size=MOST_MEMO_BYTES // 4)
requests = st.builds(
    PaymentRequest,
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**53 - 1),
    memos.map(str.strip),
    st.integers(0, 2**53 - 1),
)


def text_of(payload: bytes, checksum: bytes | None = None) -> str:
    """A request's text around any payload: the checksum fits unless another one is given."""
    own = hashlib.sha256(b"kzt-dt/request/v1\0" + payload).digest()[:4]
    return "TENGE1:" + base64.b32encode(payload + (own if checksum is None else checksum)).decode().rstrip(
        "="
    )


def refused(text: str) -> str:
    with pytest.raises(TengeError) as caught:
        parse_request(text)
    return caught.value.code


# --- text ---


def test_a_request_is_one_line_that_stays_the_same() -> None:
    assert LUNCH.text() == LUNCH_TEXT
    assert parse_request(LUNCH_TEXT) == LUNCH
    assert parse_request(CARD_TEXT) == PaymentRequest(NETWORK, PAYEE)


@given(requests)
def test_what_is_written_is_read(request_: PaymentRequest) -> None:
    text = request_.text()
    assert parse_request(text) == request_
    assert len(text) <= MAX_TEXT_CHARACTERS
    assert re.fullmatch(r"TENGE1:[A-Z2-7]+", text)


def test_the_longest_request_fits() -> None:
    longest = PaymentRequest(NETWORK, PAYEE, 2**53 - 1, "ә" * (MOST_MEMO_BYTES // 2), 2**53 - 1)
    assert parse_request(longest.text()) == longest
    assert segno.make_qr(longest.text(), error="m", boost_error=False).mode == "alphanumeric"


def test_scanners_may_change_the_case_and_people_add_blanks() -> None:
    assert parse_request(LUNCH_TEXT.lower()) == LUNCH
    assert parse_request("tenge1:" + LUNCH_TEXT[7:]) == LUNCH
    assert parse_request(f" \n{LUNCH_TEXT}\r\n") == LUNCH


@pytest.mark.parametrize(
    "text",
    [
        "",
        "TENGE1:",
        "TENGE:AAAA",
        "TENGE0:AAAA",
        "TENGE01:AAAA",
        "TENGE1000:AAAA",
        "DT1:AAAA",
        "https://example.kz/TENGE1:AAAA",
        LUNCH_TEXT + "!",
        LUNCH_TEXT + " " + LUNCH_TEXT,
        LUNCH_TEXT.replace(":", ""),
        LUNCH_TEXT[:20] + " " + LUNCH_TEXT[20:],
        LUNCH_TEXT[:20] + "\n" + LUNCH_TEXT[20:],
        LUNCH_TEXT + "=",
        LUNCH_TEXT + "0",
        LUNCH_TEXT.replace("TENGE", "ТЕNGE"),
        LUNCH_TEXT.replace("I", "ı"),
        "TENGE1:" + "A" * MAX_TEXT_CHARACTERS,
        " " * 2_000 + LUNCH_TEXT,
        "TENGE1:" + "A" * 10_000_000,
        "TENGE1:\ud800",
    ],
)
def test_what_is_no_request(text: str) -> None:
    assert refused(text) == "E_REQUEST_TEXT"


def test_another_version_is_named() -> None:
    with pytest.raises(Malformed) as caught:
        parse_request("TENGE2:AAAA")
    assert (caught.value.code, caught.value.facts) == ("E_VERSION", {"version": 2, "expected": 1})
    assert refused(text_of(canonical.encode([2, NETWORK, PAYEE, 1, "", 0]))) == "E_VERSION"
    assert refused(text_of(canonical.encode([]))) == "E_VERSION"


@given(requests, st.data())
def test_a_slip_of_the_hand_is_found(request_: PaymentRequest, data: st.DataObject) -> None:
    text = request_.text()
    place = data.draw(st.integers(7, len(text) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567").filter(lambda x: x != text[place]))
    # The last letter may carry bits that no byte uses: then the bytes are right and the spelling is not.
    assert refused(text[:place] + letter + text[place + 1 :]) in {"E_REQUEST_CHECKSUM", "E_REQUEST_TEXT"}
    assert refused(text[:place] + text[place + 1 :]) == "E_REQUEST_CHECKSUM"


@pytest.mark.parametrize("length", range(7, len(LUNCH_TEXT)))
def test_a_cut_request_is_refused(length: int) -> None:
    assert refused(LUNCH_TEXT[:length]) == ("E_REQUEST_TEXT" if length == 7 else "E_REQUEST_CHECKSUM")


def test_one_request_has_one_spelling() -> None:
    spellings = [LUNCH_TEXT[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"]
    read = [text for text in spellings if text == LUNCH_TEXT or refused(text) == "never"]
    assert read == [LUNCH_TEXT]
    assert "E_REQUEST_TEXT" in {refused(text) for text in spellings if text != LUNCH_TEXT}


GOOD = [1, NETWORK, PAYEE, 1, "нан", 0]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "E_DECODE"),
        (b"\xc0", "E_TYPE"),
        (canonical.encode(1), "E_TYPE"),
        (canonical.encode(GOOD) + b"\0", "E_DECODE"),
        (b"\x96\xcd\x00\x01" + canonical.encode(GOOD)[2:], "E_NONCANON"),
        (canonical.encode(GOOD[:-1]), "E_FIELD"),
        (canonical.encode([*GOOD, 0]), "E_FIELD"),
        (canonical.encode([1, NETWORK[:7], PAYEE, 1, "", 0]), "E_FIELD"),
        (canonical.encode([1, NETWORK, PAYEE + b"\0", 1, "", 0]), "E_FIELD"),
        (canonical.encode([1, NETWORK, "payee", 1, "", 0]), "E_TYPE"),
        (canonical.encode([1, NETWORK, PAYEE, b"1", "", 0]), "E_TYPE"),
        (canonical.encode([1, NETWORK, PAYEE, 1, b"", 0]), "E_TYPE"),
        (canonical.encode([1, NETWORK, PAYEE, 1, "", ""]), "E_TYPE"),
        (canonical.encode([1, NETWORK, PAYEE, 1, "x" * 141, 0]), "E_FIELD"),
        (canonical.encode([1, NETWORK, PAYEE, 1, "a\nb", 0]), "E_FIELD"),
        (canonical.encode([1, NETWORK, PAYEE, 1, " a", 0]), "E_FIELD"),
        (canonical.encode([1, NETWORK, PAYEE, 1, "pay \u202e0001 ₸", 0]), "E_FIELD"),
    ],
)
def test_a_right_checksum_does_not_save_a_wrong_payload(payload: bytes, code: str) -> None:
    assert refused(text_of(payload)) == code


@given(st.binary(max_size=120))
def test_noise_is_refused(noise: bytes) -> None:
    refused(text_of(noise))
    refused(text_of(noise, b""))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for line in (text, "TENGE1:" + text):
        with pytest.raises(Malformed):
            parse_request(line)


# --- values ---


@pytest.mark.parametrize(
    "fields",
    [
        (NETWORK + b"\0", PAYEE, 1),
        (NETWORK, PAYEE[:31], 1),
        (NETWORK, PAYEE, -1),
        (NETWORK, PAYEE, 2**53),
        (NETWORK, PAYEE, True),
        (NETWORK, PAYEE, 1.5),
        (NETWORK, PAYEE, 1, "ә" * 71),
        (NETWORK, PAYEE, 1, "и\u0306"),
        (NETWORK, PAYEE, 1, "\ud800"),
        (NETWORK, PAYEE, 1, "tab\there"),
        (NETWORK, PAYEE, 1, "null\0"),
        (NETWORK, PAYEE, 1, "zero\u200bwidth"),
        (NETWORK, PAYEE, 1, "line\u2028break"),
        (NETWORK, PAYEE, 1, "private \ue000"),
        (NETWORK, PAYEE, 1, "unassigned \u0378"),
        (NETWORK, PAYEE, 1, "end "),
        (NETWORK, PAYEE, 1, None),
        (NETWORK, PAYEE, 1, "", -1),
    ],
)
def test_values_that_no_request_has(fields: tuple[object, ...]) -> None:
    with pytest.raises(Malformed):
        PaymentRequest(*fields)  # type: ignore[arg-type]


def test_a_request_is_for_one_network_and_some_time() -> None:
    LUNCH.check(NETWORK, LUNCH.expires)
    PaymentRequest(NETWORK, PAYEE).check(NETWORK, 2**53 - 1)
    for network, now, code in (
        (bytes(8), 0, "E_REQUEST_NETWORK"),
        (bytes(8), LUNCH.expires + 1, "E_REQUEST_NETWORK"),
        (NETWORK, LUNCH.expires + 1, "E_REQUEST_EXPIRED"),
    ):
        with pytest.raises(Refused) as caught:
            LUNCH.check(network, now)
        assert caught.value.code == code


# --- the QR code ---


def _modules(svg: str) -> list[list[int]]:
    """The picture drawn by the path of the code: every horizontal stroke fills whole squares."""
    box = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    path = re.search(r'stroke="#000" d="([^"]+)"', svg)
    assert box
    assert path
    picture = [[0] * int(box[1]) for _ in range(int(box[2]))]
    x = y = 0
    for command, numbers in re.findall(r"([Mmh])([^Mmh]*)", path[1]):
        values = [int(float(n) - 0.5) if "." in n else int(n) for n in re.findall(r"-?[\d.]+", numbers)]
        if command == "h":
            picture[y][x : x + values[0]] = [1] * values[0]
            x += values[0]
        else:
            x, y = values if command == "M" else (x + values[0], y + values[1])
    return picture


def test_the_picture_is_the_code_with_its_quiet_zone() -> None:
    svg = qr_svg(LUNCH_TEXT)
    code = segno.make_qr(LUNCH_TEXT, error="m", boost_error=False)
    assert code.mode == "alphanumeric"
    expected = [[int(module) for module in line] for line in code.matrix_iter(border=4)]
    assert _modules(svg) == expected
    assert svg == qr_svg(LUNCH_TEXT)


def test_the_picture_is_an_element_without_a_size_or_a_script() -> None:
    svg = qr_svg("DT1:ABC", border=2)
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>")
    assert not re.search(r"width|height|script|href|style", svg)
    assert 'fill="#fff"' in svg


def test_no_text_gets_into_the_picture() -> None:
    assert "<b>" not in qr_svg("<b>&amp;")


@pytest.mark.parametrize("text", ["", "A" * 4_000, "\ud800"])
def test_texts_that_make_no_code(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        qr_svg(text)
    assert (caught.value.code, caught.value.facts) == ("E_REQUEST_QR", {"characters": len(text)})
