"""Permission to use the dashboard: passwords, sessions, and a limit to guesses.

GET reads and POST acts, so a request's method alone says which role it needs. Reading is open to
this machine where no password to read is set. Acting always takes a password: every user and
program of a machine reaches its loopback, and a discarded message is gone.
"""

import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from hashlib import sha256

import jwt

from dingda.worker.operations.dashboard.settings import DashboardSettings

SESSION_S = 12 * 3600
"""How long one may use the dashboard without signing in again."""
_ALGORITHM = "HS256"
_WINDOW_S = 60.0
_MOST_OF_ONE, _MOST_OF_ALL = 5, 100
"""Wrong passwords that one address, and all of them, may try in a minute."""


class Role(IntEnum):
    """What a user of the dashboard may do; each role may do what the ones before it may."""

    NONE = 0
    READ = 1
    ACT = 2


class Access:
    """Decides which role a request has.

    Sessions are signed with a key that this process makes up: after a restart one signs in again,
    and a changed password ends every session.

    Args:
        settings: the passwords, and where the dashboard listens.
        now_s: the clock by which sessions and guesses grow old, in seconds since 1970.
    """

    def __init__(
        self, settings: DashboardSettings, *, now_s: Callable[[], float] = time.time
    ) -> None:
        self._digests = {
            role: sha256(password.encode()).digest()
            for role, password in (
                (Role.READ, settings.read_password.get_secret_value()),
                (Role.ACT, settings.act_password.get_secret_value()),
            )
            if password
        }
        is_open = settings.is_private and Role.READ not in self._digests
        self.least = Role.READ if is_open else Role.NONE
        self._key = secrets.token_bytes(32)
        self._now_s = now_s
        self._guesses: deque[tuple[float, str]] = deque(maxlen=_MOST_OF_ALL)

    @property
    def can_sign_in(self) -> bool:
        """Whether there is a password to sign in with."""
        return bool(self._digests)

    @property
    def can_act(self) -> bool:
        """Whether anybody may act at all."""
        return Role.ACT in self._digests

    def role_of(self, session: str) -> Role:
        """The role that a session's cookie gives; "" for a request without one."""
        with suppress(jwt.InvalidTokenError, KeyError, ValueError):
            claims = jwt.decode(
                session,
                self._key,
                algorithms=[_ALGORITHM],
                options={"require": ["role", "until"]},
            )
            if claims["until"] > self._now_s():
                return Role(claims["role"])
        return self.least

    def sign_in(self, password: str, address: str) -> tuple[Role, str]:
        """The role that a password gives, and the session to hand out; NONE and "" if it is wrong.

        Every password is compared, in a time that does not depend on it.
        """
        digest = sha256(password.encode()).digest()
        matching = [
            role for role, ours in self._digests.items() if hmac.compare_digest(digest, ours)
        ]
        if not matching:
            self._guesses.append((self._now_s(), address))
            return Role.NONE, ""
        claims = {"role": int(matching[0]), "until": self._now_s() + SESSION_S}
        return matching[0], jwt.encode(claims, self._key, _ALGORITHM)

    def must_wait(self, address: str) -> bool:
        """Whether so many wrong passwords came lately that this address may try none for now."""
        since_s = self._now_s() - _WINDOW_S
        recent = [who for at_s, who in self._guesses if at_s > since_s]
        return len(recent) >= _MOST_OF_ALL or recent.count(address) >= _MOST_OF_ONE
