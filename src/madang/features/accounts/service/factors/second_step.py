"""The second step of signing in by password, signing in by passkey, and the way out for who lost every factor."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from madang.features.accounts.contracts import Account, Device, SignIn
from madang.features.accounts.service import browsers, credentials, people, recovery, signing_in, throttle
from madang.features.accounts.service.desk import Desk, open_desk
from madang.features.accounts.service.factors import challenges, held, passkeys, recovery_codes, totp
from madang.features.accounts.service.factors.challenges import Challenge, Purpose
from madang.features.accounts.service.factors.passkeys import Assertion, Credential, Proof, Site
from madang.features.accounts.tables import AccountRow
from madang.kernel.audit import Target, record
from madang.kernel.db import Tx
from madang.kernel.errors import Unauthorized
from madang.kernel.house import House

TRIES = 100
TRIES_SECONDS = 24 * 3600
"""How many wrong codes of an app an account bears in a day from addresses that it never signed in from.

As many again from those that it did: they are counted apart, so that strangers lock nobody out at home.
"""
BROWSER_TRIES = 10
"""How many more one known browser has in that time, at whatever address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How somebody proves a second time who they are: a code, or what a passkey's device says."""

    method: held.Method
    code: str = field(default="", repr=False)
    credential: Credential | None = None


async def options(house: House, site: Site, login_challenge: str | None) -> tuple[str, Credential]:
    """A challenge for a passkey, and what the browser needs to answer it.

    With the challenge of a sign-in by password it is that one, for the passkeys of its account. Raises `Unauthorized`
    (challenge_invalid).
    """
    async with house.db.transaction() as tx:
        if login_challenge is None:
            challenge = challenges.issue(house, Purpose.PASSKEY_SIGN_IN)
        else:
            challenge = challenges.read(login_challenge)
            await _account_of(house, tx, challenge)
        return challenges.written(challenge), await passkeys.assertion_options(tx, site, challenge)


async def finish(house: House, challenge_text: str, answer: Answer, site: Site, device: Device) -> SignIn:
    """Sign in who gave the password before and proves themselves a second time.

    The challenge is spent once the answer was seen to be right, between two transactions. Raises `Unauthorized`
    (challenge_invalid, second_factor_wrong), `Forbidden` (account_disabled) and `TooMany`.
    """
    challenge = challenges.read(challenge_text)
    assertion = Assertion(site, challenge, answer.credential or {})
    desk = await house.resource(open_desk)
    async with house.db.transaction() as tx:
        row = await _account_of(house, tx, challenge)
        counted = await _counters(tx, desk, row, answer, device)
    async with throttle.attempt(house, counted):
        await challenges.count_try(house, challenge)
        async with _rehearsal(house) as tx:
            refused = await _check(house, tx, await _account_of(house, tx, challenge), assertion, answer)
        if refused is None:
            await challenges.spend(house, challenge)
            async with house.db.transaction() as tx:
                row = await _account_of(house, tx, challenge, lock=True)
                refused = await _check(house, tx, row, assertion, answer)
                if refused is None:
                    return await signing_in.begin(tx, desk, row, device, f"password and {answer.method}")
        await _note(house, challenge.account_id, "accounts.second_factor_failed", answer.method, refused)
        raise Unauthorized("second_factor_wrong", "This is not right, or it was used already. Try the next one.")


async def _counters(tx: Tx, desk: Desk, row: AccountRow, answer: Answer, device: Device) -> Sequence[throttle.Counter]:
    """What a wrong answer counts for; codes of an app are few enough to guess, so they do for the whole account."""
    counted = throttle.counters(device.address, f"second factor of {row.id}")
    if answer.method != held.TOTP:
        return counted
    browser = await browsers.known(tx, row.email, browsers.read(desk.keys, device.browser))
    if browser:
        return [*counted, throttle.Counter(f"codes by {browser}", BROWSER_TRIES, TRIES_SECONDS)]
    places = {throttle.place(one) for one in await credentials.places_of(tx, row.email)}
    is_known = not device.is_shared and throttle.place(device.address) in places
    whose = f"codes of {row.id} from known places" if is_known else f"codes of {row.id}"
    return [*counted, throttle.Counter(whose, TRIES, TRIES_SECONDS)]


