"""A class: seats by name, a certificate made here that is good for this computer only, the real command over TLS."""

import http.client
import ipaddress
import re
import signal
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from cbdc.errors import TengeError
from cbdc.ports import SeededEntropy
from tests.site.process import served
from tests.site.visitor import Program, Visitor, opened
from wallets.site.classroom import open_class, seats_of, students, take_seat
from wallets.site.tls import AUTHORITY_FILE, KEY_FILE, addresses_of_this_computer, make_certificate
from wallets.site.whole import Whole


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one


def code_of(call) -> str:
    with pytest.raises(TengeError) as caught:
        call()
    return caught.value.code


def test_a_name_has_one_seat_and_a_request_one_code(whole: Whole) -> None:
    world = whole.world
    assert code_of(lambda: take_seat(world, "Saule", "a-request-of-saule")) == "E_CLASS_NONE"
    open_class(world, 2)
    first = take_seat(world, "  Saule ", "a-request-of-saule")
    assert take_seat(world, "saule", "a-request-of-saule") == first
    again = take_seat(world, "SAULE", "another-request-of-s")
    assert (again.user, again.code != first.code) == (first.user, True)
    second = take_seat(world, "Нұрлан", "a-request-of-nurlan")
    assert second.user.bank_id != first.user.bank_id
    assert code_of(lambda: take_seat(world, "Third", "a-request-of-third")) == "E_CLASS_FULL"
    assert [user.name for user in students(world)] == ["Saule", "Нұрлан"]
    open_class(world, 3)
    assert take_seat(world, "Third", "a-request-of-third").user.id == "student-3"


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "line\nbreak\u0007", "\u202egnirts"])
def test_what_is_no_name_gets_no_seat(whole: Whole, name: str) -> None:
    open_class(whole.world, 2)
    assert code_of(lambda: take_seat(whole.world, name, "a-request-of-nobody")) == "E_SITE_FIELD"
    assert students(whole.world) == []


@pytest.mark.parametrize("seats", [0, 61, -1])
def test_a_class_has_a_size(whole: Whole, seats: int) -> None:
    assert code_of(lambda: open_class(whole.world, seats)) == "E_SETTING"


def test_students_and_seats_survive_a_restart(tmp_path: Path) -> None:
    with opened(folder=tmp_path) as whole:
        open_class(whole.world, 5)
        seat = take_seat(whole.world, "Saule", "a-request-of-saule")
    with opened(folder=tmp_path) as whole:
        assert seats_of(whole.world) == 5
        assert students(whole.world) == [seat.user]
        assert take_seat(whole.world, "Saule", "a-request-of-saule") == seat


def test_a_student_gets_a_wallets_address_from_the_page(whole: Whole) -> None:
    open_class(whole.world, 5)
    student = Visitor(whole)
    page = student.get("/class/").text
    data = {
        "csrf": re.search(r'name="csrf" value="(\w+)"', page)[1],
        "request_id": re.search(r'name="request_id" value="([\w-]+)"', page)[1],
        "name": "<script>alert(1)</script>",
    }
    answer = student.post("/class/", data)
    assert re.fullmatch(r"/wallet/\?as=student-1#join=[0-9A-Z]{10}&bank=1", answer.headers["Location"])
    assert student.post("/class/", data).headers["Location"] == answer.headers["Location"]
    assert student.post("/class/", data | {"csrf": ""}).status_code == 403
    teacher = Visitor(whole).signed_in("operator").get("/operator/class").text
    assert "&lt;script&gt;alert(1)" in teacher
    assert "<script>alert(1)" not in teacher
    assert student.get("/class/authority.crt").status_code == 404


def test_a_teacher_cuts_the_class_and_sees_who_is_there(whole: Whole) -> None:
    teacher = Program(whole, "operator")
    assert teacher.do("operator", "open-class", seats=3).status_code == 200
    take_seat(whole.world, "Saule", "a-request-of-saule")
    assert teacher.do("operator", "cut-class").status_code == 200
    seen = teacher.get("/v1/roles/operator/class").get_json()
    assert (seen["seats"], seen["is_cut"], [one["name"] for one in seen["students"]]) == (3, True, ["Saule"])
    assert teacher.do("operator", "connect-class").status_code == 200
    assert not teacher.get("/v1/roles/operator/class").get_json()["is_cut"]


def test_the_certificate_is_good_for_this_computer_only(tmp_path: Path) -> None:
    addresses = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("192.0.2.7")]
    made = make_certificate(tmp_path, addresses, 1_795_824_000, SeededEntropy(1))
    authority = x509.load_pem_x509_certificate((tmp_path / AUTHORITY_FILE).read_bytes())
    own = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    own.verify_directly_issued_by(authority)
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    allowed = constraints.value.permitted_subtrees or []
    assert {str(one.value) for one in allowed} == {"localhost", "127.0.0.1/32", "192.0.2.7/32"}
    names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == addresses
    assert not own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


@pytest.mark.slow
def test_a_class_is_served_over_tls_at_an_address_of_this_computer() -> None:
    outside = [one for one in addresses_of_this_computer() if not one.is_loopback and one.version == 4]
    address = str(outside[0]) if outside else "127.0.0.1"
    with served("--class", "3") as (process, port, lines):
        text = "\n".join(lines)
        assert lines[0].startswith("WARNING")
        if outside:
            assert f"Students open https://{address}:{port}/class/" in text
        lax = ssl.create_default_context()
        lax.check_hostname, lax.verify_mode = False, ssl.CERT_NONE
        first = http.client.HTTPSConnection(address, port, timeout=60, context=lax)
        first.request("GET", "/class/authority.crt")
        authority = first.getresponse().read().decode()
        first.close()
        strict = ssl.create_default_context(cadata=authority)
        trusted = http.client.HTTPSConnection(address, port, timeout=60, context=strict)
        trusted.request("GET", "/class/")
        answer = trusted.getresponse()
        assert answer.status == 200
        assert "Take a seat" in answer.read().decode()
        assert "Secure" in (answer.getheader("Set-Cookie") or "")
        trusted.request("GET", "/sign-in/operator")
        page = trusted.getresponse().read().decode()
        trusted.close()
        code = re.search(r"operator\s+operator\s+(\d{6})", text)
        assert code is not None
        assert code[1] not in page
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 0
