"""Signing in, staying signed in, signing out."""

import secrets
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, or_, select

from madang.features.accounts import settings
from madang.features.accounts.access import permit_entry
from madang.features.accounts.contracts import Device, SignIn
from madang.features.accounts.service import browsers, credentials, people, recovery, tokens
from madang.features.accounts.service.credentials import Proved
from madang.features.accounts.service.desk import Desk, open_desk
from madang.features.accounts.service.factors import challenges, held
from madang.features.accounts.service.factors.challenges import Purpose
from madang.features.accounts.tables import AccountRow, LoginRow
from madang.kernel import audit, log
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Unauthorized
from madang.kernel.house import House

logger = log.get_logger(__name__)

GRACE = timedelta(seconds=10)
"""A refresh token that was just used answers with the same successor: its answer was lost, or a second tab asked.

So does the successor itself, which stays the same in this time: where one tab after the other wakes up, some ask with
the token before, whenever their requests come through, and none of them was copied.
"""

LONGEST_DEVICE = 300
REMEMBERED = timedelta(days=90)
"""How long a sign-in that has ended can still be looked up by whoever wonders what happened."""


async def sign_in(house: House, email: str, password: str, device: Device) -> SignIn:
    """Begin a new sign-in, never one that the client brought along.

    Raises `Unauthorized` (invalid_credentials) for an unknown address and for a wrong password, after the same time,
    `Forbidden` (account_disabled, account_leaving, email_unverified) and `TooMany`; also `Unauthorized`
    (second_factor_required) with `challenge` and `methods` when the password was right and does not suffice.
    """
    for _ in range(2):  # another hash may be a stronger one of the same password, so it is compared once more
        handed = await _enter(house, await credentials.check(house, email, password, device), device)
        if handed is not None:
            return handed
    raise credentials.wrong()


async def _enter(house: House, proved: Proved, device: Device) -> SignIn | None:
    """Begin the sign-in of whose password was right; None when the account has another one by now."""
    desk = await house.resource(open_desk)
    async with house.db.transaction() as tx:
        row = await credentials.locked(tx, proved)
        if row is None:
            return None
        permit_entry(row)
        recovery.permit_verified(house, row)
        if proved.new_hash:
            row.password_hash = proved.new_hash
        methods = await held.demanded(tx, row.id)
        if not methods:
            return await begin(tx, desk, row, device, "password")
    raise _second_factor_required(house, row.id, row.password_hash, methods)


def _second_factor_required(house: House, account_id: UUID, password_hash: str, methods: list[str]) -> Unauthorized:
    challenge = challenges.issue(house, Purpose.SECOND_FACTOR, account_id, bound_to=password_hash)
    detail = "The password is right. Give one of `methods` with the challenge to POST /api/v1/auth/login/second-factor."
    told = challenges.written(challenge)
    return Unauthorized("second_factor_required", detail, challenge=told, methods=methods)


async def begin(tx: Tx, desk: Desk, row: AccountRow, device: Device, method: str) -> SignIn:
    """Begin a sign-in of somebody who proved by `method` who they are; raises `Forbidden` as `permit_entry` does."""
    permit_entry(row)
    login = _begin(row.id, device)
    tx.add(login)
    await tx.flush()
    who = Principal(row.id, row.is_supervisor, login.id)
    await audit.record(tx, who, "accounts.signed_in", audit.Target("account", row.id), method=method)
    others = await browsers.move_on(tx, row.id, browsers.read(desk.keys, device.browser))
    return _hand_out(desk, row, login, others)


def _begin(account_id: UUID, device: Device) -> LoginRow:
    moment = now()
    return LoginRow(
        account_id=account_id,
        salt=secrets.token_bytes(16),
        generation=1,
        rotated_at=moment,
        expires_at=moment + timedelta(days=settings.load().sign_in_days),
        address=device.address[:LONGEST_DEVICE],
        user_agent=device.user_agent[:LONGEST_DEVICE],
    )