async def sign_in_by_passkey(
    house: House, challenge_text: str, credential: Credential, site: Site, device: Device
) -> SignIn:
    """Sign in without a password.

    Raises `Unauthorized` (challenge_invalid, passkey_refused), `Forbidden` (account_disabled) and `TooMany`.
    """
    challenge = challenges.read(challenge_text)
    challenges.require_good(house, challenge, Purpose.PASSKEY_SIGN_IN)
    assertion, desk = Assertion(site, challenge, credential), await house.resource(open_desk)
    async with throttle.attempt(house, throttle.counters(device.address)):
        async with _rehearsal(house) as tx:
            proof = await passkeys.prove(tx, assertion)
            row = await _standing(tx, proof)
        if row is not None and proof.refused is None:
            await challenges.spend(house, challenge)
            async with house.db.transaction() as tx:
                proof = await passkeys.prove(tx, assertion)
                row = await _standing(tx, proof)
                if row is not None and proof.refused is None:
                    return await signing_in.begin(tx, desk, row, device, held.PASSKEY)
        if row is not None:
            await _note(house, proof.account_id, "accounts.passkey_refused", held.PASSKEY, proof.refused)
        raise Unauthorized("passkey_refused", "This passkey is not known here, or its answer was wrong. Try again.")


async def reset(house: House, email: str) -> Account:
    """Let go of every second factor and passkey of an account, and end its sign-ins, from the command line.

    Raises `Invalid` (account_unknown).
    """
    async with house.db.transaction() as tx:
        row = await people.by_email(tx, email)
        letters = await held.remove_all(tx, row.id)
        await people.end_logins(tx, row.id, "second factor reset")
        await record(tx, None, "accounts.second_factors_reset", Target("account", row.id))
        for letter in letters:
            await recovery.tell(house, tx, letter, row.email)
        return people.account(row)


@asynccontextmanager
async def _rehearsal(house: House) -> AsyncGenerator[Tx]:
    """A transaction to see in whether an answer is right. It is rolled back, so nothing is used up by it.

    The challenge is spent after it, and what was seen is looked at once more in the transaction that counts: whoever
    comes second with the same challenge, or while Valkey is away, still has their code.
    """
    async with house.db.transaction() as tx:
        yield tx
        await tx.rollback()


async def _account_of(house: House, tx: Tx, challenge: Challenge, *, lock: bool = False) -> AccountRow:
    """The account that a challenge of the first step is for, as long as its password is the one that was given.

    With `lock` nobody changes the account before the transaction ends.
    """
    query = select(AccountRow).where(AccountRow.id == challenge.account_id, AccountRow.deleted_at.is_(None))
    row = await tx.scalar(query.with_for_update(key_share=True) if lock else query)
    if row is None:
        raise challenges.invalid()
    challenges.require_good(house, challenge, Purpose.SECOND_FACTOR, row.password_hash)
    return row


async def _check(house: House, tx: Tx, row: AccountRow, assertion: Assertion, answer: Answer) -> str | None:
    """Why the answer is not believed; None when it is."""
    if answer.method == held.PASSKEY:
        return (await passkeys.prove(tx, assertion)).refused
    if answer.method == held.TOTP:
        right = await totp.use(house, tx, row.id, answer.code)
    else:
        right = await recovery_codes.use(tx, row.id, answer.code)
    return None if right else "wrong or used"


async def _standing(tx: Tx, proof: Proof) -> AccountRow | None:
    query = select(AccountRow).where(AccountRow.id == proof.account_id, AccountRow.deleted_at.is_(None))
    return await tx.scalar(query) if proof.account_id else None


async def _note(house: House, account_id: UUID | None, deed: str, method: str, reason: str | None) -> None:
    """Record what did not work; its own transaction, since that of the attempt may not be kept."""
    async with house.db.transaction() as tx:
        await record(tx, None, deed, Target("account", account_id), method=method, reason=reason or "")
