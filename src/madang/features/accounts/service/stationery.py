"""How letters look: the words as they are, and the same as a page with links that can be followed."""

import html
import re

from madang.kernel.mail import Mail

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


def letter(to: str, subject: str, text: str, action: str = "") -> Mail:
    """The mail with these words; what stands between two empty lines is a paragraph.

    In the page a link that stands alone is a button with the words of `action`, and follows small, to be copied.
    """
    parts = text.strip().split("\n\n")
    page = PAGE.format("".join(_button(part, action) or f"<p>{_with_links(part)}</p>" for part in parts))
    return Mail(to, subject, text, page)


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
