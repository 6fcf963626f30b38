"""Making accounts: the first one founds the house, the others come by its rules."""

import hmac
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from madang import keyring
from madang.features.accounts import settings
from madang.features.accounts.contracts import (
    REGISTRATION_CODES,
    Account,
    AccountRegistered,
    CodeBook,
    Language,
    ProviderLabel,
    Setup,
)
from madang.features.accounts.service import invites, passwords, people, recovery, throttle
from madang.features.accounts.service.addresses import normal_email, owner_of
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.tables import AccountRow
from madang.kernel import audit, mail
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict, Forbidden, Invalid
from madang.kernel.house import House
from madang.kernel.ids import new_id
from madang.kernel.settings import Settings


@dataclass(frozen=True, slots=True)
class Application:
    """What somebody gives who wants an account."""

    email: str
    password: str = field(repr=False)
    name: str = ""
    invite_code: str | None = field(default=None, repr=False)
    language: Language | None = None
    setup_token: str | None = field(default=None, repr=False)


async def setup(house: House) -> Setup:
    """What a visitor may do here."""
    providers = tuple(ProviderLabel(one.name, one.label) for one in settings.load_oidc().providers)
    async with house.db.transaction() as tx:
        is_empty = await _is_empty(tx)
    return Setup(
        first_run=is_empty,
        registration=settings.load().registration,
        providers=providers,
        verification_required=recovery.is_required(house),
        sends_mail=mail.is_set_up(house.settings),
    )


async def register(house: House, wanted: Application, address: str) -> Account:
    """Make an account; the first one becomes the supervisor, whoever comes at the same time.

    Raises `Forbidden` (setup_token_wrong for the first, registration_closed, invite_required, invite_invalid),
    `Invalid` for the e-mail address or the password, `Conflict` (email_taken), `TooMany`, and what a book of codes says
    of a code that is over. Where only invited people register, nobody else learns which addresses are taken; where
    anybody may, failures from one address are counted and slowed down.

    Where addresses are verified, a taken one is no `Conflict`: the answer is that of a free one, the code is used up
    all the same, and its owner is told by mail.
    """
    email = normal_email(wanted.email)
    password = passwords.accept(wanted.password, email, wanted.name)
    async with throttle.attempt(house, throttle.counters(address)):
        async with house.db.transaction() as tx:
            if await _is_empty(tx):
                _permit_founding(house, wanted)
            else:
                await _permit(house, tx, wanted.invite_code, email, spend=False)
        hashing = (await house.resource(open_desk)).hashing
        password_hash = await hashing.hash(password)
        async with house.db.transaction() as tx:
            return await _found_or_join(house, tx, wanted, email, password_hash)


async def _found_or_join(house: House, tx: Tx, wanted: Application, email: str, password_hash: str) -> Account:
    await people.lock_founding(tx)
    is_founder = await _is_empty(tx)
    if is_founder:
        _permit_founding(house, wanted)
    code = None if is_founder else wanted.invite_code
    book = None if is_founder else await _permit(house, tx, code, email, spend=True)
    reads: dict[str, object] = {"language": wanted.language} if wanted.language else {}
    made = await _insert(tx, email, wanted.name.strip(), password_hash, is_supervisor=is_founder, preferences=reads)
    if made is None:
        return await _answer_alike(house, tx, wanted, email, book)
    has_to_prove = not made.email_verified and recovery.is_required(house)
    if book is not None and code:
        await (book.reserve(house, tx, email, code) if has_to_prove else book.redeem(house, tx, made, code))
    if has_to_prove:
        await recovery.tell(house, tx, "verification", email)
    return made


def setup_token(settings: Settings) -> str:
    """What the first person to register must know: the operator's choice, or what the secret key makes."""
    chosen = settings.setup_token
    return chosen.get_secret_value() if chosen else keyring.setup_token(settings.secret_key.get_secret_value())


def _permit_founding(house: House, wanted: Application) -> None:
    """Let only somebody become the first supervisor who was told so by whoever runs the server."""
    if not hmac.compare_digest(setup_token(house.settings).encode(), (wanted.setup_token or "").encode()):
        detail = "The first account needs the set-up token. Open the address that `madang admin setup-url` prints."
        raise Forbidden("setup_token_wrong", detail)


async def _answer_alike(house: House, tx: Tx, wanted: Application, email: str, book: CodeBook | None) -> Account:
    """Tell nothing about a taken address where addresses are proved; elsewhere raise `Conflict` (email_taken).

    The code is used up as if the address were free: whoever holds one that is good once would otherwise know by its
    being good still that there is an account. Another feature's code is kept for the owner of the address, who may have
    forgotten the account; nor does it give a new account anything yet, so that no list of members tells the difference.
    """
    if not recovery.is_required(house):
        raise Conflict("email_taken", "There is an account with this e-mail address. Sign in, or use another one.")
    if book is not None and wanted.invite_code:
        await book.reserve(house, tx, email, wanted.invite_code)
    await recovery.tell(house, tx, "already_registered", email)
    return Account(new_id(), email, wanted.name.strip(), is_supervisor=False, is_disabled=False, created_at=now())


