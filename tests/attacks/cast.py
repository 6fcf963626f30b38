"""Who is attacked, and who attacks."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from madang.features.accounts.contracts import Device
from madang.features.accounts.service import keys, registration, signing_in, tokens
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.tables import AccountRow
from madang.kernel.auth import Principal
from madang.kernel.db import Tx
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.attacks.planting import GONE_MARK, MARK, Ground, plant, survey

PASSWORD = "courtyard rain 7"

INSIDE = ("student", "manager", "suspended")
"""Members of the victim's organisation: below the victim, beside them with less to say, and suspended there."""
STRANGERS = ("sibling", *INSIDE)
"""Attackers who are signed in. The sibling owns another organisation."""
UNKNOWN = ("visitor", "ended", "expired")
"""Attackers whom nobody knows: without a token, with one of a sign-in that ended, with one that has expired."""
ATTACKERS = (*STRANGERS, *UNKNOWN, "key")
"""The key is the victim's own API key, which was granted nothing."""


@dataclass
class Cast:
    """Everybody, and what the victim has: their rows by table, and tokens and accounts by attacker."""

    house: House
    ground: Ground
    victim: Principal
    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    accounts: dict[str, UUID] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[UUID, ...]:
        """What names the victim: their account and their organisation."""
        return self.victim.account_id, self.things["partner.scopes"]["id"]

    @property
    def tables(self) -> list[str]:
        """The tenants' tables."""
        return self.ground.in_order()

    def headers(self, attacker: str) -> dict[str, str]:
        """How the attacker shows who they are."""
        token = self.tokens.get(attacker)
        return {"Authorization": f"Bearer {token}"} if token else {}


async def gather(house: House) -> Cast:
    """Make the victim with something in every table, and the attackers."""
    victim = await _account(house, f"{MARK}@example.org", MARK)
    strangers = {name: await _account(house, f"{name}-{secrets.token_hex(5)}@example.org", name) for name in STRANGERS}
    async with house.db.transaction() as tx:
        ground = await survey(tx)
        made = await tx.execute(text('SELECT * FROM "user".accounts WHERE id = :id'), {"id": victim})
        cast = Cast(house, ground, Principal(victim), {"user.accounts": dict(made.mappings().one())})
        cast.accounts.update(strangers)
        await tx.execute(text("SELECT \"user\".open_collection('test', 3)"))
        for table in cast.tables:
            if table != "user.accounts":
                cast.things[table] = await plant(tx, ground, table, cast.things)
        await _members(tx, cast)
        await _deleted(tx, cast)
    await house.storage.put(cast.things["user.files"]["key"], MARK.encode())
    await _tokens(house, cast)
    return cast


async def dismiss(cast: Cast) -> None:
    """Let everybody go with all they have, so that the same marks can be planted again."""
    leaving = [cast.victim.account_id, *cast.accounts.values()]
    async with cast.house.db.transaction() as tx:
        places = text(
            "DELETE FROM partner.scopes WHERE id IN"
            " (SELECT scope_id FROM partner.memberships WHERE account_id = ANY(:leaving))"
        )
        await tx.execute(places, {"leaving": leaving})
        await tx.execute(text('DELETE FROM "user".accounts WHERE id = ANY(:leaving)'), {"leaving": leaving})


async def _account(house: House, email: str, name: str) -> UUID:
    """A plain account that can sign in."""
    made = await registration.create_supervisor(house, email, name, PASSWORD)
    async with house.db.transaction() as tx:
        await tx.execute(text('UPDATE "user".accounts SET is_supervisor = false WHERE id = :id'), {"id": made.id})
    return made.id


async def _members(tx: Tx, cast: Cast) -> None:
    memberships = "partner.memberships"
    for name, role, status in (
        ("student", "student", "active"),
        ("manager", "manager", "active"),
        ("suspended", "admin", "suspended"),
    ):
        chosen = {"account_id": cast.accounts[name], "role": role, "status": status, "id": new_id()}
        await plant(tx, cast.ground, memberships, cast.things, **chosen)
    beside = await plant(tx, cast.ground, "partner.scopes", cast.things, name="Beside", created_by=None)
    chosen = {"account_id": cast.accounts["sibling"], "scope_id": beside["id"], "path": beside["path"], "id": new_id()}
    await plant(tx, cast.ground, memberships, {**cast.things, "partner.scopes": beside}, **chosen)


async def _deleted(tx: Tx, cast: Cast) -> None:
    """What the victim deleted and could restore: a class, and an organisation that those inside were members of, too.

    Who was only a member there does not see their names any more.
    """
    place, gone = cast.things["partner.scopes"], new_id()
    made = text(
        "INSERT INTO partner.scopes (id, kind, parent_id, path, name, status, deleted_at)"
        " VALUES (:id, :kind, :parent_id, :path, :name, 'active', now())"
    )
    within = {"id": new_id(), "kind": "class", "parent_id": place["id"]}
    await tx.execute(made, {**within, "path": [*place["path"], within["id"]], "name": f"{GONE_MARK} class"})
    beside = {"id": gone, "kind": "organisation", "parent_id": None, "path": [gone], "name": f"{GONE_MARK} school"}
    await tx.execute(made, beside)
    joined = text(
        "INSERT INTO partner.memberships (id, scope_id, path, account_id, role, status, source)"
        " VALUES (:id, :scope_id, :path, :account_id, :role, 'active', 'test')"
    )
    members = {"owner": cast.victim.account_id, "student": cast.accounts["student"]}
    members["manager"] = cast.accounts["manager"]
    for role, account_id in members.items():
        values = {"id": new_id(), "scope_id": gone, "path": [gone], "account_id": account_id, "role": role}
        await tx.execute(joined, values)


async def _tokens(house: House, cast: Cast) -> None:
    desk = await house.resource(open_desk)
    for name in (*STRANGERS, "ended", "expired"):
        account_id = cast.accounts.get(name, cast.victim.account_id)
        async with house.db.transaction() as tx:
            row = await tx.get_one(AccountRow, account_id)
            handed = await signing_in.begin(tx, desk, row, Device("", ""), "password")
        cast.tokens[name] = handed.access_token
        if name == "ended":
            await signing_in.sign_out(house, handed.refresh_token)
        if name == "expired":
            claims = tokens.read_access_token(desk.keys, handed.access_token)
            cast.tokens[name] = tokens.make_access_token(desk.keys, claims, timedelta(minutes=-5))
    async with house.db.transaction(cast.victim) as tx:
        _, cast.tokens["key"] = await keys.create(tx, cast.victim, keys.Wanted("nothing", (), None), ())
    async with house.db.transaction() as tx:
        used = text("UPDATE \"user\".api_keys SET last_used_at = now() + interval '1 day' WHERE account_id = :id")
        await tx.execute(used, {"id": cast.victim.account_id})  # noted already, so that its use changes nothing
