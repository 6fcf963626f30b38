"""Whoever loses a role, by whatever way, keeps nothing that the role made: no code, no token of a directory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.accounts.contracts import Device
from madang.features.accounts.public import AccountDeleted, Grant
from madang.features.accounts.service import invites as registration_codes
from madang.features.accounts.service import overseeing, people
from madang.features.accounts.tables import AccountRow
from madang.features.organisations.reactions import on_account_deleted
from madang.features.organisations.service import invites, joining, members, ownership
from madang.features.organisations.service.scim import settling, tokens
from madang.features.organisations.tables import MembershipRow, ScimUserRow
from madang.kernel.auth import Principal
from madang.kernel.clock import now
from madang.kernel.house import House
from madang.kernel.settings import Settings
from tests.features.organisations.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAKER = "the maker"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_one(house_settings: Settings) -> AsyncIterator[House]:
    async with open_house(house_settings, installed(), "test", deliver=lambda _: None) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def world(open_one: House) -> World:
    """Somebody is an admin of an organisation that others own."""
    made = World(open_one)
    await made.scope("a", "organisation")
    await made.scope("a.p", "partner")
    await made.member("owner", "a", "owner")
    await made.somebody("supervisor", is_supervisor=True)
    await made.somebody("another supervisor", is_supervisor=True)
    await made.member(MAKER, "a", "admin")
    return made


def member(world: World) -> UUID:
    return world.members[MAKER, "a"].id


async def is_lowered(world: World) -> None:
    owner = world.people["owner"]
    await world.as_(
        "owner", lambda tx: members.change(tx, owner, world.id("a"), member(world), role="student", status=None)
    )


async def is_suspended(world: World) -> None:
    owner = world.people["owner"]
    await world.as_(
        "owner", lambda tx: members.change(tx, owner, world.id("a"), member(world), role=None, status="suspended")
    )


async def is_removed(world: World) -> None:
    owner = world.people["owner"]
    await world.as_("owner", lambda tx: members.remove(tx, owner, world.id("a"), member(world)))


async def leaves(world: World) -> None:
    maker = world.people[MAKER]
    await world.as_(MAKER, lambda tx: members.leave(tx, maker, world.id("a")))


async def named_by_nothing_any_more(world: World, source: str) -> None:
    maker = world.people[MAKER]
    await world.run("UPDATE partner.memberships SET source = :source WHERE id = :id", source=source, id=member(world))
    async with world.house.db.transaction() as tx:
        await joining.apply_grants(tx, maker.account_id, source, [])


async def is_lowered_by_a_provider(world: World) -> None:
    maker = world.people[MAKER]
    await world.run("UPDATE partner.memberships SET source = 'oidc:school' WHERE id = :id", id=member(world))
    async with world.house.db.transaction() as tx:
        await joining.apply_grants(tx, maker.account_id, "oidc:school", [Grant(world.id("a"), "instructor")])


async def named(world: World) -> ScimUserRow:
    at = world.scopes["a"]
    row = ScimUserRow(scope_id=at.id, path=at.path, account_id=world.people[MAKER].account_id, user_name=str(at.id))
    row.email, row.external_id, row.active, row.told, row.updated_at = None, None, False, {}, now()
    return row


async def is_inactive_in_the_directory(world: World) -> None:
    async with world.house.db.transaction() as tx:
        row = await named(world)
        tx.add(row)
        await tx.flush()
        await settling.settle(tx, row)


async def is_deleted_from_the_directory(world: World) -> None:
    async with world.house.db.transaction() as tx:
        row = await named(world)
        tx.add(row)
        await tx.flush()
        await settling.deprovision(tx, row)


async def hands_the_organisation_over(world: World) -> None:
    """An owner stays as an admin, who makes no other admins; codes for managers and tokens are an admin's, too."""
    await world.run("UPDATE partner.memberships SET role = 'owner' WHERE id = :id", id=member(world))
    maker, heir = world.people[MAKER], world.members["owner", "a"].id
    wish = invites.Wish("admin", timedelta(days=1))
    await world.as_(MAKER, lambda tx: invites.create(world.house, tx, maker, world.id("a"), wish))
    assert await left(world) == (2, 1)
    await world.as_(MAKER, lambda tx: ownership.transfer(tx, maker, world.id("a"), heir))


