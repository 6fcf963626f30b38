"""The one form in which e-mail addresses are kept and compared."""

import re
import unicodedata

from madang.kernel.errors import Invalid

EMAIL_PATTERN = r"^[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*@[\w-]+(\.[\w-]+)*$"  # letters of every script
EMAIL_LENGTH, LOCAL_LENGTH = 254, 64


def normal_email(email: str) -> str:
    """The one form in which an address is kept and compared: NFKC, lower case, no space around it.

    Raises `Invalid` when it cannot be an address.
    """
    normal = unicodedata.normalize("NFKC", email).strip().lower()
    whole = re.fullmatch(EMAIL_PATTERN, normal)
    if not whole or len(normal) > EMAIL_LENGTH or normal.index("@") > LOCAL_LENGTH:
        raise Invalid("email_malformed", "This is not an e-mail address. Write it like name@example.org.")
    return normal
