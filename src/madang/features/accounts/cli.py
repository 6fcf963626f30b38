"""`madang admin`: what only whoever runs the server may do."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from madang.features.accounts.contracts import Account, Invite
    from madang.kernel.house import House

NO_HOUSE = (
    "There is no Madang here. Run this in the folder where `madang up` runs, or set DATABASE_URL, VALKEY_URL and"
    " MADANG_SECRET_KEY as its processes have them."
)

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
    made = _run(lambda house: registration.create_supervisor(house, email, name, word))
    _say_account(made, "is a supervisor now.", as_json=as_json)


@admin.command("reset-password")
@click.argument("email")
@password_option
@as_json
def reset_password(email: str, password: str | None, *, as_json: bool) -> None:
    """Set an account's password anew, enable the account, and end all its sign-ins."""
    from madang.features.accounts.service import registration

    word = password or _ask()
    changed = _run(lambda house: registration.reset_password(house, email, word))
    _say_account(changed, "has a new password and is signed out everywhere.", as_json=as_json)


@admin.command("invite")
@click.option("--note", default="", help="A note for yourself, such as whom the code is for.")
@click.option("--uses", default=1, type=click.IntRange(1, 10_000), show_default=True, help="How many may register.")
@click.option("--days", default=7, type=click.IntRange(1, 365), show_default=True, help="How long the code is good.")
@as_json
def invite(note: str, uses: int, days: int, *, as_json: bool) -> None:
    """Make a code with which people can register; it is shown only this once."""
    made, code = _run(lambda house: _invite(house, note, uses, days))
    if as_json:
        click.echo(json.dumps({"id": str(made.id), "code": code, "expires_at": made.expires_at.isoformat()}))
    else:
        click.echo(f"{code}\ngood for {uses} until {made.expires_at:%Y-%m-%d %H:%M} UTC")


async def _invite(house: "House", note: str, uses: int, days: int) -> "tuple[Invite, str]":
    from madang.features.accounts.service import invites

    async with house.db.transaction() as tx:
        return await invites.create(tx, None, note=note, max_uses=uses, lifetime=timedelta(days=days))


def _run[T](work: "Callable[[House], Awaitable[T]]") -> T:
    """Do the work in a house of its own; what a problem says goes to standard error."""
    from pydantic import ValidationError
    from sqlalchemy.exc import OperationalError

    from madang.kernel.errors import Problem
    from madang.kernel.house import open_house
    from madang.kernel.settings import load

    async def in_house() -> T:
        async with open_house(load(), (), "admin", deliver=lambda _: None) as house:
            return await work(house)

    try:
        return asyncio.run(in_house())
    except Problem as problem:
        raise click.ClickException(problem.detail) from problem
    except ValidationError as error:
        names = ", ".join(str(part) for found in error.errors() for part in found["loc"])
        raise click.ClickException(f"{NO_HOUSE} (Missing or malformed: {names}.)") from error
    except OperationalError as error:
        raise click.ClickException(f"The database does not answer: {str(error.orig).strip()}") from error


def _ask() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _say_account(account: "Account", news: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"id": str(account.id), "email": account.email, "is_supervisor": account.is_supervisor}))
    else:
        click.echo(f"{account.email} {news}")