async def is_disabled(world: World) -> None:
    supervisor, maker = world.people["supervisor"], world.people[MAKER].account_id
    await people.change(world.house, supervisor, maker, name="gone", is_disabled=True)


async def is_to_be_deleted(world: World) -> None:
    await set_(world, deletion_at=now() + timedelta(days=1))


async def was_deleted(world: World) -> None:
    async with world.house.db.transaction() as tx:
        await on_account_deleted(world.house, tx, AccountDeleted(world.people[MAKER].account_id))


async def supervises_no_more(world: World) -> None:
    """The maker is no member: all that they made they made as a supervisor."""
    maker = world.people[MAKER]
    await set_(world, is_supervisor=True)
    await world.run("DELETE FROM partner.memberships WHERE id = :id", id=member(world))
    assert await left(world) == (1, 1)
    async with world.house.db.transaction() as tx:
        lifetime = timedelta(days=1)
        await registration_codes.create(tx, maker.account_id, note="a way back", max_uses=1, lifetime=lifetime)
    await fresh(world, "supervisor")
    supervisor = world.people["supervisor"]
    device = Device("", "")
    await overseeing.supervise(
        world.house, supervisor, maker.account_id, supervises=False, password=None, device=device
    )
    async with world.house.db.transaction() as tx:
        codes = text("SELECT count(*) FROM supervisor.registration_invites WHERE created_by = :id")
        assert await tx.scalar(codes, {"id": maker.account_id}) == 0


async def fresh(world: World, name: str) -> None:
    """Let them be signed in since a moment ago."""
    login, account_id = world.people["another supervisor"].account_id, world.people[name].account_id
    await world.run(
        'INSERT INTO "user".logins (id, account_id, salt, generation, rotated_at, expires_at, address, user_agent)'
        " VALUES (:login, :account, '', 1, now(), now() + interval '1 day', '', '')",
        login=login,
        account=account_id,
    )
    world.people[name] = Principal(account_id, is_supervisor=True, login_id=login)


async def set_(world: World, **values: object) -> None:
    async with world.house.db.transaction() as tx:
        mine = update(AccountRow).where(AccountRow.id == world.people[MAKER].account_id)
        await tx.execute(mine.values(values))


WAYS: dict[str, Callable[[World], Awaitable[None]]] = {
    "is lowered": is_lowered,
    "is suspended": is_suspended,
    "is removed": is_removed,
    "leaves": leaves,
    "is in no group of the provider any more": lambda world: named_by_nothing_any_more(world, "oidc:school"),
    "is in a lower group of the provider": is_lowered_by_a_provider,
    "is in no group of the directory any more": lambda world: named_by_nothing_any_more(world, "scim:school"),
    "is inactive in the directory": is_inactive_in_the_directory,
    "is deleted from the directory": is_deleted_from_the_directory,
    "hands the organisation over": hands_the_organisation_over,
    "is disabled": is_disabled,
    "is to be deleted": is_to_be_deleted,
    "was deleted": was_deleted,
    "supervises no more": supervises_no_more,
}


async def left(world: World) -> tuple[int, int]:
    """How many codes and tokens of the maker's are good."""
    async with world.house.db.transaction() as tx:
        mine = {"id": world.people[MAKER].account_id}
        codes = text("SELECT count(*) FROM partner.invites WHERE created_by = :id AND revoked_at IS NULL")
        made = text("SELECT count(*) FROM partner.scim_tokens WHERE created_by = :id")
        return int(await tx.scalar(codes, mine) or 0), int(await tx.scalar(made, mine) or 0)


