"""That an e-mail address is somebody's own, and the way back for who has forgotten the password.

Whoever asks gets the same answer after the same work: a job is left for a worker, which alone looks whether there is
such an account.
"""

from sqlalchemy import update

from madang.features.accounts import settings
from madang.features.accounts.access import own_account
from madang.features.accounts.contracts import PROVED, WRITE, Device, Language, Letter, LetterWanted
from madang.features.accounts.service import letters, links, passwords, people, throttle, ways
from madang.features.accounts.service.addresses import normal_email, owner_of
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.tables import AccountRow
from madang.kernel import mail
from madang.kernel.audit import Target, record
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.db import Tx
from madang.kernel.errors import Conflict, Forbidden, TooMany
from madang.kernel.house import House

PLACES: dict[str, str] = {
    "verification": "/verify-email#{token}",
    "password_reset": "/reset-password#{token}",
    "email_change": "/verify-email#{token}",
    "password_changed": "/forgot-password",
    "totp_enabled": "/settings/security",
    "totp_disabled": "/settings/security",
    "recovery_codes_renewed": "/settings/security",
    "passkey_added": "/settings/security",
    "passkey_removed": "/settings/security",
    "identity_linked": "/settings/security",
    "identity_unlinked": "/settings/security",
    "key_created": "/settings/keys",
    "sign_in_guessed": "/forgot-password",
}
LETTERS_AN_HOUR = 5
ASKED_AN_HOUR = 30


def is_required(house: House) -> bool:
    """Whether people sign in only once their address is verified: as set, else as soon as mail can be sent."""
    chosen = settings.load().require_verified_email
    return mail.is_set_up(house.settings) if chosen is None else chosen


def permit_verified(house: House, row: AccountRow) -> None:
    """Let only who has proved the address sign in; raises `Forbidden` (email_unverified)."""
    if row.email_verified_at is None and is_required(house):
        detail = "Open the link in the mail that was sent to you first, or ask for another one."
        raise Forbidden("email_unverified", detail)


async def ask_for(house: House, kind: Letter, email: str, device: Device, language: Language | None) -> None:
    """Have a letter written to the address if it has an account that it is for.

    Raises `Conflict` (mail_not_set_up), `Invalid` for what is no address, and `TooMany` for who asks too often. An
    address that has had its letters for this hour gets no more, and nobody is told.
    """
    if not mail.is_set_up(house.settings):
        raise Conflict("mail_not_set_up", "This server sends no mail. Ask the person who runs it.")
    address = normal_email(email)
    await throttle.count(
        house, [throttle.Counter(f"letters from {throttle.place(device.address)}", ASKED_AN_HOUR, 3600)]
    )
    try:
        await throttle.count(house, [throttle.Counter(f"letters to {kind} {address}", LETTERS_AN_HOUR, 3600)])
    except TooMany:
        return
    async with house.db.transaction() as tx:
        await tx.enqueue(WRITE, LetterWanted(kind, address, language))


async def tell(house: House, tx: Tx, kind: Letter, email: str) -> None:
    """Have a letter written about what this transaction does, where mail is set up."""
    if mail.is_set_up(house.settings):
        await tx.enqueue(WRITE, LetterWanted(kind, email, None))


async def tell_owner(house: House, tx: Tx, who: Principal, kind: Letter) -> None:
    """Have a letter written to the caller about what this transaction does, where mail is set up."""
    if mail.is_set_up(house.settings):
        await tell(house, tx, kind, (await own_account(tx, who)).email)


async def write(house: House, wanted: LetterWanted) -> None:
    """Write the letter, if there is somebody whom it is for. For the worker."""
    if not mail.is_set_up(house.settings):
        return
    async with house.db.transaction() as tx:
        owner = await _account_at(tx, wanted.email)
        row = owner if wanted.account_id is None else await tx.get(AccountRow, wanted.account_id)
    kind = wanted.kind
    if kind == "email_change" and owner is not None and row is not None:
        kind, row = "address_taken", owner
    if row is None or row.deleted_at is not None or row.disabled_at is not None or not _concerns(kind, row):
        return
    chosen = wanted.language if row is not owner or kind != "address_taken" else None
    language: Language = "ko" if (chosen or row.preferences.get("language")) == "ko" else "en"
    place = PLACES.get(kind, "/")
    match kind:
        case "verification" | "password_reset":
            place = place.format(token=links.token(house, kind, row))
        case "email_change":
            place = place.format(token=links.token(house, kind, row, wanted.email))
        case _:
            pass
    async with house.db.transaction() as tx:
        left = await ways.left(tx, row.id) if kind == "password_changed" else 0
    link = house.settings.base_url + place
    await mail.send(house, letters.written(kind, wanted.email, language, link, now(), other_ways=left))


async def _account_at(tx: Tx, email: str) -> AccountRow | None:
    return await tx.scalar(owner_of(email))


def _concerns(kind: Letter, row: AccountRow) -> bool:
    return kind != "verification" or row.email_verified_at is None


async def verify(house: House, link: links.Link) -> None:
    """Take the link of a verification letter; opening it again changes nothing. Raises `Invalid` (link_invalid)."""
    async with house.db.transaction() as tx:
        row = await links.row_of(house, tx, "verification", link)
        if row.email_verified_at is None:
            row.email_verified_at = now()
            await tx.flush()
            await record(tx, Principal(row.id), "accounts.email_verified", Target("account", row.id), by="mail")
            await proved(house, tx, row)


async def proved(house: House, tx: Tx, row: AccountRow) -> None:
    """Let the features above know that somebody has proved the address."""
    for take_note in house.offers.all(PROVED):
        await take_note(tx, people.account(row))


async def reset(house: House, token: str, wanted: str, device: Device, *, ends_others: bool = False) -> None:
    """Take the link of a reset letter and set another password; every sign-in ends, and the address is proved.

    With `ends_others` every other way in ends too.

    Whoever guesses at the account meanwhile does not keep them from signing in where they did this. Raises
    `Invalid` (link_invalid), and for a weak password, after which the link can be used again.
    """
    link = links.read(token)
    async with house.db.transaction() as tx:
        row = await links.row_of(house, tx, "password_reset", link)
        password = passwords.accept(wanted, row.email, row.name)
    desk = await house.resource(open_desk)
    password_hash = await desk.hashing.hash(password)
    async with house.db.transaction() as tx:
        row = await links.row_of(house, tx, "password_reset", link)
        is_news, verified_at = row.email_verified_at is None, row.email_verified_at or now()
        values = {"password_hash": password_hash, "email_verified_at": verified_at}
        await tx.execute(update(AccountRow).where(AccountRow.id == row.id).values(values))
        await people.end_logins(tx, row.id, "password")
        if ends_others:
            await ways.end_others(house, tx, row)
        await record(tx, Principal(row.id), "accounts.password_reset", Target("account", row.id), by="mail")
        await tell(house, tx, "password_changed", row.email)
        if is_news:
            await proved(house, tx, row)
    desk.forget_account(link.account_id)
    await throttle.welcome(house, device.address, row.email)
