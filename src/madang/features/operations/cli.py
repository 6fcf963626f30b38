"""`madang deliveries`: what failed in the background, as whoever runs the server."""

import json
from typing import TYPE_CHECKING
from uuid import UUID

import click

if TYPE_CHECKING:
    from madang.features.operations.contracts import Failing
    from madang.kernel.house import House

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def deliveries() -> None:
    """Events and jobs that fail: letters, ingests, what follows from deeds."""


@deliveries.command("list")
@click.option("--set-aside", is_flag=True, help="Only those that are not tried any more.")
@as_json
def list_all(*, set_aside: bool, as_json: bool) -> None:
    """List what failed and is not done yet, the oldest first, and why; not what it carries."""
    from msgspec import to_builtins

    from madang.adapters.command import in_house

    found = in_house(lambda house: _failing(house, only_set_aside=set_aside))
    if as_json:
        click.echo(json.dumps(to_builtins(found), ensure_ascii=False))
    elif not found:
        click.echo("Nothing fails.")
    for one in () if as_json else found:
        when = f"set aside {one.dead_at:%Y-%m-%d %H:%M}" if one.dead_at else f"tried next {one.due_at:%Y-%m-%d %H:%M}"
        click.echo(f"{one.id}  {one.name} ({one.kind})  tried {one.attempts}×, {when} UTC\n    {one.last_error or '–'}")


async def _failing(house: "House", *, only_set_aside: bool) -> "list[Failing]":
    from madang.features.operations.service import deliveries

    async with house.db.transaction() as tx:
        return await deliveries.failing(tx, only_set_aside=only_set_aside)


@deliveries.command("retry")
@click.argument("ids", nargs=-1, type=click.UUID)
@click.option("--all", "everything", is_flag=True, help="Everything that was set aside.")
@as_json
def retry(ids: tuple[UUID, ...], *, everything: bool, as_json: bool) -> None:
    """Try deliveries again, by their ids or all, as if they had never failed; mend first what made them fail."""
    from madang.adapters.command import in_house

    if bool(ids) == everything:
        raise click.UsageError("Give the ids that `madang deliveries list` shows, or --all.")
    count = in_house(lambda house: _retry(house, None if everything else ids))
    click.echo(json.dumps({"retried": count}) if as_json else f"{count} will be tried again within seconds.")


async def _retry(house: "House", ids: tuple[UUID, ...] | None) -> int:
    from madang.features.operations.service import deliveries

    async with house.db.transaction() as tx:
        return await deliveries.retry(tx, ids)


@deliveries.command("drop")
@click.argument("ids", nargs=-1, type=click.UUID, required=True)
@as_json
def drop(ids: tuple[UUID, ...], *, as_json: bool) -> None:
    """Let go for good of deliveries that were set aside; what they owed is not done any more."""
    from madang.adapters.command import in_house

    count = in_house(lambda house: _drop(house, ids))
    click.echo(json.dumps({"dropped": count}) if as_json else f"Dropped: {count}.")


async def _drop(house: "House", ids: tuple[UUID, ...]) -> int:
    from madang.features.operations.service import deliveries

    async with house.db.transaction() as tx:
        return await deliveries.drop(tx, ids)
