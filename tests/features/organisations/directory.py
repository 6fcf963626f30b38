"""Another system that manages an organisation's people by SCIM."""

import json
from typing import Any

import httpx
from sqlalchemy import text

from madang.catalog import installed
from madang.features.organisations.service.scim import settling
from madang.kernel.house import House
from madang.kernel.http import build_app
from tests.features.organisations.conftest import Api, World

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class System:
    """Another system with a token of an organisation."""

    def __init__(self, house: House, url: str, token: str) -> None:
        self.transport = httpx.ASGITransport(build_app(house, installed()), client=("scim", 1))
        self.url, self.token = url, token

    async def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        content = body if isinstance(body, bytes | None) else json.dumps(body)
        async with httpx.AsyncClient(transport=self.transport) as client:
            return await client.request(method, self.url + path, content=content, headers=headers, **more)

    async def user(self, user_name: str, **more: Any) -> dict[str, Any]:
        made = await self("POST", "/Users", {"schemas": [USER], "userName": user_name} | more)
        assert made.status_code == 201, made.text
        shown: dict[str, Any] = made.json()
        return shown

    async def group(self, name: str, *members: str) -> dict[str, Any]:
        listed = [{"value": member} for member in members]
        made = await self("POST", "/Groups", {"schemas": [GROUP], "displayName": name, "members": listed})
        assert made.status_code == 201, made.text
        shown: dict[str, Any] = made.json()
        return shown

    async def patch(self, resource: dict[str, Any], *operations: dict[str, Any]) -> httpx.Response:
        kind = "Users" if resource["meta"]["resourceType"] == "User" else "Groups"
        return await self("PATCH", f"/{kind}/{resource['id']}", {"schemas": [PATCH], "Operations": list(operations)})


async def system_of(house: House, world: World, api: Api, scope: str, who: str) -> System:
    made = await api(who, "POST", f"/scopes/{world.id(scope)}/scim-tokens", {"name": "Okta"})
    assert made.status_code == 201, made.text
    return System(house, made.json()["url"], made.json()["token"])


async def email_of(world: World, name: str, *, verified: bool = True) -> str:
    async with world.house.db.transaction() as tx:
        statement = text(
            'UPDATE "user".accounts SET email_verified_at = CASE WHEN :verified THEN now() END'
            " WHERE id = :id RETURNING email"
        )
        found = await tx.scalar(statement, {"id": world.people[name].account_id, "verified": verified})
    return str(found)


async def memberships(world: World, name: str) -> dict[str, tuple[str, str, str]]:
    """What somebody is where: role, status, source, by the short names of scopes."""
    names = {row.id: short for short, row in world.scopes.items()}
    async with world.house.db.transaction() as tx:
        query = text("SELECT scope_id, role, status, source FROM partner.memberships WHERE account_id = :id")
        rows = (await tx.execute(query, {"id": world.people[name].account_id})).all()
    return {names[row[0]]: (row[1], row[2], row[3].split(":")[0]) for row in rows}


async def arrive(world: World, name: str, scope: str, email: str) -> None:
    """Somebody signs in at the provider that speaks for the organisation, which vouches for the address."""
    async with world.house.db.transaction() as tx:
        await settling.welcome(tx, world.people[name].account_id, world.id(scope), email)