@pytest.mark.parametrize("way", WAYS)
async def test_attack_whoever_loses_a_role_comes_back_by_what_it_made(way: str, world: World) -> None:
    maker, scope_id = world.people[MAKER], world.id("a")
    wish = invites.Wish("manager", timedelta(days=1))
    code = await world.as_(MAKER, lambda tx: invites.create(world.house, tx, maker, scope_id, wish))
    token = await world.as_(MAKER, lambda tx: tokens.create(tx, maker, scope_id, "Okta", None))
    assert await left(world) == (1, 1)
    await WAYS[way](world)
    stays_admin = way == "hands the organisation over"
    assert await left(world) == ((1, 1) if stays_admin else (0, 0))
    assert isinstance(code, invites.Made)
    async with world.house.db.transaction() as tx:
        ended = text(
            "SELECT count(*) FROM supervisor.audit WHERE action = 'organisations.scim_token_withdrawn'"
            " AND scope_path = ARRAY[CAST(:id AS uuid)]"
        )
        told = await tx.scalar(ended, {"id": scope_id})
    assert told == (0 if stays_admin else 1)
    assert token


async def test_attack_a_colleagues_code_that_is_sent_again_ends_with_who_sent_it(world: World) -> None:
    await world.member("colleague", "a", "admin")
    maker, colleague, scope_id = world.people[MAKER], world.people["colleague"], world.id("a")
    wish = invites.Wish("manager", timedelta(days=1))
    made = await world.as_("colleague", lambda tx: invites.create(world.house, tx, colleague, scope_id, wish))
    assert isinstance(made, invites.Made)
    day = timedelta(days=1)
    await world.as_(MAKER, lambda tx: invites.renew(world.house, tx, maker, scope_id, made.invite.id, day))
    assert await left(world) == (1, 0)
    await is_removed(world)
    assert await left(world) == (0, 0)


async def test_what_somebody_may_still_make_stays(world: World) -> None:
    await world.member(MAKER, "a.p", "manager")
    maker = world.people[MAKER]
    wish = invites.Wish("student", timedelta(days=1))
    await world.as_(MAKER, lambda tx: invites.create(world.house, tx, maker, world.id("a.p"), wish))
    await is_removed(world)
    assert await left(world) == (1, 0)
    async with world.house.db.transaction() as tx:
        here = select(MembershipRow.role).where(MembershipRow.account_id == maker.account_id)
        assert (await tx.scalars(here)).all() == ["manager"]


async def test_attack_a_code_is_made_in_the_moment_in_which_its_makers_supervising_ends(world: World) -> None:
    maker, scope_id = Principal(world.people[MAKER].account_id, is_supervisor=True), world.id("a")
    await set_(world, is_supervisor=True)
    await world.run("DELETE FROM partner.memberships WHERE id = :id", id=member(world))
    wish = invites.Wish("manager", timedelta(days=1))

    is_ending = asyncio.Event()

    async def end() -> None:
        async with world.house.db.transaction() as tx:
            await tx.execute(update(AccountRow).where(AccountRow.id == maker.account_id).values(is_supervisor=False))
            is_ending.set()
            number = await tx.scalar(text("SELECT pg_backend_pid()"))
            await asyncio.get_running_loop().create_task(is_waited_for(world, number))

    async def make() -> None:
        await is_ending.wait()
        async with world.house.db.transaction(maker) as tx:
            await invites.create(world.house, tx, maker, scope_id, wish)

    ended, made = await asyncio.gather(end(), make(), return_exceptions=True)
    assert ended is None
    assert isinstance(made, DBAPIError), made
    assert "may not make this any more" in str(made)
    assert await left(world) == (0, 0)


async def is_waited_for(world: World, number: int | None) -> None:
    """Until somebody waits for what this connection holds."""
    waits = text("SELECT count(*) FROM pg_stat_activity WHERE :number = ANY(pg_blocking_pids(pid))")
    async with asyncio.timeout(20):
        while True:
            async with world.house.db.transaction() as tx:
                if await tx.scalar(waits, {"number": number}):
                    return
