"""The api: requests, event streams and the web app."""

import asyncio
import contextlib
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.kernel import log
from madang.kernel.auth import AUTHENTICATOR
from madang.kernel.house import House
from madang.kernel.http import build_app
from madang.kernel.jobs import spawn
from madang.kernel.module import Module
from madang.kernel.settings import load
from madang.processes.bodies import BoundedBodies
from madang.processes.connection_limits import Connections, raise_file_limit
from madang.processes.memory import settle
from madang.processes.perimeter import HostGuard, TrustedProxies, is_within
from madang.processes.web import serve_web

DRAIN_SECONDS = 2


async def serve() -> None:
    """Serve until SIGINT or SIGTERM; event streams are ended after two seconds, and their readers resume elsewhere."""
    settings = load()
    modules = installed()
    raise_file_limit()
    connections = Connections(
        settings.max_connections,
        settings.max_client_connections,
        lambda address: is_within(address, settings.trusted_proxies),
    )
    async with open_house(settings, modules, "api") as house:
        config = uvicorn.Config(
            guarded(house, modules),
            host=settings.host,
            port=settings.port,
            loop="none",
            http=connections.protocol(),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            timeout_keep_alive=65,
        )
        settle()
        watching = spawn(connections.watch(), "connections.watch")
        try:
            await uvicorn.Server(config).serve()
        finally:
            watching.cancel()


def guarded(house: House, modules: Sequence[Module]) -> ASGIApp:
    """The application with the web app, and around it what looks at requests before it."""
    app = build_app(house, modules)
    serve_web(app)
    authenticate = house.offers.one(AUTHENTICATOR)
    bounded = BoundedBodies(app, lambda bearer: authenticate(house, bearer))
    return TrustedProxies(HostGuard(bounded, house.settings), house.settings.trusted_proxies)


def main() -> None:
    """`madang api`."""
    import uvloop

    settings = load()
    log.configure(settings.log_level, settings.log_style, "api")
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
