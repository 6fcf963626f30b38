"""The one form in which e-mail addresses are kept and compared.

A domain is one name in many spellings: capitals, a dot at its end, letters of its own or the Punycode of the DNS. It is
kept in its own letters where nobody can take these for another name's, and in Punycode otherwise.
"""

import re
import unicodedata
from dataclasses import dataclass

from sqlalchemy import Select, select

from madang.features.accounts.tables import AccountRow
from madang.kernel.errors import Invalid

EMAIL_PATTERN = r"^[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*@[\w-]+(\.[\w-]+)*\.?$"  # letters of every script
EMAIL_LENGTH, LOCAL_LENGTH = 254, 64
PUNYCODE = "xn--"
LATIN = "LATIN"
TOGETHER = {"CJK", "HANGUL", "HIRAGANA", "IDEOGRAPHIC", "KATAKANA", "KATAKANA-HIRAGANA"}
"""Scripts that are written in one word, and whose letters look like no others."""
KNOWN_LATIN = "\u024f"
"""The last of the Latin letters that alphabets use; those after it are phonetic signs, and look like others."""

_LOCAL, _DOMAIN = EMAIL_PATTERN[1:-1].split("@")
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")


@dataclass(frozen=True, slots=True)
class Sought:
    """An address to look somebody up by: its one form, and every form that accounts of before may be kept in.

    The first of the `spellings` is what was typed. What is no address has the empty form.
    """

    normal: str
    spellings: tuple[str, ...]


def normal_email(email: str) -> str:
    """The one form in which an address is kept and compared: NFKC, lower case, no space around it, one domain.

    Raises `Invalid` when it cannot be an address.
    """
    typed = _typed(email)
    local, _, domain = typed.rpartition("@")
    if len(typed) > EMAIL_LENGTH or len(local) > LOCAL_LENGTH or not re.fullmatch(_LOCAL, local):
        raise _malformed()
    normal = f"{local}@{normal_domain(domain)}"
    if len(normal) > EMAIL_LENGTH:
        raise _malformed()
    return normal


def normal_domain(domain: str) -> str:
    """The one form of a domain, whichever way it is written. Raises `Invalid` when the DNS can have no such name."""
    plain = unicodedata.normalize("NFKC", domain).lower().translate(_DOTS).removesuffix(".")
    if plain.isascii() and PUNYCODE not in plain:
        if not re.fullmatch(_DOMAIN, plain) or plain.endswith("."):
            raise _malformed()
        return plain
    try:
        ascii_labels = _encoded(plain).split(".")
    except ValueError as error:
        if not plain.isascii() or not re.fullmatch(_DOMAIN, plain) or plain.endswith("."):
            raise _malformed() from error
        return plain  # something in it only looks like Punycode, which mail servers do not mind
    named_alone = ascii_labels[-1].startswith(PUNYCODE)
    return ".".join(_shown(label, in_script=named_alone) for label in ascii_labels)


def domain_of(email: str) -> str:
    """The one form of the domain of an address; as it is where the DNS can have no such name."""
    domain = email.rpartition("@")[2]
    try:
        return normal_domain(domain)
    except Invalid:
        return domain.lower()


def sought(email: str) -> Sought:
    """What to look for when somebody gives this address; never raises."""
    typed = _typed(email)
    try:
        normal = normal_email(email)
    except Invalid:
        return Sought(typed, (typed,)) if _was_taken_before(typed) else Sought("", ("",))
    local, _, domain = normal.rpartition("@")
    if domain.isascii() and PUNYCODE not in domain:
        return Sought(normal, (normal,))
    forms = [typed, normal]
    try:
        dns = _encoded(domain)
        forms += [f"{local}@{dns}", f"{local}@{'.'.join(_decoded(label) for label in dns.split('.'))}"]
    except ValueError:
        pass
    return Sought(normal, tuple(dict.fromkeys(forms)))


def owner_of(email: str) -> Select[AccountRow]:
    """The account in use with this address, as text that somebody gave or as it is kept; at most one.

    Where two accounts of before have two spellings of one address, each is found by its own.
    """
    spellings = sought(email).spellings
    in_use = select(AccountRow).where(AccountRow.email.in_(spellings), AccountRow.deleted_at.is_(None))
    if len(spellings) == 1:
        return in_use
    return in_use.order_by(AccountRow.email != spellings[0], AccountRow.id).limit(1)


def is_same(one: str, other: str) -> bool:
    """Whether two addresses that are kept are the same one."""
    return sought(one).normal == sought(other).normal


def _typed(email: str) -> str:
    return unicodedata.normalize("NFKC", email).strip().lower()


def _was_taken_before(typed: str) -> bool:
    """Whether accounts could be made with it when domains were not looked at."""
    return bool(re.fullmatch(EMAIL_PATTERN, typed)) and len(typed) <= EMAIL_LENGTH


def _encoded(domain: str) -> str:
    """The domain in letters of the DNS; raises `ValueError` when it has none (UTS 46, IDNA 2008)."""
    import idna  # noqa: PLC0415  # its tables take memory, and few addresses need them

    return idna.encode(domain, uts46=True, transitional=False).decode()


def _decoded(label: str) -> str:
    import idna  # noqa: PLC0415  # as above

    return idna.decode(label) if label.startswith(PUNYCODE) else label


def _shown(label: str, *, in_script: bool) -> str:
    """A label in its own letters, unless these could be another name's or are read in two ways.

    `in_script` says that the domain ends in a script of its own too, as names of one script do.
    """
    own = _decoded(label)
    if own == label:
        return label
    scripts = {unicodedata.name(letter, "?").split(" ")[0] for letter in own if not letter.isascii()}
    if any(letter.isascii() and letter.isalpha() for letter in own):
        scripts.add(LATIN)
    return own if _is_plain(own, scripts, in_script=in_script) and _is_read_alike(own, label) else label


def _is_plain(own: str, scripts: set[str], *, in_script: bool) -> bool:
    """Whether the letters cannot be taken for others: of what is written together, or of one script of its own."""
    if scripts == {LATIN}:
        return max(own) <= KNOWN_LATIN
    if scripts in ({LATIN, "HANGUL"}, {"HANGUL"}) or scripts <= TOGETHER:
        return True
    return in_script and len(scripts) == 1


def _is_read_alike(own: str, label: str) -> bool:
    """Whether older readers of such names, mail servers among them, read this one as it is meant (IDNA 2003)."""
    try:
        return own.encode("idna").decode() == label
    except UnicodeError:
        return False


def _malformed() -> Invalid:
    return Invalid("email_malformed", "This is not an e-mail address. Write it like name@example.org.")
