"""What knowing who asks costs: the CPU of one request's authentication and permission, for a token and for an API key.

`./dev bench authentication [--times N]`. Real PostgreSQL and Valkey, the product's own check of every route. "known"
is a request within three seconds of another with the same token or key, "asked" one for which the database is asked,
as happens at most once in three seconds a process; then PostgreSQL's own time comes on top. Target: at most 1 ms.
"""

import argparse
import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials
from machine import machine_line, table
from starlette.requests import Request

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.accounts.contracts import Device
from madang.features.accounts.routes.keys import key_permissions
from madang.features.accounts.service import desk, keys, registration, signing_in
from madang.kernel.auth import Principal
from madang.kernel.house import House
from madang.kernel.http import build_app, get_principal
from madang.kernel.module import Module
from madang.kernel.settings import Settings
from madang.local.postgres import PostgresServer
from madang.local.valkey import ValkeyServer
from madang.migrations import upgrade

ROUNDS = 9
PASSWORD = "courtyard rain 7"  # noqa: S105  # of a house that lives for a few seconds
PATH = "/chat/sessions/"


def modules() -> list[Module]:
    """Without the counting of requests, which is about something else and would refuse so many."""
    return [module for module in installed() if module.name in {"accounts", "chat"}]


@asynccontextmanager
async def fresh_house(folder: Path) -> AsyncIterator[House]:
    """A house with every module and nobody in it."""
    postgres, valkey = PostgresServer(folder, durable=False), ValkeyServer(folder)
    try:
        postgres.start()
        valkey.start()
        await asyncio.to_thread(upgrade, postgres.url)
        settings = Settings(
            database_url=postgres.app_url,
            owner_database_url=postgres.url,
            valkey_url=valkey.url,
            secret_key=secrets.token_urlsafe(32),
            data_dir=folder,
            environment="test",
        )
        async with open_house(settings, modules(), "bench", deliver=lambda _: None) as house:
            yield house
    finally:
        valkey.stop()
        postgres.stop()


async def credentials(house: House, app: FastAPI) -> dict[str, str]:
    """An access token and an API key of the same person."""
    email = f"{secrets.token_hex(6)}@example.org"
    made = await registration.create_supervisor(house, email, "Somebody", PASSWORD)
    signed = await signing_in.sign_in(house, email, PASSWORD, Device("bench", "bench"))
    granted = key_permissions(app)
    who = Principal(made.id)
    async with house.db.transaction(who) as tx:
        _, key = await keys.create(tx, who, keys.Wanted("bench", granted, None), granted)
    return {"access token": signed.access_token, "API key": key}


def request_of(app: FastAPI) -> Request:
    """A request for the list of conversations, matched to its route."""
    routes = [found.original_route for found in iter_route_contexts(app.routes)]
    route = next(
        one for one in routes if isinstance(one, APIRoute) and one.path == PATH and "GET" in (one.methods or ())
    )
    return Request({"type": "http", "method": "GET", "path": PATH, "headers": [], "route": route, "app": app})


async def microseconds(times: int, ask: Callable[[], Awaitable[object]]) -> float:
    """CPU of this process for one `ask`: the middle of several rounds."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(times):
            await ask()
        rounds.append((time.process_time() - began) / times * 1e6)
    return statistics.median(rounds)


async def row(house: House, app: FastAPI, kind: str, bearer: str, times: int) -> list[str]:
    """The figures of one kind of credential."""
    request = request_of(app)
    shown = HTTPAuthorizationCredentials(scheme="Bearer", credentials=bearer)
    reception = await house.resource(desk.open_desk)
    who = await get_principal(request, house, shown)

    async def asked() -> None:
        reception.forget_account(who.account_id)
        await get_principal(request, house, shown)

    known = await microseconds(times, lambda: desk.authenticate(house, bearer))
    whole = await microseconds(times, lambda: get_principal(request, house, shown))
    return [kind, f"{known:.1f}", f"{whole:.1f}", f"{await microseconds(times // 20, asked):.0f}"]


async def measure(times: int) -> list[list[str]]:
    """A row for each kind of credential."""
    with tempfile.TemporaryDirectory() as folder:
        async with fresh_house(Path(folder)) as house:
            app = build_app(house, modules())
            shown = await credentials(house, app)
            return [await row(house, app, kind, bearer, times) for kind, bearer in shown.items()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=2000, help="requests a round; there are nine rounds")
    rows = asyncio.run(measure(parser.parse_args().times))
    print(machine_line())
    print(table(["CPU, µs a request", "known: who it is", "known: and what it may do", "asked"], rows))


if __name__ == "__main__":
    main()
