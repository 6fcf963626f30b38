"""Mail, by SMTP. It is posted with a transaction and sent by a worker after it, again until the server has taken it."""

import html
import re
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
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
PAGE = (
    '<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark"></head><body style="font-family:-apple-system,BlinkMacSystemFont,'
    "'Apple SD Gothic Neo','Malgun Gothic',Roboto,sans-serif;font-size:16px;line-height:1.7;word-break:keep-all;"
    'overflow-wrap:anywhere;max-width:34em;margin:2em auto;padding:0 1em">{}</body></html>'
)
BUTTON = (
    "display:inline-block;padding:12px 20px;border-radius:8px;background:#2f6e62;color:#fff;font-weight:600;"
    "text-decoration:none"
)
LINK = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one address. `text` is plain; an HTML part with the same words and live links is made of it.

    There a link that stands alone is a button with the words of `action`, and follows small, to be copied.
    """

    to: str
    subject: str
    text: str
    action: str = ""
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
    wanted = parse_qs(at.query).get("starttls", ["offered"])[0]
    return Server(
        host=at.hostname or "localhost",
        port=at.port or (465 if secure else 587),
        username=unquote(at.username) if at.username else None,
        password=unquote(at.password) if at.password else None,
        tls="always" if secure else wanted,
    )


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
    message.add_alternative(_as_html(mail), subtype="html")
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


def _as_html(mail: Mail) -> str:
    parts = mail.text.strip().split("\n\n")
    return PAGE.format("".join(_button(part, mail.action) or f"<p>{_with_links(part)}</p>" for part in parts))


def _button(paragraph: str, action: str) -> str | None:
    """The paragraph as a button, if it is nothing but a link and there are words for it."""
    if not action or not LINK.fullmatch(paragraph):
        return None
    address = html.escape(paragraph)
    return (
        f'<p style="margin:28px 0 12px"><a href="{address}" style="{BUTTON}">{html.escape(action)}</a></p>'
        f'<p style="margin:0 0 28px;font-size:13px;color:#777;word-break:break-all">{address}</p>'
    )


def _with_links(paragraph: str) -> str:
    pieces: list[str] = []
    end = 0
    for found in LINK.finditer(paragraph):
        shown = html.escape(found[0])
        pieces += (html.escape(paragraph[end : found.start()]), f'<a href="{shown}">{shown}</a>')
        end = found.end()
    pieces.append(html.escape(paragraph[end:]))
    return "".join(pieces).replace("\n", "<br>")


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
        start_tls={"always": False, "required": True, "never": False}.get(server.tls),
        timeout=SMTP_SECONDS,
    )


JOBS = (Job(SEND, send, max_attempts=12),)
"""What the kernel itself has for the worker."""
