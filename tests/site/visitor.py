"""A browser without a screen: the whole server in this process, and visitors who load pages and send forms.

with opened() as whole:
    clerk = Visitor(whole).signed_in("clerk-1")
    page = clerk.get("/bank/")
    page = clerk.send("/bank/", "order-tokens", amount_tiyn="1 000")    # as the form on that page would
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from werkzeug.test import Client, TestResponse

from cbdc.http.server import Limits
from cbdc.ports import ManualClock, SeededEntropy
from wallets.site.app import Options
from wallets.site.whole import Whole
from wallets.site.world import World

START = 1_762_146_000
BASE = "http://localhost"


@contextmanager
def opened(seed: int = 7, folder: Path | None = None, **options: Any) -> Iterator[Whole]:
    """A whole server over a fresh world at a fixed moment; audited at the end by whoever wants."""
    clock = ManualClock(START)
    world = World(clock, seed, folder)
    many = {"per_second": 100_000, "burst": 1_000_000, "show_passcodes": True} | options
    try:
        yield Whole(world, SeededEntropy(seed), clock, Options(**many), limits=Limits(100_000, 1_000_000))
    finally:
        world.close()


class Forms(HTMLParser):
    """The forms of a page: (action, {field: value}) each, as a browser would send them untouched."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.boxes: set[str] = set()
        self._select = ""
        self._area = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
        if not self.forms:
            return
        fields, name = self.forms[-1][1], given.get("name", "")
        if tag == "input" and name:
            if given.get("type") in ("checkbox", "radio") and "checked" not in given:
                self.boxes.add(name)
                return
            fields[name] = given.get("value", "")
        elif tag == "textarea" and name:
            self._area = name
            fields[name] = ""
        elif tag == "select" and name:
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in fields):
            fields[self._select] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1][1][self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""


class Visitor:
    """One browser with its cookies."""

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        self.client = Client(whole)

    def get(self, path: str, **options: Any) -> TestResponse:
        """A page."""
        return self.client.get(path, base_url=BASE, **options)

    def post(self, path: str, data: dict[str, str], **options: Any) -> TestResponse:
        """A form as it is, followed to nowhere."""
        return self.client.post(path, base_url=BASE, data=data, **options)

    def csrf(self) -> str:
        """The token of this browser's session."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/sign-in/bank").text)
        assert found is not None
        return found[1]

    def signed_in(self, user_id: str) -> "Visitor":
        """The same browser with this user signed in."""
        users = self.whole.world.users
        user = users.get(user_id)
        data = {"csrf": self.csrf(), "user": user_id, "passcode": users.passcode(user), "next": ""}
        answer = self.post(f"/sign-in/{user.role}", data)
        assert answer.status_code == 303, answer.text
        return self

    def form(self, page: str, operation: str) -> tuple[str, dict[str, str]]:
        """The form of an operation on a page: where it goes and what stands in it."""
        html = self.get(page).text
        for action, fields in Forms(html).forms:
            if action.endswith(f"/do/{operation}"):
                return action, fields
        raise AssertionError(f"no form for {operation} on {page}")

    def send(self, page: str, operation: str, **values: str) -> str:
        """Fill the form of an operation on a page, send it, and load the page it leads to."""
        action, fields = self.form(page, operation)
        unknown = values.keys() - fields.keys() - Forms(self.get(page).text).boxes
        assert not unknown, f"the form has no {unknown}: {sorted(fields)}"
        answer = self.post(action, fields | values)
        assert answer.status_code == 303, answer.text
        return self.get(answer.headers["Location"]).text


class Program:
    """A program at the JSON interface, with a bearer token."""

    def __init__(self, whole: Whole, user_id: str = "") -> None:
        self.client = Client(whole)
        self.headers: dict[str, str] = {}
        self._made = 0
        if user_id:
            users = whole.world.users
            body = {"user": user_id, "passcode": users.passcode(users.get(user_id))}
            answer = self.post("/v1/sessions", body)
            assert answer.status_code == 200, answer.text
            self.headers = {"Authorization": f"Bearer {answer.get_json()['token']}"}

    def get(self, path: str) -> TestResponse:
        """A query."""
        return self.client.get(path, base_url=BASE, headers=self.headers)

    def post(self, path: str, body: Any, **options: Any) -> TestResponse:
        """Any JSON."""
        return self.client.post(path, base_url=BASE, json=body, headers=self.headers, **options)

    def do(self, role: str, name: str, request_id: str = "", /, **fields: Any) -> TestResponse:
        """An operation under a fresh request id, or the given one."""
        self._made += 1
        body = {"request_id": request_id or f"a-fresh-request-{self._made:08d}", **fields}
        return self.post(f"/v1/roles/{role}/{name}", body)
