"""People to attack and to be attacked by."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from madang.adapters.opening import open_house
from madang.features.accounts import settings
from madang.features.accounts.contracts import Device
from madang.features.accounts.module import Accounts
from madang.features.accounts.service import registration, signing_in, throttle
from madang.features.accounts.service.factors import totp
from madang.kernel.house import House
from madang.kernel.http import build_app
from madang.kernel.settings import Settings
from tests.features.accounts.posting import forget_letters
from tests.mailbox import Mailbox, serving

if TYPE_CHECKING:
    from tests.features.accounts.guarding import Clock, Protected
    from tests.features.accounts.provider import Provider

PASSWORD = "courtyard rain 7"
SITE = "https://madang.example"


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    id: UUID
    email: str
    access_token: str
    refresh_token: str


type Join = Callable[..., Awaitable[Person]]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def only(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    """Run the test with these settings of accounts changed."""
    chosen = settings.load().model_copy(update=changed)
    monkeypatch.setattr(settings, "load", lambda: chosen)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no machine that stalls for the absence of Valkey."""
    monkeypatch.setattr(throttle, "PATIENCE_SECONDS", 30.0)


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little memory, so that fifty people can register in a second."""
    only(monkeypatch, password_hash_memory_kib=256, registration="invite")


def visitor(house: House, base_url: str = "http://madang.test") -> httpx.AsyncClient:
    """A client of an api that runs in this process; each has an address of its own, so that none slows another."""
    address = f"test-{secrets.token_hex(4)}"
    transport = httpx.ASGITransport(build_app(house, [Accounts()]), client=(address, 1), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=base_url)


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with visitor(house) as client:
        yield client


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with serving(Mailbox()) as box:
        yield box


@pytest.fixture
async def writing(house: House, house_settings: Settings, box: Mailbox) -> AsyncIterator[House]:
    """A house that sends mail; no letter of another test waits in it."""
    await forget_letters(house)
    changed = {"smtp_url": SecretStr(box.url), "public_url": SITE}
    async with open_house(house_settings.model_copy(update=changed), [Accounts()], "test", lambda _: None) as open_one:
        yield open_one


@pytest.fixture
async def empty(house: House) -> None:
    """A house that nobody has an account in."""
    async with house.db.transaction() as tx:
        await tx.execute(text("DELETE FROM partner.scopes"))  # an organisation keeps its owner as long as it stands
        await tx.execute(text('DELETE FROM "user".accounts'))


@pytest.fixture
def join(house: House) -> Join:
    """Make somebody and sign them in: `await join(name="…", supervisor=True)`."""

    async def make(name: str = "", *, supervisor: bool = False) -> Person:
        email = f"{secrets.token_hex(6)}@example.org"
        await registration.create_supervisor(house, email, name, PASSWORD)
        if not supervisor:
            async with house.db.transaction() as tx:
                statement = text(
                    'UPDATE "user".accounts SET is_supervisor = false, email_verified_at = NULL WHERE email = :email'
                )
                await tx.execute(statement, {"email": email})
        signed = await signing_in.sign_in(house, email, PASSWORD, Device(email, "a test"))
        return Person(signed.account.id, email, signed.access_token, signed.refresh_token)

    return make


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    """The moment that one-time codes are compared at."""
    from tests.features.accounts.guarding import Clock  # it imports this file

    ticking = Clock()
    monkeypatch.setattr(totp, "now", ticking)
    return ticking


@pytest.fixture
async def guarded(api: httpx.AsyncClient, join: Join, clock: "Clock") -> "Protected":
    """Somebody whose codes are on."""
    from tests.features.accounts.guarding import protect  # it imports this file

    return await protect(api, await join(), clock)


@pytest.fixture
async def idp(monkeypatch: pytest.MonkeyPatch, join: Join) -> "AsyncIterator[Provider]":
    """A provider of its own for each test, in a house that somebody runs already."""
    await join(supervisor=True)
    from tests.features.accounts.oidc import school, set_up
    from tests.features.accounts.provider import serve

    async with serve() as provider:
        set_up(monkeypatch, school(provider.url))
        yield provider
