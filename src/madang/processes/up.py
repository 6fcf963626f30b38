"""`madang up`: the whole of Madang on one machine, as children of one small process."""

import asyncio
import errno
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from madang import keyring
from madang.catalog import installed
from madang.local.child import ChildError, free_port
from madang.local.household import EVERYWHERE, Household
from madang.local.running import holder
from madang.local.secrets import private_folder
from madang.local.settings import LocalSettings
from madang.local.supervisor import Supervisor
from madang.local.words import say
from madang.processes.checking import MADE_BY_UP, WrongSettingError, check_settings, read

OTHER_MODELS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MADANG_LOCAL_MODELS_URL")


class CannotStart(Exception):  # noqa: N818  # a sentence for the person at the terminal
    """Madang cannot start; the message says why and what to do next."""


async def live(settings: LocalSettings) -> int:
    """Run Madang until a signal asks it to end; returns the exit code.

    Raises CannotStart when something that the person can mend is in the way.
    """
    if not (settings.local_models or any(os.environ.get(name) for name in OTHER_MODELS)):
        raise CannotStart(say("no_model"))
    port = settings.port or free_port()
    check_port(settings.host, port)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        household = Household(settings, Supervisor(tasks, tell, settings.stop_seconds), port)
        try:
            return await _live(household, stop, tasks)
        finally:
            tell(say("stopping"))
            await household.close()
            tell(say("stopped"))


async def _live(household: Household, stop: asyncio.Event, tasks: asyncio.TaskGroup) -> int:
    data_dir = household.settings.data_dir.resolve()
    tell(say("starting", folder=data_dir))
    if not (data_dir / "postgres").exists():
        tell(say("first"))
    asked = tasks.create_task(stop.wait())
    opening = tasks.create_task(_settled(household.open()))
    logs = tasks.create_task(household.supervisor.watch_logs())
    try:
        await asyncio.wait((asked, opening), return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            if trouble := opening.result():
                tell(say("gave_up", reason=trouble))
                return 1
            url = address(household.settings.host, household.port)
            note_address(data_dir, url)
            tell(f"Madang is ready at {url}")
            if token := await household.setup_token():
                tell(say("setup", url=keyring.setup_url(url, token)))
            tell(say("stop_hint", folder=data_dir / "logs"))
            if trouble := await _settled(household.open_the_rest()):
                tell(say("gave_up", reason=trouble))
                return 1
            await asked
        return 0
    finally:
        for task in (asked, opening, logs):
            task.cancel()


async def _settled(work: Coroutine[Any, Any, None]) -> str | None:
    """None when it worked, else what is wrong."""
    try:
        await work
    except ChildError as error:
        return str(error)
    except OSError as error:
        return say("disk", path=error.filename or "?", reason=error.strerror or error)
    return None


def address(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    shown = "localhost" if host in EVERYWHERE | {"127.0.0.1"} else host
    return f"http://{shown}:{port}"


def tell(line: str) -> None:
    """Show a line at the terminal at once; nobody may be there any more."""
    try:
        print(line, flush=True)  # noqa: T201  # this is what the terminal is for
    except OSError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # for the rest of this process


def check_port(host: str, port: int) -> None:
    """Raise CannotStart if nothing can listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(say("port_taken", port=port, other=port + 1)) from error
            raise CannotStart(say("port_refused", host=host, port=port, reason=error.strerror)) from error


@contextmanager
def only_one(data_dir: Path) -> Generator[None]:
    """Hold the data folder; raises CannotStart, saying where the other one is, when it is held already."""
    try:
        private_folder(data_dir)
        note = (data_dir / "up.lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise CannotStart(say("folder_refused", folder=data_dir, reason=error.strerror)) from error
    with note:
        try:
            fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid, url = holder(data_dir) or ("?", "?")
            raise CannotStart(say("running", folder=data_dir, pid=pid, url=url)) from error
        note_address(data_dir, "…")
        yield


def note_address(data_dir: Path, url: str) -> None:
    """Leave word of who holds the data folder, for the next one who asks; where the disk is full, none is left.

    The file is written in place, for the lock is on this very file.
    """
    with suppress(OSError):
        (data_dir / "up.lock").write_text(f"{os.getpid()}\n{url}\n", encoding="utf-8")


def _read_settings() -> LocalSettings:
    try:
        settings = read(LocalSettings)
        check_settings(installed(), MADE_BY_UP)
    except WrongSettingError as error:
        raise CannotStart(str(error)) from error
    return settings


def main() -> int:
    """Run in the foreground; returns the exit code."""
    try:
        settings = _read_settings()
        with only_one(settings.data_dir.resolve()):
            return asyncio.run(live(settings))
    except CannotStart as error:
        print(error, file=sys.stderr)  # noqa: T201  # this is what the terminal is for
        return 1


if __name__ == "__main__":
    sys.exit(main())
