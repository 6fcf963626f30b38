"""What commands of the operator share: a house of their own for one piece of work."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from madang.kernel.house import House
    from madang.kernel.module import Module


def in_house[T](work: "Callable[[House], Awaitable[T]]") -> T:
    """Do the work in a house of its own; what a problem says becomes a `click.ClickException`.

    What is wrong with a setting is left to the command line, which has the words for it.
    """
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415  # `madang --help` needs none of these

    from madang.adapters.opening import open_house  # noqa: PLC0415  # the same
    from madang.kernel.errors import Problem  # noqa: PLC0415  # the same
    from madang.kernel.settings import load  # noqa: PLC0415  # the same

    modules: Sequence[Module] = click.get_current_context().find_root().obj or ()

    async def working() -> T:
        async with open_house(load(), modules, "admin", deliver=lambda _: None) as house:
            return await work(house)

    try:
        return asyncio.run(working())
    except Problem as problem:
        raise click.ClickException(problem.detail) from problem
    except OperationalError as error:
        raise click.ClickException(f"The database does not answer: {str(error.orig).strip()}") from error
