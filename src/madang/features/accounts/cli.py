"""`madang admin`: what only whoever runs the server may do."""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from madang.adapters.command import in_house

if TYPE_CHECKING:
    from madang.features.accounts.contracts import Account, Invite
    from madang.features.accounts.service.rotation import Rotation
    from madang.kernel.house import House

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
password_option = click.option(
    "--password", help="The password; asked for, or read from standard input, when it is not given."
)


@click.group()
def admin() -> None:
    """Accounts, as whoever runs this server."""


@admin.command("create-supervisor")
@click.argument("email")
@click.option("--name", default="", help="What to call the person.")
@password_option
@as_json
def create_supervisor(email: str, name: str, password: str | None, *, as_json: bool) -> None:
    """Make a supervisor, or make one of the account with that e-mail address and set its password anew."""
    from madang.features.accounts.service import registration

    word = password or _ask()
    made = in_house(lambda house: registration.create_supervisor(house, email, name, word))
    _say_account(made, "is a supervisor now.", as_json=as_json)


@admin.command("setup-url")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the address.")
def setup_url(*, as_json: bool) -> None:
    """Print the address at which the first account is made, the supervisor's; its token is void after that."""
    from madang.features.accounts.service import registration
    from madang.kernel.settings import load
    from madang.keyring import setup_url as url_of

    settings = load()
    token = registration.setup_token(settings)
    url = url_of(settings.base_url, token)
    click.echo(json.dumps({"url": url, "token": token}) if as_json else url)


@admin.command("reset-password")
@click.argument("email")
@password_option
@as_json
def reset_password(email: str, password: str | None, *, as_json: bool) -> None:
    """Set an account's password anew, enable the account, and end all its sign-ins."""
    from madang.features.accounts.service import registration

    word = password or _ask()
    changed = in_house(lambda house: registration.reset_password(house, email, word))
    _say_account(changed, "has a new password and is signed out everywhere.", as_json=as_json)


@admin.command("reset-second-factor")
@click.argument("email")
@as_json
def reset_second_factor(email: str, *, as_json: bool) -> None:
    """Let somebody in by password alone who lost every second factor: their codes and passkeys go, sign-ins end."""
    from madang.features.accounts.service.factors import second_step

    changed = in_house(lambda house: second_step.reset(house, email))
    _say_account(changed, "has no second factor or passkey any more and is signed out everywhere.", as_json=as_json)


@admin.command("suspend")
@click.argument("email")
@as_json
def suspend(email: str, *, as_json: bool) -> None:
    """Keep somebody out: the account is disabled, and its sign-ins and API keys end within three seconds."""
    from madang.features.accounts.service import people

    changed = in_house(lambda house: people.suspend_by_operator(house, email, suspended=True))
    _say_account(changed, "is disabled and signed out everywhere.", as_json=as_json)


@admin.command("unsuspend")
@click.argument("email")
@as_json
def unsuspend(email: str, *, as_json: bool) -> None:
    """Let somebody sign in again who was kept out."""
    from madang.features.accounts.service import people

    changed = in_house(lambda house: people.suspend_by_operator(house, email, suspended=False))
    _say_account(changed, "may sign in again.", as_json=as_json)


@admin.command("end-sessions")
@click.argument("email")
@as_json
def end_sessions(email: str, *, as_json: bool) -> None:
    """Sign somebody out everywhere within three seconds; the password and the API keys stay."""
    from madang.features.accounts.service import people

    changed = in_house(lambda house: people.end_by_operator(house, email))
    _say_account(changed, "is signed out everywhere.", as_json=as_json)


@admin.command("invite")
@click.option("--note", default="", help="A note for yourself, such as whom the code is for.")
@click.option("--uses", default=1, type=click.IntRange(1, 10_000), show_default=True, help="How many may register.")
@click.option("--days", default=7, type=click.IntRange(1, 365), show_default=True, help="How long the code is good.")
@as_json
def invite(note: str, uses: int, days: int, *, as_json: bool) -> None:
    """Make a code with which people can register; it is shown only this once."""
    made, code = in_house(lambda house: _invite(house, note, uses, days))
    if as_json:
        click.echo(json.dumps({"id": str(made.id), "code": code, "expires_at": made.expires_at.isoformat()}))
    else:
        click.echo(f"{code}\ngood for {uses} until {made.expires_at:%Y-%m-%d %H:%M} UTC")


async def _invite(house: "House", note: str, uses: int, days: int) -> "tuple[Invite, str]":
    from madang.features.accounts.service import invites

    async with house.db.transaction() as tx:
        return await invites.create(tx, None, note=note, max_uses=uses, lifetime=timedelta(days=days))


@admin.command("export")
@click.argument("email")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
def export(email: str, file: Path) -> None:
    """Write everything of an account's own into a ZIP archive that nobody else on this machine can read."""
    size = in_house(lambda house: _export(house, email, file))
    click.echo(f"{file}: {size} bytes")


