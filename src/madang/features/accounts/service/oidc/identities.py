"""Identities at providers: whose account one is, and how it is linked and let go of.

An identity is the pair of issuer and subject, never an e-mail address: addresses change hands.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, select, text

from madang.features.accounts import settings
from madang.features.accounts.access import account_for
from madang.features.accounts.contracts import Identity
from madang.features.accounts.service import addresses, recovery, registration, ways
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.service.oidc import authority, granting
from madang.features.accounts.service.oidc.id_tokens import Claims
from madang.features.accounts.settings import OidcProvider
from madang.features.accounts.tables import AccountRow, IdentityRow, LoginRow
from madang.kernel import log
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx, act_as_house
from madang.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from madang.kernel.house import House

logger = log.get_logger(__name__)

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a provider says it is. `email` is normal, and empty when there is none or the provider does not vouch.

    `is_silent` when it names an address and does not say whether it has verified it.
    """

    subject: str
    email: str
    name: str
    is_silent: bool = False


def person(provider: OidcProvider, claims: Claims) -> Person:
    """What matters of verified claims."""
    said, vouched = claims.get("email"), claims.get("email_verified")
    email = ""
    if isinstance(said, str) and (vouched is True or vouched == "true" or provider.trusts_email):
        try:
            email = addresses.normal_email(said)
        except Invalid:
            email = ""
    name: Any = claims.get("name") or claims.get("preferred_username") or ""
    shown = "".join(letter for letter in str(name) if letter.isprintable() and not "\ud800" <= letter <= "\udfff")
    is_silent = isinstance(said, str) and vouched is None and not provider.trusts_email
    return Person(str(claims["sub"]), email, shown[:LONGEST_NAME].strip(), is_silent)


async def account_of(house: House, tx: Tx, provider: OidcProvider, found: Person) -> tuple[AccountRow, IdentityRow]:
    """The account that somebody at a provider signs in to, locked: theirs already, linked now, or new.

    Raises `Forbidden` (oidc_email_unverified, oidc_email_not_vouched, oidc_link_first, oidc_registration_closed,
    first_run).
    """
    identity = await _locked(tx, provider, found)
    if identity is None:
        row = await _linkable(house, tx, provider, found)
        if row is None:
            row = await _new(house, tx, provider, found)
        else:
            await recovery.tell(house, tx, "identity_linked", row.email)
        identity = await _link(tx, row, provider, found, by=Principal(row.id, row.is_supervisor))
    else:
        row = await _account(tx, identity.account_id)
    if row.is_supervisor and not authority.permits_supervisor(provider, identity):
        raise _link_first(provider, "a supervisor did not link this identity themselves")
    identity.provider, identity.last_used_at = provider.name, now()
    identity.email = found.email or identity.email
    return row, identity


async def link(
    house: House, tx: Tx, provider: OidcProvider, found: Person, account_id: UUID, login_id: UUID
) -> IdentityRow:
    """Link an identity to the account of a sign-in that still stands; its owner is told by mail.

    Raises `Unauthorized` (signed_out) when it has ended, and `Conflict` (oidc_identity_taken) when the identity is
    another account's.
    """
    standing = select(LoginRow.id).where(
        LoginRow.id == login_id, LoginRow.account_id == account_id, LoginRow.ended_at.is_(None)
    )
    if await tx.scalar(standing) is None:
        raise Unauthorized("signed_out", "This sign-in has ended. Sign in again.")
    row = await _account(tx, account_id)
    identity = await _locked(tx, provider, found)
    if identity is None:
        await recovery.tell(house, tx, "identity_linked", row.email)
        identity = await _link(tx, row, provider, found, by=Principal(account_id, row.is_supervisor, login_id))
    if identity.account_id != account_id:
        detail = "Another account here is linked to this one already. Sign in to that account and unlink it first."
        raise Conflict("oidc_identity_taken", detail)
    identity.is_confirmed = True
    await tx.flush()
    return identity


async def listed(tx: Tx, who: Principal) -> list[Identity]:
    """The caller's identities, the oldest first."""
    labels = {one.name: one.label for one in settings.load_oidc().providers}

    def shown(row: IdentityRow) -> Identity:
        label = labels.get(row.provider, row.provider)
        return Identity(row.id, row.provider, label, row.email, row.created_at, row.last_used_at)

    query = select(IdentityRow).where(IdentityRow.account_id == who.account_id).order_by(IdentityRow.id)
    return [shown(row) for row in await tx.scalars(query)]


