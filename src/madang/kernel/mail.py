"""Mail, by SMTP. It is posted with a transaction and sent by a worker after it, again until the server has taken it."""

import re
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from madang.kernel import log
from madang.kernel.clock import now
from madang.kernel.errors import Unavailable
from madang.kernel.ids import new_id
from madang.kernel.jobs import Job, JobKind
from madang.kernel.settings import Settings

if TYPE_CHECKING:
    from madang.kernel.db import Tx
    from madang.kernel.house import House

logger = log.get_logger(__name__)

SMTP_SECONDS = 20.0
PERMANENT = range(500, 600)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one address. `text` is plain; `html`, if any, has the same words for programs that show it."""

    to: str
    subject: str
    text: str
    html: str = ""
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in. `tls` is "always" from the first byte, "required" or "offered" by STARTTLS."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: str


SEND = JobKind("kernel.send_mail", Mail)


def is_set_up(settings: Settings) -> bool:
    """Whether mail can be sent at all."""
    return settings.smtp_url is not None


async def post(tx: "Tx", mail: Mail) -> None:
    """Send the mail once this transaction is committed; nothing is sent when it is rolled back."""
    await tx.enqueue(SEND, mail)


def server_of(settings: Settings) -> Server:
    """The server that the settings name. Raises `Unavailable` (mail_not_set_up) when they name none."""
    if settings.smtp_url is None:
        raise Unavailable("mail_not_set_up", "This server sends no mail. Ask the person who runs it to set it up.")
    at = urlsplit(settings.smtp_url.get_secret_value())
    secure = at.scheme == "smtps"
    host = at.hostname or "localhost"
    usual = "offered" if is_loopback(host) else "required"
    wanted = parse_qs(at.query).get("starttls", [usual])[0]
    return Server(
        host=host,
        port=at.port or (465 if secure else 587),
        username=unquote(at.username) if at.username else None,
        password=unquote(at.password) if at.password else None,
        tls="always" if secure else wanted,
    )


def is_loopback(host: str) -> bool:
    """Whether what is sent there stays on this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def written(mail: Mail, sender: str) -> EmailMessage:
    """The message as it goes over the wire. Raises `ValueError` for an address or subject that is none."""
    name, address = parseaddr(sender)
    to = _recipient(mail.to)
    message = EmailMessage(policy=SMTP if to.username.isascii() else SMTPUTF8)
    message["From"] = Address(name, addr_spec=address)
    message["To"] = to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(now())
    message["Message-ID"] = f"<{mail.id}@{address.rpartition('@')[2] or 'localhost'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.html:
        message.add_alternative(mail.html, subtype="html")
    return message


def _recipient(address: str) -> Address:
    """The address as servers take it, its domain in letters of the DNS (IDNA); raises `ValueError` for what is none.

    A name before the @ that has others goes to servers that take such names (SMTPUTF8), and to no others.
    """
    local, _, domain = address.rpartition("@")
    dns = domain.encode("idna").decode()
    if not local or (dns != domain and dns.encode().decode("idna") != domain):
        msg = "this is no address, or its domain could be read as another one"
        raise ValueError(msg)
    plain = Address(addr_spec=f"{re.sub(r'[^\x00-\x7f]', 'x', local)}@{dns}")
    return plain if local.isascii() else Address(username=local, domain=plain.domain)


async def send(house: "House", mail: Mail) -> None:
    """Hand the mail to the server now.

    A refusal for good (5xx) is logged and not tried again; whatever may pass is raised, so that the job tries again.
    A server that took the mail and then failed to say so gets it twice, with the same Message-ID.
    """
    import aiosmtplib  # noqa: PLC0415  # only workers send, and few houses do

    try:
        await hand_in(house, mail)
    except aiosmtplib.SMTPRecipientsRefused as refused:
        if any(one.code not in PERMANENT for one in refused.recipients):
            raise
        logger.warning("mail_refused", mail_id=str(mail.id), codes=[one.code for one in refused.recipients])
    except aiosmtplib.SMTPResponseException as refused:
        if refused.code not in PERMANENT or isinstance(refused, aiosmtplib.SMTPAuthenticationError):
            raise
        logger.warning("mail_refused", mail_id=str(mail.id), codes=[refused.code])
    except aiosmtplib.SMTPNotSupported as error:
        logger.warning("mail_refused", mail_id=str(mail.id), error=str(error))
    except ValueError as error:
        logger.warning("mail_malformed", mail_id=str(mail.id), error=str(error))


async def hand_in(house: "House", mail: Mail) -> None:
    """Hand the mail to the server. Raises `aiosmtplib.SMTPException`, `OSError`, and `ValueError` for a bad one."""
    import aiosmtplib  # noqa: PLC0415  # as in `send`

    server = server_of(house.settings)
    await aiosmtplib.send(
        written(mail, house.settings.mail_from),
        hostname=server.host,
        port=server.port,
        username=server.username,
        password=server.password,
        use_tls=server.tls == "always",
        start_tls={"always": False, "required": True, "never": False, "offered": None}[server.tls],
        timeout=SMTP_SECONDS,
    )


JOBS = (Job(SEND, send, max_attempts=12),)
"""What the kernel itself has for the worker."""
