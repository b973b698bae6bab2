"""Sessions: who is signed in, in this server's memory; a cookie or a bearer token holds a random name and no more.

Rules kept here:

- a session gets a new name when somebody signs in, so a name that was planted before is worth nothing afterwards;
- one browser may sit at several desks at once, one user at each: a presenter shows the bank in one tab and the treasury
  in another; what a role may do is asked of that role's user alone;
- a name ends after eight hours without use, when its user signs out, and when the server stops;
- wrong passcodes are counted per user: after five, that user waits a minute, whoever asks;
- the table is bounded: when it is full the session that was quiet longest ends.

Sessions live by the real clock, never by the sandbox's.
"""

import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cbdc.errors import Refused
from cbdc.ports import Clock, Entropy
from wallets.site.users import Directory, User

QUIET_SECONDS = 8 * 3_600
MOST_SESSIONS = 2_000
WRONG_TRIES = 5
WAIT_SECONDS = 60
NAME_BYTES = 24
_MOST_TYPED = 20
_MOST_LETTERS = 2_000


@dataclass(slots=True)
class Session:
    """One browser (or one program): its users by role, when it was last seen, and the token that its forms carry."""

    name: str
    csrf: str
    seen: int
    users: dict[str, User] = field(default_factory=dict)
    flashes: dict[str, dict[str, Any]] = field(default_factory=dict)
    typed: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    requests: int = 0

    def flash(self, role: str, news: dict[str, Any]) -> None:
        """What the desk's next page shows once: `done` with `facts`, or a `refusal` of an `operation`."""
        self.flashes[role] = news

    def take_flash(self, role: str) -> dict[str, Any] | None:
        """What was to be shown once, and is shown now."""
        return self.flashes.pop(role, None)

    def keep_typed(self, role: str, operation: str, values: Mapping[str, str]) -> None:
        """The values of a refused form, for its next showing."""
        if len(self.typed) > _MOST_TYPED:
            self.typed.clear()
        self.typed[role, operation] = {name: text[:_MOST_LETTERS] for name, text in values.items()}

    def take_typed(self, role: str, operation: str) -> dict[str, str] | None:
        """The values that were typed before a refusal, once."""
        return self.typed.pop((role, operation), None)

    def fresh_request(self) -> str:
        """A request id for one form."""
        self.requests += 1
        return f"{self.csrf[:24]}-{self.requests}"


class Sessions:
    """The table of sessions."""

    def __init__(self, directory: Directory, entropy: Entropy, real_clock: Clock) -> None:
        self.directory = directory
        self._entropy = entropy
        self._clock = real_clock
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._wrong: dict[str, tuple[int, int]] = {}
        self._made = 0

    def find(self, name: str) -> Session | None:
        """The session of this name, if it still lives; it counts as seen now."""
        now = self._clock.now()
        with self._lock:
            session = self._sessions.get(name)
            if session is None:
                return None
            if now - session.seen > QUIET_SECONDS:
                del self._sessions[name]
                return None
            session.seen = now
            return session

    def start(self) -> Session:
        """A new session with nobody signed in."""
        with self._lock:
            return self._start({})

    def _start(self, users: dict[str, User]) -> Session:
        if len(self._sessions) >= MOST_SESSIONS:
            quiet = min(self._sessions.values(), key=lambda one: one.seen)
            del self._sessions[quiet.name]
        self._made += 1
        number = self._made.to_bytes(8, "big")
        name = self._entropy.bytes("site session", number, NAME_BYTES).hex()
        csrf = self._entropy.bytes("site form", number, NAME_BYTES).hex()
        session = Session(name, csrf, self._clock.now(), users)
        self._sessions[name] = session
        return session

    def sign_in(self, old: Session | None, user_id: str, passcode: str) -> Session:
        """A session of a new name with this user signed in beside those of `old`, which ends.

        Raises E_SITE_USER, E_SITE_PASSCODE, E_SITE_WAIT.
        """
        user = self.directory.get(user_id)
        now = self._clock.now()
        with self._lock:
            tries, since = self._wrong.get(user.id, (0, now))
            if tries >= WRONG_TRIES and now - since < WAIT_SECONDS:
                raise Refused("E_SITE_WAIT", user=user.id, seconds=WAIT_SECONDS - (now - since))
            if not hmac.compare_digest(passcode.encode(), self.directory.passcode(user).encode()):
                self._wrong[user.id] = (tries % WRONG_TRIES + 1, now)
                raise Refused("E_SITE_PASSCODE", user=user.id)
            self._wrong.pop(user.id, None)
            users = dict(old.users) if old is not None else {}
            if old is not None:
                self._sessions.pop(old.name, None)
            users[user.role] = user
            return self._start(users)

    def sign_out(self, session: Session, role: str) -> None:
        """The role's user leaves; a session without users ends."""
        with self._lock:
            session.users.pop(role, None)
            if not session.users:
                self._sessions.pop(session.name, None)

    def end_all(self) -> None:
        """Everybody is signed out: the sandbox starts anew."""
        with self._lock:
            self._sessions.clear()
