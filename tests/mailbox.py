"""A real mail server of a test's own, and what arrived there."""

import asyncio
import email
import email.policy
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from madang.local.child import free_port

USER, PASSWORD = "madang", "p@ss:w/rd #1"


@dataclass
class Mailbox:
    """What arrived, in order, and what the server answers instead of taking it, one answer a mail."""

    port: int = field(default_factory=free_port)
    mails: list[EmailMessage] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # the name that the server calls
        if self.refusals:
            return self.refusals.pop(0)
        content = cast("bytes", envelope.content)
        self.mails.append(cast("EmailMessage", email.message_from_bytes(content, policy=email.policy.default)))
        return "250 taken"

    async def until(self, count: int) -> EmailMessage:
        """Wait for so many mails; returns the last of them."""
        async with asyncio.timeout(20):
            while len(self.mails) < count:  # noqa: ASYNC110  # the server lives in a thread of its own
                await asyncio.sleep(0.01)
        return self.mails[count - 1]

    def to(self, address: str) -> list[EmailMessage]:
        """Those to one address, in their order; letters to several people arrive in any."""
        return [mail for mail in self.mails if mail["To"] == address]


def words(mail: EmailMessage) -> str:
    """The plain text of a mail."""
    part = mail.get_body(("plain",))
    assert part is not None
    return cast("str", part.get_content())


def token(mail: EmailMessage) -> str:
    """The token in a mail's link."""
    found = re.search(r"#([\w-]+)", words(mail))
    assert found is not None, words(mail)
    return found[1]


def _login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    good = isinstance(given, LoginPassword) and given == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=good)


@contextmanager
def serving(box: Mailbox, *, asks_for_password: bool = False) -> Iterator[Mailbox]:
    """Serve the mailbox for as long as the block lasts."""
    options: dict[str, Any] = {}
    if asks_for_password:
        check: Callable[..., AuthResult] = _login
        options = {"authenticator": check, "auth_require_tls": False}
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
