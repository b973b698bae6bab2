"""One case being played with a client over HTTP: tasks are handed out one by one, outcomes are judged.

    GET  /emulator/case       the case's name, the bank's number and its test keys
    GET  /emulator/task       {"number", "do", "arguments"}; "do" is "end" when there is none left
    POST /emulator/outcome    {"number", "outcome": "done" or "refused", "code"}
    everything else           the national platform, behind a network that may be bad

A task is judged by what the client says **and** by what stands in the platform's books. The first thing that is wrong
ends the case.
"""

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from cbdc.errors import TengeError
from wallets.emulator.cases import DONE, Case, Task
from wallets.emulator.platform import BANK_ID, Platform

MAX_BODY_BYTES = 4_096
END = {"number": 0, "do": "end", "arguments": {}}
_STATUS = {200: "200 OK", 400: "400 Bad Request", 404: "404 Not Found", 405: "405 Method Not Allowed"}

StartResponse = Callable[..., Any]


class Conductor:
    """A case over a platform; a WSGI application."""

    def __init__(self, case: Case, platform: Platform) -> None:
        self.case = case
        self.platform = platform
        self.problem = ""
        self.passed = 0
        self._begun = -1
        self._lock = threading.Lock()
        self.ended = threading.Event()

    @property
    def ok(self) -> bool:
        """Whether every task came out as it should."""
        return not self.problem and self.passed == len(self.case.tasks)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = str(environ.get("PATH_INFO", ""))
        if not path.startswith("/emulator/"):
            answer: Iterable[bytes] = self.platform.network(environ, start_response)
            return answer
        status, body = self._own(str(environ.get("REQUEST_METHOD", "")), path, environ)
        data = json.dumps(body, sort_keys=True).encode()
        start_response(
            _STATUS[status], [("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
        )
        return [data]

    def _own(self, method: str, path: str, environ: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self._lock:
            if (method, path) == ("GET", "/emulator/case"):
                return 200, self._introduction()
            if (method, path) == ("GET", "/emulator/task"):
                return 200, self._next()
            if (method, path) == ("POST", "/emulator/outcome"):
                outcome = _outcome(environ)
                if outcome is None:
                    return 400, {"problem": "an outcome is a JSON object with number, outcome and code"}
                self._judge(*outcome)
                return 200, {"ok": not self.problem}
        known = path in ("/emulator/case", "/emulator/task", "/emulator/outcome")
        return (405 if known else 404), {"problem": "see docs/bank-emulator.md"}

    def _introduction(self) -> dict[str, Any]:
        return {
            "case": self.case.name,
            "title": self.case.title,
            "bank_id": BANK_ID,
            "network": self.platform.system.network.hex(),
            "keys": self.platform.secrets(),
            "tasks": len(self.case.tasks),
        }

    def _next(self) -> dict[str, Any]:
        if self.problem or self.passed == len(self.case.tasks):
            self.ended.set()
            return END
        task = self.case.tasks[self.passed]
        if self._begun < self.passed:
            self._begun = self.passed
            task.before(self.platform)
            self.platform.network.arm(*task.faults)
        return {"number": self.passed + 1, "do": task.do, "arguments": dict(task.arguments)}

    def _judge(self, number: int, outcome: str, code: str) -> None:
        if self.problem or number != self.passed + 1 or self._begun != self.passed:
            return  # said twice, or of a task that was not handed out
        task = self.case.tasks[self.passed]
        problem = self._wrong(task, outcome, code)
        if problem:
            self.problem = f"task {number} ({task.do}): {problem}"
            self.ended.set()
            return
        self.passed += 1
        if self.passed == len(self.case.tasks):
            self.ended.set()

    def _wrong(self, task: Task, outcome: str, code: str) -> str:
        came = DONE if outcome == DONE else code
        if came != task.expect:
            return f"expected {task.expect}, the client reports {came[:60] or outcome[:60]}"
        try:
            return task.after(self.platform)
        except TengeError as error:
            return error.sentence()

    def give_up(self, why: str) -> None:
        """The client ended, or took too long."""
        with self._lock:
            if not self.ok and not self.problem:
                self.problem = f"task {self.passed + 1}: {why}"
            self.ended.set()


def _outcome(environ: dict[str, Any]) -> tuple[int, str, str] | None:
    try:
        size = int(environ.get("CONTENT_LENGTH") or 0)
        if size > MAX_BODY_BYTES:
            return None
        body = json.loads(environ["wsgi.input"].read(size))
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    number, outcome, code = body.get("number"), body.get("outcome"), body.get("code", "")
    if type(number) is not int or not isinstance(outcome, str) or not isinstance(code, str):
        return None
    return number, outcome, code
