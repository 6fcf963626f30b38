"""Somebody whose second factor is on, with their app, and the steps of signing in as them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pyotp
from sqlalchemy import select

from madang.features.accounts.service.factors.passkeys import Site
from madang.kernel.audit import AuditRow
from madang.kernel.clock import now
from madang.kernel.house import House
from tests.features.accounts.conftest import PASSWORD, Person, bearer

ME, LOGIN, STEP = "/api/v1/users/me", "/api/v1/auth/login", "/api/v1/auth/login/second-factor"
NEVER = Site("", ())


class Clock:
    """The moment that the server believes in; a test steps from code to code instead of waiting."""

    def __init__(self) -> None:
        self.moment = now()

    def __call__(self) -> datetime:
        return self.moment

    def step(self, seconds: float = 30) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Protected:
    """Somebody whose codes are on, with their app."""

    person: Person
    app: pyotp.TOTP
    clock: Clock
    recovery_codes: list[str]

    def code(self, aside: int = 0) -> str:
        return self.app.at(self.clock.moment, counter_offset=aside)

    def wrong(self) -> str:
        near = {self.code(aside) for aside in range(-2, 3)}
        return next(code for code in ("123456", "654321", "111111", "222222", "333333", "444444") if code not in near)


def code(response: httpx.Response) -> str:
    return str(response.json()["code"])


async def post(api: httpx.AsyncClient, person: Person, path: str, body: dict[str, Any]) -> httpx.Response:
    return await api.post(f"{ME}/{path}", json=body, headers=bearer(person.access_token))


async def protect(api: httpx.AsyncClient, person: Person, clock: Clock) -> Protected:
    begun = await post(api, person, "totp", {"password": PASSWORD})
    assert begun.status_code == 201, begun.text
    app = pyotp.TOTP(begun.json()["secret"])
    done = await post(api, person, "totp/confirm", {"code": app.at(clock.moment)})
    assert done.status_code == 200, done.text
    clock.step()
    return Protected(person, app, clock, done.json()["recovery_codes"])


async def first_step(api: httpx.AsyncClient, email: str) -> str:
    answer = await api.post(LOGIN, json={"email": email, "password": PASSWORD})
    assert (answer.status_code, code(answer)) == (401, "second_factor_required"), answer.text
    return str(answer.json()["challenge"])


async def second(api: httpx.AsyncClient, challenge: str, given_code: str, method: str = "totp") -> httpx.Response:
    return await api.post(STEP, json={"challenge": challenge, "method": method, "code": given_code})


async def deeds(house: House, person: Person) -> list[str]:
    async with house.db.transaction() as tx:
        query = select(AuditRow.action).where(AuditRow.target_id == person.id).order_by(AuditRow.id)
        return [one.removeprefix("accounts.") for one in await tx.scalars(query)]
