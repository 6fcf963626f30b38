"""Another signing secret without loss: what is sealed is sealed anew, what is signed stays good until it ends.

A rotation that was interrupted goes on with the secret that it had made. A former secret goes only when nothing signs
with it any more, nothing is sealed with it, and everything that it signed is over.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select, update

from madang import keyring
from madang.features.accounts import settings
from madang.features.accounts.contracts import SIGNED
from madang.features.accounts.service import browsers, links, sealing
from madang.features.accounts.service.factors import challenges
from madang.features.accounts.service.oidc import flows
from madang.features.accounts.tables import AuthenticatorRow, LoginRow
from madang.kernel.audit import Target, record
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.house import House

BATCH = 500
"""So many are sealed anew in one transaction; whoever signs in with one of them waits for it."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation sealed anew, what no known key opens, and how many former signing secrets it kept and dropped.

    All that was signed before it is over at `needed_until`.
    """

    sealed: int
    unreadable: int
    kept: int
    dropped: int
    needed_until: datetime


async def rotate(house: House, data_dir: Path) -> Rotation:
    """Make a new secret in the folder of `madang up` and seal everything with it. Call it under `keyring.locked`.

    Raises what the database raises before anything is changed, and `FileNotFoundError` when there is no secret.
    """
    await _needed_until(house, now())
    ring = keyring.turn(data_dir)
    sealed, unreadable = await seal_anew(house, ring.secrets)
    dropped = {one.secret for one in ring.former if one.retired_at and await _is_over(house, one.retired_at)}
    kept = len(ring.former) - len(dropped)
    done = Rotation(sealed, unreadable, kept, len(dropped), await _needed_until(house, now()))
    await _record(house, done)
    keyring.settle(data_dir, dropped)
    return done


async def seal_with_given(house: House) -> Rotation:
    """Seal everything with the secret that the operator gave and told every process of.

    What a key is missing for stays as it is and is counted: give all former ones along.
    """
    sealed, unreadable = await seal_anew(house, house.settings.secrets)
    kept = len(house.settings.old_secret_keys)
    done = Rotation(sealed, unreadable, kept, 0, await _needed_until(house, now()))
    await _record(house, done)
    return done


async def seal_anew(house: House, keys: tuple[str, ...]) -> tuple[int, int]:
    """Seal with the first of the signing secrets what another of them sealed; how many, and how many none opens."""
    sealed = unreadable = 0
    after: UUID | None = None
    while True:
        async with house.db.transaction() as tx:
            wanted = select(AuthenticatorRow).order_by(AuthenticatorRow.account_id).limit(BATCH).with_for_update()
            query = wanted if after is None else wanted.where(AuthenticatorRow.account_id > after)
            rows = (await tx.scalars(query)).all()
            opened = [sealing.unseal_with(keys, row.sealed_secret, row.account_id) for row in rows]
            anew = [
                {"account_id": row.account_id, "sealed_secret": sealing.seal_with(keys[0], one.secret, row.account_id)}
                for row, one in zip(rows, opened, strict=True)
                if one is not None and one.is_stale
            ]
            if anew:
                await tx.execute(update(AuthenticatorRow), anew)
        sealed += len(anew)
        unreadable += opened.count(None)
        if len(rows) < BATCH:
            return sealed, unreadable
        after = rows[-1].account_id


async def good_until(tx: Tx, before: datetime) -> datetime:
    """Until when something of accounts is good that was signed before that moment."""
    lifetimes = [
        *links.LIFETIMES.values(),
        challenges.LIFETIME,
        timedelta(seconds=flows.LIFETIME_SECONDS),
        timedelta(minutes=settings.load().access_token_minutes),
    ]
    standing = select(func.max(LoginRow.expires_at)).where(LoginRow.ended_at.is_(None), LoginRow.rotated_at <= before)
    known = select(func.max(LoginRow.rotated_at)).where(LoginRow.is_trusted.is_(True), LoginRow.rotated_at <= before)
    last, seen = await tx.scalar(standing), await tx.scalar(known)
    stateful = [one for one in (last, seen and seen + browsers.LIFETIME) if one is not None]
    return max([before + max(lifetimes), *stateful])


async def _needed_until(house: House, before: datetime) -> datetime:
    async with house.db.transaction() as tx:
        found = [await ask(tx, before) for ask in house.offers.all(SIGNED)]
    return max((one for one in found if one is not None), default=before)


async def _is_over(house: House, retired_at: datetime) -> bool:
    return await _needed_until(house, retired_at) < now()


async def _record(house: House, done: Rotation) -> None:
    details = {"sealed": done.sealed, "unreadable": done.unreadable, "kept": done.kept, "dropped": done.dropped}
    async with house.db.transaction() as tx:
        await record(tx, None, "accounts.keys_rotated", Target("house"), **details)