async def _export(house: "House", email: str, file: Path) -> int:
    from madang.features.accounts.service.export import export_by_operator

    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600, exist_ok=False)
        try:
            with part.open("wb") as written:
                async for piece in export_by_operator(house, email):
                    written.write(piece)
                size = written.tell()
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from error
    return size


@admin.command("delete")
@click.argument("email")
@click.option("--now", "at_once", is_flag=True, help="Delete for good at once, without days in which to restore it.")
@as_json
def delete(email: str, *, at_once: bool, as_json: bool) -> None:
    """Order the deletion of an account; it is signed out everywhere and can be restored for some days."""
    from madang.features.accounts.service import leaving

    left = in_house(lambda house: leaving.leave_by_operator(house, email, at_once=at_once))
    when = f"will be deleted on {left.deletion_at:%Y-%m-%d %H:%M} UTC." if left.deletion_at else "is deleted."
    _say_account(left, when, as_json=as_json)


@admin.command("restore")
@click.argument("email")
@as_json
def restore(email: str, *, as_json: bool) -> None:
    """Take back the deletion of an account."""
    from madang.features.accounts.service import leaving

    _say_account(in_house(lambda house: leaving.restore_by_operator(house, email)), "stays.", as_json=as_json)


@admin.command("rotate-keys")
@as_json
def rotate_keys(*, as_json: bool) -> None:
    """Make a new signing secret for `madang up` and seal everything with it; nobody is signed out.

    Restart `madang up` afterwards. Where MADANG_SECRET_KEY is given, give every process the new one with the old one
    in MADANG_OLD_SECRET_KEYS first; then this seals everything with it. What was interrupted goes on.
    """
    from madang import keyring
    from madang.features.accounts.service import rotation

    folder = Path(os.environ.get("MADANG_DATA_DIR") or ".madang")
    ring, given = keyring.read(folder), os.environ.get("MADANG_SECRET_KEY") or None
    if ring and given in (None, *ring.secrets):
        with keyring.locked(folder, wait=False) as alone:
            pass
        if not alone:
            click.echo("Another rotation is being made; this one waits for it.", err=True)
        with keyring.locked(folder):
            _say_rotation(in_house(lambda house: rotation.rotate(house, folder)), NEXT_OURS, as_json=as_json)
    elif os.environ.get("MADANG_OLD_SECRET_KEYS", "[]") != "[]":
        _say_rotation(in_house(rotation.seal_with_given), NEXT_GIVEN, as_json=as_json)
    else:
        raise click.ClickException(GIVEN_FIRST)


NEXT_OURS = (
    "Restart `madang up` now: until then it goes on with the secret before. That one is needed until {until} UTC at the"
    " latest, counted from the restart; it is kept, and a later rotation drops it."
)
NEXT_GIVEN = (
    "The keys in MADANG_OLD_SECRET_KEYS are needed until {until} UTC at the latest, if every process has been restarted"
    " with the new one. Take them out then, and restart."
)
GIVEN_FIRST = (
    "No secret that `madang up` keeps in this folder is in use: run this where it runs. If you give MADANG_SECRET_KEY"
    " yourself, give it a new value, put the old one at the front of the JSON list MADANG_OLD_SECRET_KEYS, restart"
    " every process, and run this again with both to seal everything."
)


def _say_rotation(done: "Rotation", following: str, *, as_json: bool) -> None:
    told = {name: getattr(done, name) for name in ("sealed", "unreadable", "kept", "dropped")}
    if as_json:
        click.echo(json.dumps({**told, "needed_until": done.needed_until.isoformat()}))
        return
    click.echo("Sealed anew: {sealed}. Former secrets kept: {kept}, dropped: {dropped}.".format(**told))
    if done.unreadable:
        click.echo(f"No known key opens {done.unreadable}: whose codes are refused needs reset-second-factor.")
    click.echo(following.format(until=f"{done.needed_until:%Y-%m-%d %H:%M}"))


@admin.command("mail-test")
@click.argument("email")
def mail_test(email: str) -> None:
    """Send a mail to this address, to see whether the mail server takes it."""
    in_house(lambda house: _mail_test(house, email))
    click.echo(f"The mail server took it. Look into the inbox of {email}, and into its spam.")


async def _mail_test(house: "House", email: str) -> None:
    from aiosmtplib import SMTPException

    from madang.features.accounts.service import letters
    from madang.kernel import mail
    from madang.kernel.clock import now

    try:
        await mail.hand_in(house, letters.written("test", email, "en", house.settings.base_url, now()))
    except (SMTPException, OSError, ValueError) as error:
        raise click.ClickException(f"The mail server did not take it: {error}") from error


def _ask() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _say_account(account: "Account", news: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"id": str(account.id), "email": account.email, "is_supervisor": account.is_supervisor}))
    else:
        click.echo(f"{account.email} {news}")
