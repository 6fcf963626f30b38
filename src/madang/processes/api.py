"""The api: requests, event streams and the web app."""

import asyncio
import contextlib

import uvicorn

from madang.catalog import installed
from madang.kernel import log
from madang.kernel.house import open_house
from madang.kernel.http import build_app
from madang.kernel.settings import load
from madang.processes.bodies import BoundedBodies
from madang.processes.memory import settle
from madang.processes.web import serve_web

DRAIN_SECONDS = 2


async def serve() -> None:
    """Serve until SIGINT or SIGTERM; event streams are ended after two seconds, and their readers resume elsewhere."""
    settings = load()
    modules = installed()
    async with open_house(settings, modules, "api") as house:
        app = build_app(house, modules)
        serve_web(app)
        app.add_middleware(BoundedBodies)
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            timeout_keep_alive=65,
        )
        settle()
        await uvicorn.Server(config).serve()


def main() -> None:
    """`madang api`."""
    import uvloop

    settings = load()
    log.configure(settings.log_level, settings.log_style, "api")
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