def _hand_out(desk: Desk, row: AccountRow, login: LoginRow, others: list[UUID]) -> SignIn:
    """What the person holds now; in the cookie of their browser the sign-ins of `others` stay behind their own."""
    lifetime = timedelta(minutes=settings.load().access_token_minutes)
    return SignIn(
        account=people.account(row),
        access_token=tokens.make_access_token(desk.keys, tokens.AccessClaims(row.id, login.id), lifetime),
        expires_in=lifetime,
        refresh_token=tokens.make_refresh_token(desk.keys, login.id, login.generation, login.salt),
        refresh_expires_in=login.expires_at - now(),
        browser=browsers.written(desk.keys, [login.id, *others]) if login.is_trusted else "",
    )


async def refresh(house: House, token: str, device: Device) -> SignIn:
    """Exchange a refresh token for new tokens; raises `Unauthorized` (refresh_invalid) when it is not good.

    A token that was used before and comes back after `GRACE` was copied: the whole sign-in ends, for both holders.
    """
    desk = await house.resource(open_desk)
    presented = tokens.read_refresh_token(token)
    async with house.db.transaction() as tx:
        found = await _lock_login(tx, desk, presented)
        continued = _rotate(found[1], presented, device) if found else False
        if found and not continued:
            await audit.record(tx, None, "accounts.refresh_replayed", audit.Target("account", found[0].id))
        others = [one for one in browsers.read(desk.keys, device.browser) if one != presented.login_id]
        handed = _hand_out(desk, *found, others) if found and continued else None
    if handed is None:
        desk.forget(presented.login_id)
        raise tokens.refresh_invalid()
    return handed


async def _lock_login(tx: Tx, desk: Desk, presented: tokens.RefreshToken) -> tuple[AccountRow, LoginRow] | None:
    """The account and the standing sign-in of a genuine token, locked; None when there is none."""
    query = (
        select(AccountRow, LoginRow)
        .join(LoginRow, LoginRow.account_id == AccountRow.id)
        .where(LoginRow.id == presented.login_id, LoginRow.ended_at.is_(None), LoginRow.expires_at > now())
        .where(AccountRow.disabled_at.is_(None), AccountRow.deletion_at.is_(None), AccountRow.deleted_at.is_(None))
        .with_for_update(of=LoginRow)
    )
    found = (await tx.execute(query)).one_or_none()
    if found is None or not tokens.is_genuine(desk.keys, presented, found[1].salt):
        return None
    return found[0], found[1]


def _rotate(login: LoginRow, presented: tokens.RefreshToken, device: Device) -> bool:
    """Step to the next generation, stay in the grace after a step, or end the sign-in at a replay."""
    moment = now()
    has_just_stepped = login.generation > 1 and moment - login.rotated_at <= GRACE
    if has_just_stepped and presented.generation in {login.generation - 1, login.generation}:
        return True
    if presented.generation == login.generation:
        login.generation += 1
        login.rotated_at = moment
        login.expires_at = moment + timedelta(days=settings.load().sign_in_days)
        login.address, login.user_agent = device.address[:LONGEST_DEVICE], device.user_agent[:LONGEST_DEVICE]
        return True
    login.ended_at, login.end_reason, login.is_trusted = moment, "reuse", False
    logger.warning("refresh_token_replayed", login_id=str(login.id), account_id=str(login.account_id))
    return False


async def sign_out(house: House, token: str) -> None:
    """End the sign-in of a refresh token; nothing happens when there is none."""
    desk = await house.resource(open_desk)
    try:
        presented = tokens.read_refresh_token(token)
    except Unauthorized:
        return
    async with house.db.transaction() as tx:
        found = await _lock_login(tx, desk, presented)
        if found:
            found[1].ended_at, found[1].end_reason = now(), "signed out"
            who = Principal(found[0].id, login_id=found[1].id)
            await audit.record(tx, who, "accounts.signed_out", audit.Target("account", who.account_id))
    desk.forget(presented.login_id)


async def forget_ended(tx: Tx) -> int:
    """Delete the sign-ins that ended or expired more than `REMEMBERED` ago; returns how many."""
    limit = now() - REMEMBERED
    statement = delete(LoginRow).where(or_(LoginRow.ended_at < limit, LoginRow.expires_at < limit))
    return len((await tx.scalars(statement.returning(LoginRow.id))).all())
