"""Invite codes: short enough to type, and stored only as what the house's key makes of them.

Ten letters of Crockford's alphabet are 50 bits. Whoever guesses is slowed down by address (`invites.peek`), and whoever
steals the table needs the key as well to try codes against it.
"""

import hmac
import re
import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 10
LOOKALIKES = str.maketrans("OIL", "011")


def make() -> str:
    """A new code, as it is kept in mind: `7K3QM-0XN4T`."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return f"{letters[: LENGTH // 2]}-{letters[LENGTH // 2 :]}"


def normal(code: str) -> str | None:
    """The letters of a code however it was typed; None when it cannot be one."""
    letters = re.sub(r"[\s-]", "", code).upper().translate(LOOKALIKES)
    is_one = len(letters) == LENGTH and set(letters) <= set(ALPHABET)
    return letters if is_one else None


def digest(secret: str, code: str) -> bytes | None:
    """What is stored of a code; None when it cannot be one."""
    letters = normal(code)
    if letters is None:
        return None
    key = hmac.digest(secret.encode(), b"madang/scope-invite", "sha256")
    return hmac.digest(key, letters.encode(), "sha256")
