"""Strange requests at every operation of the interface, in this process.

    python -m tests.site.fuzz_api SECONDS      until the time is over, with fresh chance; prints each finding

Two kinds. **Made up from the document** (schemathesis): whatever the schemas allow, and what they do not. **Mutated**:
the requests of the examples' story, with bytes changed, cut, doubled, bodies and headers exchanged, so that what is
signed and nearly right gets deep into the server. An answer may be any that the document lists and nothing else: no
status 5xx but 503, the documented content type, a body that fits its schema.
"""

import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.test import Client

from cbdc.http.server import Limits
from cbdc.ports import ManualClock, SeededEntropy
from tests.site.visitor import BASE, Program
from wallets.site import examples
from wallets.site.app import Options
from wallets.site.document import operations
from wallets.site.users import ROLES
from wallets.site.whole import Whole
from wallets.site.world import World

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# An answer without an end; a fresh sandbox, which ends every session and costs a second.
LEFT_OUT = {"get_v1_wallets_kid_events", "post_v1_roles_operator_reset", "delete_v1_sessions"}
_MUCH = 10_000_000
MUTATED = 5_000  # requests a round
TRIES = 60  # made-up requests for each operation and round


class Target:
    """A whole server after the examples' story, with a program signed in at every desk."""

    def __init__(self, whole: Whole, traffic: list[examples.Traffic]) -> None:
        self.whole = whole
        self.traffic = traffic
        self.document = whole.document()
        self.client = Client(whole)
        self.sign_in()
        self._validators: dict[tuple[str, str], Draft202012Validator] = {}
        self._templates = [
            (method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operation)
            for method, path, operation in sorted(
                operations(self.document), key=lambda row: ("{" in row[1], row[1])
            )
        ]

    def sign_in(self) -> None:
        users = self.whole.world.users
        self.tokens = {role: Program(self.whole, users.of_role(role)[0].id).headers for role in ROLES}

    # --- mutated ---

    def judge(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
        """Send it; what is wrong with the answer, or an empty text."""
        plain = path.partition("?")[0]
        operation = next(
            (row for verb, form, row in self._templates if verb == method and form.fullmatch(plain)), None
        )
        if operation is None or operation["operationId"] in LEFT_OUT:
            return ""
        answer = self.client.open(path, method=method, base_url=BASE, headers=dict(headers), data=body)
        status = str(answer.status_code)
        if status not in operation["responses"]:
            return f"status {status} is not documented: {answer.text[:300]}"
        [(media, content)] = operation["responses"][status]["content"].items()
        if answer.mimetype != media:
            return f"content type {answer.mimetype}, not {media}"
        if media != "text/html":
            try:
                self._validator(operation, status, content["schema"]).validate(answer.get_json())
            except ValidationError as error:
                return f"status {status}: {error.message[:300]}"
        return ""

    def _validator(self, operation: Any, status: str, schema: Any) -> Draft202012Validator:
        key = operation["operationId"], status
        if key not in self._validators:
            whole = schema | {"components": self.document["components"]}
            self._validators[key] = Draft202012Validator(whole)
        return self._validators[key]

    def mutated(self, chance: random.Random) -> tuple[str, str, dict[str, str], bytes]:
        """One request of the story, changed."""
        one, other = chance.choice(self.traffic), chance.choice(self.traffic)
        path, headers, body = one.path, dict(one.headers), one.body
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            kind = chance.randrange(7)
            if kind == 0:
                body = _changed(chance, body)
            elif kind == 1:
                body = other.body
            elif kind == 2:
                path = _changed_path(chance, path)
            elif kind == 3:
                headers = dict(other.headers)
            elif kind == 4 and headers:
                name = chance.choice(sorted(headers))
                headers[name] = _printable(_changed(chance, headers[name].encode()))
            elif kind == 5 and headers:
                headers.pop(chance.choice(sorted(headers)))
            else:
                self.whole.world.real_clock.advance(chance.choice((0, 1, 400)))  # type: ignore[attr-defined]
        return one.method, path, headers, body


def _changed(chance: random.Random, data: bytes) -> bytes:
    if not data:
        return chance.randbytes(chance.randrange(40))
    place = chance.randrange(len(data))
    kind = chance.randrange(5)
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
    if kind == 2:
        return data[:place] + chance.randbytes(3) + data[place:]
    if kind == 3:
        return data[:place] + data[place + 1 :]
    return data + data


def _changed_path(chance: random.Random, path: str) -> str:
    parts = path.split("/")
    parts[chance.randrange(2, len(parts))] = chance.choice(
        ("0", "1", "-1", "9" * 20, "ab" * 32, "AB" * 32, "é", "%00", "x" * 300, "'", "٣", "1:1", "home", "")
    )
    return "/".join(parts)


def _printable(data: bytes) -> str:
    return "".join(chr(33 + byte % 94) for byte in data)


@contextmanager
def target(seed_number: int = 9) -> Iterator[Target]:
    """A server to throw at: the examples' story was played in it."""
    clock = ManualClock(examples.START)
    world = World(clock, seed_number)
    try:
        options = Options(per_second=_MUCH, burst=_MUCH)
        whole = Whole(world, SeededEntropy(seed_number), clock, options, limits=Limits(_MUCH, _MUCH))
        traffic = examples.play(world, whole, clock, whole.partners, whole.site.table)
        yield Target(whole, traffic)
    finally:
        world.close()


def throw_mutated(aim: Target, count: int, seed_number: int) -> list[str]:
    """Throw so many mutated requests; the findings, each with the number that makes it again."""
    found = []
    for number in range(count):
        request = aim.mutated(random.Random(f"{seed_number} {number}"))
        if problem := aim.judge(*request):
            found.append(f"{seed_number}/{number} {request[0]} {request[1]}: {problem}")
    return found


# --- made up from the document ---


def made_up(aim: Target, tries: int, seed_number: int | None) -> Iterator[tuple[str, Callable[[], None]]]:
    """(operation id, a function that throws so many made-up requests at it and raises what it finds)."""
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", aim.whole)
    for result in schema.get_all_operations():
        operation = result.ok()
        name = operation.definition.raw["operationId"]
        if name not in LEFT_OUT:
            yield name, _throwing(aim, operation, tries, seed_number)


def _throwing(aim: Target, operation: Any, tries: int, seed_number: int | None) -> Callable[[], None]:
    role = operation.path.split("/")[3] if operation.path.startswith("/v1/roles/") else ""

    @settings(
        max_examples=tries,
        deadline=None,
        database=None,
        derandomize=seed_number is None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), signed_in=st.integers(0, 9))
    def throw(case: Any, signed_in: int) -> None:
        # Its client does not unpack answers.
        own = aim.tokens.get(role, {}) if signed_in else {}
        case.headers = {**(case.headers or {}), "Accept-Encoding": "identity", **own}
        answer = case.call()
        if answer.status_code == 401 and role in aim.tokens:
            aim.sign_in()  # something ended every session
        case.validate_response(answer, checks=CHECKS)

    if seed_number is not None:
        return seed(seed_number)(throw)
    return throw


def main(seconds: int) -> int:
    """Throw until the time is over; the number of findings."""
    until, findings, rounds, mutated, operations_met = time.monotonic() + seconds, 0, 0, 0, 0
    first = random.SystemRandom().randrange(2**32)
    while time.monotonic() < until:
        rounds += 1
        with target() as aim:
            for text in throw_mutated(aim, MUTATED, first + rounds):
                findings += 1
                print(text)
            mutated += MUTATED
            throwers = list(made_up(aim, TRIES, first + rounds))
            random.Random(first + rounds).shuffle(
                throwers
            )  # a round that is cut short leaves others out each time
            for name, throw in throwers:
                if time.monotonic() > until:
                    break
                operations_met += 1
                try:
                    throw()
                except Exception as error:
                    findings += 1
                    print(f"{first + rounds} {name}: {error}")
    print(
        f"{rounds} rounds from seed {first}: {mutated} mutated requests, up to {TRIES} made up for each of"
        f" {operations_met} operations ({len(throwers)} in a whole round), {findings} findings"
    )
    return findings


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1])) else 0)
