"""The encoding of a text whose writer did not say it."""

import re

BAD_CHARACTERS = 100
"""A text in which no more than one character in so many is broken is still that text."""

_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\x1b")) + b"\x7f"
_USUAL = re.compile(r"[\t\n\r\f -~\u00a0-\u00ff\u2010-\u2044\u2190-\u21ff\u25a0-\u25ff\u3000-\u30ff\u3131-\u318e가-힣]")
_HANGUL = re.compile(r"[가-힣]")


def encoding_of(content: bytes, *, cut: bool = False) -> str | None:
    """The name of the text's encoding as `bytes.decode` knows it; None when the bytes are no text.

    With `cut` the end may stand within a character. Decode with `errors="replace"`: up to one character in a hundred
    may be broken.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in content:
        return _unmarked_utf16(content)
    if len(content.translate(None, _CONTROL)) < len(content) - len(content) // 200:
        return None
    for name in ("utf-8-sig", "cp949"):
        if _decodes(content, name, cut=cut):
            return name
    return _forgiving(content)


def _decodes(content: bytes, name: str, *, cut: bool) -> bool:
    for short in range(4 if cut else 1):
        try:
            content[: len(content) - short].decode(name)
        except UnicodeDecodeError:
            continue
        return True
    return False


def _forgiving(content: bytes) -> str | None:
    """UTF-8 or CP949 with a few broken characters; Western European text, which has few letters beyond ASCII."""
    for name in ("utf-8-sig", "cp949"):
        text = content.decode(name, "replace")
        if text.count("\ufffd") <= max(1, len(text) // BAD_CHARACTERS) and (_HANGUL.search(text) or text.isascii()):
            return name
    western = content.decode("cp1252", "replace")
    letters = sum(character.isalpha() or character == "\ufffd" for character in western if character > "\x7f")
    beyond = sum(character > "\x7f" for character in western)
    return "cp1252" if beyond <= len(western) // 4 and letters >= beyond // 2 else None


def _unmarked_utf16(content: bytes) -> str | None:
    """UTF-16 without its mark: nearly all of it is Korean, Western letters and their punctuation."""
    for name in ("utf-16-le", "utf-16-be"):
        text = content[: len(content) // 2 * 2].decode(name, "replace")
        if len(_USUAL.findall(text)) >= 0.95 * len(text):
            return name
    return None
