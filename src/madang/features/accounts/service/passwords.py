"""Passwords: what is a good one, and argon2id beside the event loop.

A password is compared in Unicode normal form KC, so that it is the same on every keyboard (NIST SP 800-63B, 3.1.1.2);
its length counts characters of that form.
"""

import asyncio
import gzip
import os
import secrets
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from madang.kernel.errors import Invalid, TooMany
from madang.kernel.telemetry import is_streaming

SHORTEST, LONGEST = 8, 256
WAITING_AT_MOST = 200
NICENESS = 19
REST = 4
"""How long a thread rests after a hash while answers are read, by what the hash took."""

COMMON = (
    "password password1 password12 password123 passw0rd p@ssw0rd p@ssword1 pass1234 iloveyou sunshine princess "
    "football baseball superman trustno1 whatever starwars welcome1 welcome123 letmein1 letmein123 admin123 "
    "administrator changeme changeme1 default1 qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 1q2w3e4r 1q2w3e4r5t "
    "q1w2e3r4 1qaz2wsx zaq12wsx asdfghjkl asdf1234 zxcvbnm1 abcd1234 abc12345 a1b2c3d4 test1234 testtest login123 "
    "dragon123 monkey123 master123 shadow123 michael1 jennifer computer internet samsung1 hyundai1 korea1234 "
    "dkssudgktpdy tkfkdgody qlalfqjsgh qwer1234 qwer1234! asdf1234! abcd1234! password! password1! 1234qwer "
    "1234abcd 12341234 11223344 12344321 87654321 98765432 147258369 123123123 123qweasd gksrnrdj madang12 madang123 "
    "안녕하세요안녕하세요 비밀번호비밀번호 사랑해사랑해사랑해"
)
LEAKED = Path(__file__).with_name("common_passwords.txt.gz")
"""One on each line, in lower case; of @zxcvbn-ts/language-common, see the licence beside it."""
ROWS = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")


def normalised(password: str) -> str:
    """The form in which passwords are hashed and compared."""
    return unicodedata.normalize("NFKC", password)


def accept(password: str, *personal: str) -> str:
    """The normal form of a password that somebody wants to have.

    Raises `Invalid` when it is too short, too long, among those that anyone would try first, or one of the `personal`
    words (the person's own name and e-mail address).
    """
    password = normalised(password)
    if not SHORTEST <= len(password) <= LONGEST:
        detail = f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}."
        raise Invalid("password_length", detail)
    plain = password.casefold()
    own = {part for word in personal for part in (word.casefold(), word.casefold().split("@")[0])}
    if plain in COMMON.split() or plain in own or _monotonous(plain) or _is_common(plain):
        detail = "This password is among the first that anyone would try. A few unrelated words make a good one."
        raise Invalid("password_common", detail)
    return password


def _is_common(plain: str) -> bool:
    """Whether it is one of the 17,950 that leaked most often; read anew each time (1 ms), so that nothing is kept."""
    if "\n" in plain:
        return False
    with gzip.open(LEAKED) as file:
        return f"\n{plain}\n".encode() in file.read()


def _monotonous(plain: str) -> bool:
    """Whether it only repeats one short piece, or walks along the keyboard or the alphabet."""
    repeats = any(plain == (plain[:size] * len(plain))[: len(plain)] for size in (1, 2))
    walks = any(plain in row * 3 or plain in row[::-1] * 3 for row in ROWS)
    return repeats or walks


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the password was right, and its new hash when the old one was made with weaker parameters."""

    right: bool
    new_hash: str | None = None


class Hashing:
    """Argon2id in a few threads of low priority, so that many sign-ins slow each other and not the answers.

    While answers are read from this process a thread rests after each hash: the processor's caches, the event loop and
    the database are shared even where the priority is low.
    """

    def __init__(self, memory_kib: int, rounds: int, threads: int) -> None:
        self._hasher = PasswordHasher(time_cost=rounds, memory_cost=memory_kib, parallelism=1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_step_back)
        self._decoy = self._hasher.hash(secrets.token_urlsafe(32))
        self._waiting = 0
        self._took = 0.0

    async def hash(self, password: str) -> str:
        """The hash to keep of a password in its normal form."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, kept: str | None, password: str) -> Verdict:
        """Whether `password` is the one that `kept` was made of; None costs as much time and is always wrong."""
        return await self._run(lambda: self._verify(kept, normalised(password)))

    def _verify(self, kept: str | None, password: str) -> Verdict:
        try:
            self._hasher.verify(kept or self._decoy, password)
        except (Argon2Error, InvalidHashError):
            return Verdict(right=False)
        if kept is None:
            return Verdict(right=False)
        stale = self._hasher.check_needs_rehash(kept)
        return Verdict(right=True, new_hash=self._hasher.hash(password) if stale else None)

    async def _run[T](self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_AT_MOST:
            raise busy()
        self._waiting += 1
        try:
            done = asyncio.get_running_loop().run_in_executor(self._pool, self._timed, work)
            if is_streaming():
                self._pool.submit(self._rest)
            return await done
        finally:
            self._waiting -= 1

    def _timed[T](self, work: Callable[[], T]) -> T:
        began = perf_counter()
        try:
            return work()
        finally:
            self._took = perf_counter() - began

    def _rest(self) -> None:
        sleep(REST * self._took)

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def busy() -> TooMany:
    """The answer to whom waiting would not help."""
    detail = "Too many people are signing in at this moment. Try again in a few seconds."
    return TooMany("sign_in_busy", detail, headers={"Retry-After": "5"})


def _step_back() -> None:
    """Lower this thread's priority, where threads have one of their own (Linux)."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
