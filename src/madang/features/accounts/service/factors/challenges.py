"""Challenges: what a client must answer within five minutes, once, and for one purpose.

A challenge is signed and names its account, so none has to be stored, and nobody can fill a store by asking for many.
Valkey only remembers those that were answered; without Valkey no challenge can be answered.
"""

import base64
import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from madang.features.accounts.service import tokens
from madang.kernel.clock import now
from madang.kernel.errors import Unauthorized
from madang.kernel.house import House

LIFETIME = timedelta(minutes=5)
TRIES = 5
NOBODY = UUID(int=0)
_PACKED = struct.Struct(">16s16sI32s")


class Purpose(StrEnum):
    """What a challenge can be used for, and for nothing else."""

    SECOND_FACTOR = "second-factor"
    PASSKEY_SIGN_IN = "passkey-sign-in"
    PASSKEY_REGISTRATION = "passkey-registration"


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge taken apart; nothing about it is proved before `require_good`."""

    raw: bytes
    account_id: UUID


def issue(house: House, purpose: Purpose, account_id: UUID = NOBODY, bound_to: str = "") -> Challenge:
    """A new challenge for an account, which dies as soon as `bound_to`, such as its password's hash, is another."""
    head = secrets.token_bytes(16) + account_id.bytes + int((now() + LIFETIME).timestamp()).to_bytes(4)
    return Challenge(head + _macs(house, purpose, head, bound_to)[0], account_id)


def written(challenge: Challenge) -> str:
    """The challenge as clients carry it: base64url without padding."""
    return base64.urlsafe_b64encode(challenge.raw).decode().rstrip("=")


def read(text: str) -> Challenge:
    """Take a challenge apart; raises `Unauthorized` when it has not the shape of one."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return Challenge(raw, UUID(bytes=_PACKED.unpack(raw)[1]))
    except (ValueError, struct.error) as error:
        raise invalid() from error


def require_good(house: House, challenge: Challenge, purpose: Purpose, bound_to: str = "") -> None:
    """Whether this house gave the challenge out, for this purpose, not long ago; raises `Unauthorized`."""
    expires = int.from_bytes(challenge.raw[32:36])
    head, mac = challenge.raw[:36], challenge.raw[36:]
    genuine = any(hmac.compare_digest(mac, one) for one in _macs(house, purpose, head, bound_to))
    if not genuine or expires < now().timestamp():
        raise invalid()


async def spend(house: House, challenge: Challenge) -> None:
    """Use a challenge up; of many at the same time one passes. Raises `Unauthorized` for the others."""
    first = await house.valkey.set(_key(house, "spent", challenge), b"1", nx=True, ex=LIFETIME)
    if not first:
        raise invalid()


async def count_try(house: House, challenge: Challenge) -> None:
    """Count a wrong answer before it is looked at; raises `Unauthorized` after five, or when it was used up."""
    key = _key(house, "tries", challenge)
    async with house.valkey.pipeline(transaction=True) as pipeline:
        pipeline.incr(key)
        pipeline.expire(key, LIFETIME)
        pipeline.exists(_key(house, "spent", challenge))
        tries, _, is_spent = await pipeline.execute()
    if tries > TRIES or is_spent:
        raise invalid()


def _key(house: House, what: str, challenge: Challenge) -> str:
    return f"{house.settings.key_prefix}:challenge:{what}:{hashlib.sha256(challenge.raw).hexdigest()[:32]}"


def _macs(house: House, purpose: Purpose, head: bytes, bound_to: str) -> list[bytes]:
    """By the key that signs, and by those that did before."""
    signed = head + hashlib.sha256(bound_to.encode()).digest()
    keys = [tokens.expand(secret, b"challenge/" + purpose.encode()) for secret in house.settings.secrets]
    return [hmac.digest(key, signed, "sha256") for key in keys]


def invalid() -> Unauthorized:
    """The answer to every challenge that is not good, whatever the reason."""
    return Unauthorized("challenge_invalid", "This took too long, or was answered already. Start again.")
