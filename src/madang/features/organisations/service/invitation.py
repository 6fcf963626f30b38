"""The letter that brings somebody a code."""

import re
from datetime import datetime

from madang.features.accounts.public import letter
from madang.kernel.mail import Mail

SUBJECT = "{name}: 초대합니다 · You are invited"
ACTION = "함께하기 · Join"
INVITATION = (
    "안녕하세요.\n\n“{name}”에서 초대했습니다. 아래 링크를 눌러 함께해 주세요. {moment}까지 쓸 수 있습니다."
    "\n\nHello,\n\nyou are invited to “{name}”. Open this link to join; it is good until {moment}.\n\n{link}"
)
"""In both languages, since nobody knows yet which the person reads."""


def invitation(to: str, name: str, link: str, expires_at: datetime) -> Mail:
    """The letter to an address about the place of that name, which strangers chose; only `link` can be followed."""
    said = _said(name)
    text = INVITATION.format(name=said, link=link, moment=f"{expires_at:%Y-%m-%d %H:%M} UTC")
    return letter(to, SUBJECT.format(name=said), text, ACTION)


def _said(name: str) -> str:
    """A name in one line, and with nothing that a mail program makes a link of."""
    return re.sub(r"(?<=\w)[.:](?=[\w/])", "·", " ".join(name.split()))
