"""`madang organisations`: the tree, as whoever runs the server."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from madang.features.organisations.contracts import Member, Place
    from madang.kernel.house import House

PAGE = 500

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def organisations() -> None:
    """Organisations, partners and classes, as whoever runs this server."""


@organisations.command("list")
@click.argument("organisation", required=False)
@as_json
def list_all(organisation: str | None, *, as_json: bool) -> None:
    """List every organisation, or one with all that lies beneath it; give its name or id."""
    from madang.adapters.command import in_house

    found = in_house(lambda house: _places(house, organisation))
    _say_places(found, as_json=as_json)


async def _places(house: "House", wanted: str | None) -> "list[Place]":
    from madang.features.organisations.service import operator

    async with house.db.transaction() as tx:
        return await operator.places(tx, await operator.place_id(tx, wanted) if wanted else None)


@organisations.command("create")
@click.argument("name")
@click.option("--owner", required=True, help="The e-mail address of the account that will own it.")
@as_json
def create(name: str, owner: str, *, as_json: bool) -> None:
    """Make an organisation for an account."""
    from madang.adapters.command import in_house

    _say_places([in_house(lambda house: _found(house, name, owner))], as_json=as_json)


async def _found(house: "House", name: str, owner: str) -> "Place":
    from madang.features.organisations.service import operator

    async with house.db.transaction() as tx:
        return await operator.found(tx, name, owner)


@organisations.command("suspend")
@click.argument("scope")
@as_json
def suspend(scope: str, *, as_json: bool) -> None:
    """Halt an organisation, by name or id, or a partner or class by id; only supervisors and this command resume it."""
    from madang.adapters.command import in_house

    _say_places([in_house(lambda house: _set(house, scope, is_suspended=True))], as_json=as_json)


@organisations.command("resume")
@click.argument("scope")
@as_json
def resume(scope: str, *, as_json: bool) -> None:
    """Let it go on, whoever suspended it."""
    from madang.adapters.command import in_house

    _say_places([in_house(lambda house: _set(house, scope, is_suspended=False))], as_json=as_json)


async def _set(house: "House", scope: str, *, is_suspended: bool) -> "Place":
    from madang.features.organisations.service import operator

    async with house.db.transaction() as tx:
        return await operator.set_status(tx, scope, "suspended" if is_suspended else "active")


@organisations.command("members")
@click.argument("scope")
@as_json
def members(scope: str, *, as_json: bool) -> None:
    """List the members of an organisation, by name or id, or of a partner or class by id."""
    from madang.adapters.command import in_house

    found = in_house(lambda house: _members(house, scope))
    if as_json:
        shown = [{"id": str(one.id), "email": one.email, "role": one.role, "status": one.status} for one in found]
        click.echo(json.dumps(shown))
        return
    rows = [(one.email, one.name, one.role, one.status) for one in found]
    _table(("email", "name", "role", "status"), rows, "Nobody is a member yet. Invite somebody.")


async def _members(house: "House", scope: str) -> "list[Member]":
    from madang.features.organisations.service import operator

    found: list[Member] = []
    async with house.db.transaction() as tx:
        while page := await operator.members(tx, scope, found[-1].id if found else None, PAGE):
            found.extend(page)
    return found


def _say_places(found: "Sequence[Place]", *, as_json: bool) -> None:
    if as_json:
        fields = ("kind", "name", "depth", "status", "member_count")
        shown = [{"id": str(one.id), **{field: getattr(one, field) for field in fields}} for one in found]
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    rows = [("  " * one.depth + one.name, one.kind, one.status, str(one.member_count), str(one.id)) for one in found]
    empty = "There is no organisation yet. Make one with `madang organisations create NAME --owner EMAIL`."
    _table(("name", "kind", "status", "members", "id"), rows, empty)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], empty: str) -> None:
    """Print rows in columns of equal width, or the sentence when there are none."""
    if not rows:
        click.echo(empty)
        return
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    for row in (head, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