async def unlink(house: House, who: Principal, identity_id: UUID) -> None:
    """Let go of an identity of the caller, and of what its provider granted.

    Raises `NotFound`, and `Conflict` (identity_last_way) when the caller could not sign in any more.
    """
    async with house.db.transaction(who) as tx:
        row = await account_for(tx, who, who.account_id, lock=True)
        mine = (IdentityRow.account_id == who.account_id, IdentityRow.id == identity_id)
        identity = await tx.scalar(select(IdentityRow).where(*mine).with_for_update())
        if identity is None:
            raise NotFound("identity_not_found", "There is no such identity.")
        if not await ways.has_another(tx, row, without=identity_id):
            detail = "You could not sign in any more. Set a password, add a passkey or link another identity first."
            raise Conflict("identity_last_way", detail)
        await tx.execute(delete(IdentityRow).where(*mine))
        await act_as_house(tx)  # what the provider granted is not the caller's to change
        await granting.withdraw(house, tx, row, identity)
        await record(tx, who, "accounts.identity_unlinked", Target("account", row.id), provider=identity.provider)
        await recovery.tell(house, tx, "identity_unlinked", row.email)
    (await house.resource(open_desk)).forget_account(who.account_id)


async def _locked(tx: Tx, provider: OidcProvider, found: Person) -> IdentityRow | None:
    """The identity if it is known; nobody else decides about the same one before the transaction ends."""
    same = f"{provider.issuer}\n{found.subject}"
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:same, 0))"), {"same": same})
    query = select(IdentityRow).where(IdentityRow.issuer == provider.issuer, IdentityRow.subject == found.subject)
    return await tx.scalar(query.with_for_update())


async def _account(tx: Tx, account_id: UUID) -> AccountRow:
    query = select(AccountRow).where(AccountRow.id == account_id, AccountRow.deleted_at.is_(None))
    row = await tx.scalar(query.with_for_update(key_share=True))
    if row is None:
        raise Forbidden("account_disabled", "This account is disabled. Ask the person who runs this server.")
    return row


async def _linkable(house: House, tx: Tx, provider: OidcProvider, found: Person) -> AccountRow | None:
    """The account with the same address, where the provider's word suffices to link it; None when there is none."""
    if not found.email:
        raise _unvouched(provider, found)
    row = await tx.scalar(addresses.owner_of(found.email).with_for_update(key_share=True))
    if row is None:
        return None
    reason = await authority.refusal(house, tx, provider, row, found.email)
    if reason is not None:
        raise _link_first(provider, reason)
    return row


def _unvouched(provider: OidcProvider, found: Person) -> Forbidden:
    if found.is_silent:
        detail = (
            f"{provider.label} does not say whether it has verified your address. If it always has, the person who runs"
            f' this server sets "trusts_email": true for {provider.name} in MADANG_OIDC_PROVIDERS.'
        )
        logger.warning("oidc_email_not_vouched", provider=provider.name, setting="trusts_email")
        return Forbidden("oidc_email_not_vouched", detail)
    detail = "The provider does not vouch for your e-mail address. Verify it there, or sign in here another way."
    return Forbidden("oidc_email_unverified", detail)


def _link_first(provider: OidcProvider, reason: str) -> Forbidden:
    """The answer where the provider's word does not suffice; why not is the operator's to know, in the log."""
    logger.warning("oidc_link_refused", provider=provider.name, reason=reason)
    detail = "There is an account with this e-mail address. Sign in to it as usual and link it in the settings."
    return Forbidden("oidc_link_first", detail)


async def _new(house: House, tx: Tx, provider: OidcProvider, found: Person) -> AccountRow:
    """An account for somebody without one; its address is proved only where the provider is an authority for it."""
    if not await tx.scalar(select(exists(select(AccountRow.id)))):
        raise Forbidden("first_run", "Make the supervisor's account first; then people can sign in this way.")
    expected = await authority.is_expected(house, tx, provider, found.email)
    if not expected and not authority.may_register(provider, found.email):
        detail = "There is no account for you here yet. Ask the person who runs this server for one."
        raise Forbidden("oidc_registration_closed", detail)
    verified = authority.is_authoritative(provider, found.email)
    made = await registration.join(tx, found.email, found.name, verified=verified)
    if not verified:
        await recovery.tell(house, tx, "verification", found.email)
    return await _account(tx, made.id)


async def _link(tx: Tx, row: AccountRow, provider: OidcProvider, found: Person, *, by: Principal) -> IdentityRow:
    identity = IdentityRow(
        account_id=row.id,
        provider=provider.name,
        issuer=provider.issuer,
        subject=found.subject,
        email=found.email,
        made_supervisor=False,
        is_confirmed=by.login_id is not None,
        last_used_at=now(),
    )
    tx.add(identity)
    await tx.flush()
    await record(tx, by, "accounts.identity_linked", Target("account", row.id), provider=provider.name)
    return identity
