"""Names of files: what people may call them, and how to hand them back."""

import re
import unicodedata
from urllib.parse import quote

MAX_NAME = 200
"""Characters; longer names are cut before their extension."""

_CONTROL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)", re.IGNORECASE)
"""Names that Windows keeps for itself, with any extension: nobody there could save or delete such a file."""


def safe_name(given: str | None) -> str:
    """A name without path, control characters or surprises, in NFC; `file` when nothing is left.

    macOS sends Hangul decomposed (NFD); composed it is found and shown like everywhere else.
    """
    name = unicodedata.normalize("NFC", given or "").replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(char for char in name if unicodedata.category(char) not in _CONTROL)
    name = _FORBIDDEN.sub("_", name).strip(" .\u3000")
    if _DEVICE.match(name.replace(" ", "")):
        name = f"_{name}"
    stem, dot, extension = name.rpartition(".")
    if dot and len(extension) <= 12:
        name = stem[: MAX_NAME - len(extension) - 1] + dot + extension
    return name[:MAX_NAME].rstrip(" .\u3000") or "file"


def disposition(filename: str) -> str:
    """A `Content-Disposition` that downloads under this name (RFC 6266), with an ASCII fallback."""
    ascii_name = re.sub(r'[^\w .()\-]|"', "_", unicodedata.normalize("NFKD", filename), flags=re.ASCII)
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(filename, safe='')}"