async def _permit(house: House, tx: Tx, invite_code: str | None, email: str, *, spend: bool) -> CodeBook | None:
    """Whether the house takes people now, and this one; an invite is used up only when it is spent.

    A code of another feature's is given back with its book, which is to redeem it.
    """
    mode = settings.load().registration
    if mode == "closed":
        raise Forbidden("registration_closed", "Nobody can register here. Ask the person who runs this server.")
    if mode == "open" and not invite_code:
        return None
    if not invite_code:
        detail = "Only invited people can register here. Ask the person who runs this server for an invite code."
        raise Forbidden("invite_required", detail)
    for book in house.offers.all(REGISTRATION_CODES):
        if await book.knows(house, tx, invite_code, email):
            return book
    if spend:
        await invites.redeem(tx, invite_code)
    else:
        await invites.require(tx, invite_code)
    return None


async def join(tx: Tx, email: str, name: str, *, verified: bool) -> Account:
    """Make an account without a password, for somebody whom another system vouches for; the caller has permitted it.

    `email` is normal, and `verified` says that it is proved to be theirs. Raises `Conflict` (email_taken).
    """
    made = await _insert(tx, email, name, "", is_supervisor=False)
    if made is None:
        raise Conflict("email_taken", "There is an account with this e-mail address. Sign in, or use another one.")
    if verified:
        await tx.execute(update(AccountRow).where(AccountRow.id == made.id).values(email_verified_at=func.now()))
    return made


async def create_supervisor(house: House, email: str, name: str, password: str) -> Account:
    """Make a supervisor from the command line, or make one of an account that exists; the password is set anew."""
    email = normal_email(email)
    password = passwords.accept(password, email, name)
    password_hash = await (await house.resource(open_desk)).hashing.hash(password)
    async with house.db.transaction() as tx:
        await people.lock_founding(tx)
        made = await _insert(tx, email, name, password_hash, is_supervisor=True, operator=True)
        return made or await _set_password(house, tx, email, password_hash, is_supervisor=True)


async def reset_password(house: House, email: str, password: str) -> Account:
    """Set a password from the command line and end every sign-in; raises `Invalid` for an unknown account."""
    email = normal_email(email)
    password = passwords.accept(password, email)
    password_hash = await (await house.resource(open_desk)).hashing.hash(password)
    async with house.db.transaction() as tx:
        return await _set_password(house, tx, email, password_hash)


async def _set_password(
    house: House, tx: Tx, email: str, password_hash: str, *, is_supervisor: bool | None = None
) -> Account:
    row = await tx.scalar(owner_of(email).with_for_update())
    if row is None:
        raise Invalid("account_unknown", f"There is no account with the e-mail address {email}.")
    row.password_hash, row.disabled_at = password_hash, None
    row.is_supervisor = row.is_supervisor if is_supervisor is None else is_supervisor
    await tx.flush()
    await people.end_logins(tx, row.id, "password")
    deed = "accounts.supervisor_made" if is_supervisor else "accounts.password_reset"
    await audit.record(tx, None, deed, audit.Target("account", row.id), by="operator")
    await recovery.tell(house, tx, "password_changed", row.email)
    return people.account(row)


async def _insert(
    tx: Tx,
    email: str,
    name: str,
    password_hash: str,
    *,
    is_supervisor: bool,
    preferences: dict[str, object] | None = None,
    operator: bool = False,
) -> Account | None:
    """The new account, or None when the address is taken, in whichever spelling.

    A taken address costs the same work, which is undone, so that the time tells nobody who has an account. `operator`
    says that it is not the person's own deed, but that of whoever runs the server.
    """
    is_taken = await tx.scalar(owner_of(email)) is not None
    values: dict[str, object] = {
        "id": new_id(),
        "email": f"{new_id()}@taken.invalid" if is_taken else email,
        "name": name,
        "password_hash": password_hash,
        "is_supervisor": is_supervisor,
        "email_verified_at": now() if is_supervisor else None,
        "preferences": preferences or {},
    }
    posted = len(tx.deliveries)
    async with tx.begin_nested() as part:
        made = await _write(tx, values, operator=operator)
        if is_taken:
            await part.rollback()
    if is_taken:
        del tx.deliveries[posted:]
        return None
    return made


async def _write(tx: Tx, values: dict[str, object], *, operator: bool) -> Account | None:
    """Add the account with these values and tell of it; None when somebody took the address this moment."""
    statement = (
        insert(AccountRow)
        .values(values)
        .on_conflict_do_nothing(index_elements=[AccountRow.email])
        .returning(AccountRow)
    )
    row = await tx.scalar(statement)
    if row is None:
        return None
    who = None if operator else Principal(row.id, row.is_supervisor)
    told = {"by": "operator"} if operator else {}
    target = audit.Target("account", row.id)
    await audit.record(tx, who, "accounts.registered", target, is_supervisor=row.is_supervisor, **told)
    await tx.announce(AccountRegistered(row.id))
    return people.account(row)


async def _is_empty(tx: Tx) -> bool:
    return not await tx.scalar(select(exists(select(AccountRow.id))))


async def display_name(tx: Tx, account_id: UUID) -> str:
    """What to call somebody: their name, else what stands before the @ of their address; empty when unknown."""
    query = select(AccountRow.name, func.split_part(AccountRow.email, "@", 1)).where(AccountRow.id == account_id)
    found = (await tx.execute(query)).one_or_none()
    return (found[0] or found[1]) if found else ""
