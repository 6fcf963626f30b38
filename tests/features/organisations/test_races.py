"""Two requests at the same moment: whichever comes first, what is left is what one after the other would leave."""

import asyncio

import pytest
from sqlalchemy import select, text, update

from madang.features.organisations.service import scopes
from madang.features.organisations.tables import ScopeRow
from madang.kernel.clock import now
from tests.features.organisations.conftest import Api, World, told
from tests.features.organisations.test_invites import invite

ROUNDS = 5


async def roles(world: World, scope: str) -> dict[str, str]:
    names = {who.account_id: name for name, who in world.people.items()}
    async with world.house.db.transaction() as tx:
        query = text("SELECT account_id, role FROM partner.memberships WHERE scope_id = :id")
        return {names[row[0]]: row[1] for row in await tx.execute(query, {"id": world.id(scope)})}


def owners(held: dict[str, str]) -> list[str]:
    return sorted(name for name, role in held.items() if role == "owner")


async def transfer(api: Api, by: str, heir: str) -> tuple[int, str | None]:
    member = {"member_id": str(api.world.members[heir, "a"].id)}
    return told(await api(by, "POST", f"/scopes/{api.world.id('a')}/transfer", member))


async def test_two_transfers_at_once_make_one_owner(api: Api, world: World) -> None:
    for _ in range(ROUNDS):
        answers = await asyncio.gather(transfer(api, "a owner", "a admin"), transfer(api, "a owner", "a manager"))
        assert sorted(answers) == [(200, None), (403, "scope_permission")]
        (owner,) = owners(await roles(world, "a"))
        assert (await transfer(api, owner, "a owner"))[0] == 200


async def test_an_owner_who_is_replaced_hands_nothing_over_any_more(api: Api, world: World) -> None:
    """A supervisor takes an organisation from its owner, who sees it coming."""
    for _ in range(ROUNDS):
        taken, handed = await asyncio.gather(
            transfer(api, "supervisor", "a admin"), transfer(api, "a owner", "a manager")
        )
        assert taken == (200, None)
        assert handed in {(200, None), (403, "scope_permission")}
        assert owners(await roles(world, "a")) == ["a admin"], "whichever came first"
        assert (await transfer(api, "supervisor", "a owner"))[0] == 200


async def test_transferring_to_somebody_who_leaves(api: Api, world: World) -> None:
    for _ in range(ROUNDS):
        leave = api("a admin", "POST", f"/scopes/{world.id('a')}/leave")
        handed, left = await asyncio.gather(transfer(api, "a owner", "a admin"), leave)
        if handed == (200, None):
            assert told(left) == (409, "last_owner")
            assert owners(await roles(world, "a")) == ["a admin"]
            assert (await transfer(api, "a admin", "a owner"))[0] == 200
        else:
            assert (handed, told(left)) == ((404, "member_not_found"), (204, None))
            assert owners(await roles(world, "a")) == ["a owner"]
            world.members["a admin", "a"] = await world.member("a admin", "a", "admin")


async def test_transferring_while_leaving(api: Api, world: World) -> None:
    for _ in range(ROUNDS):
        leave = api("a owner", "POST", f"/scopes/{world.id('a')}/leave")
        handed, left = await asyncio.gather(transfer(api, "a owner", "a admin"), leave)
        assert handed == (200, None), "who owns it alone does not get away before"
        assert told(left) in {(204, None), (409, "last_owner")}
        held = await roles(world, "a")
        assert owners(held) == ["a admin"]
        if "a owner" not in held:
            world.members["a owner", "a"] = await world.member("a owner", "a", "admin")
        assert (await transfer(api, "a admin", "a owner"))[0] == 200


async def test_whoever_is_put_out_puts_nobody_out_any_more(api: Api, world: World) -> None:
    admin, manager = (
        f"/scopes/{world.id('a')}/members/{world.members[name, 'a'].id}" for name in ("a admin", "a manager")
    )
    for _ in range(ROUNDS):
        fell, removed = await asyncio.gather(
            api("a owner", "PUT", admin, {"role": "student"}), api("a admin", "DELETE", manager)
        )
        assert fell.status_code == 200
        assert told(removed) in {(204, None), (403, "scope_permission")}
        assert ("a manager" in await roles(world, "a")) is (removed.status_code == 403)
        if removed.status_code == 204:
            world.members["a manager", "a"] = await world.member("a manager", "a", "manager")
            manager = f"/scopes/{world.id('a')}/members/{world.members['a manager', 'a'].id}"
        assert (await api("a owner", "PUT", admin, {"role": "admin"})).status_code == 200


async def test_whoever_is_put_out_leaves_no_code(api: Api, world: World) -> None:
    """Not even one that they make at that moment, far beneath."""
    admin = f"/scopes/{world.id('a')}/members/{world.members['a admin', 'a'].id}"
    wish = {"role": "manager", "max_uses": 9}
    for _ in range(ROUNDS):
        fell, *made = await asyncio.gather(
            api("a owner", "PUT", admin, {"role": "student"}),
            *(api("a admin", "POST", f"/scopes/{world.id(at)}/invites", wish) for at in ("a", "a.p", "a.p.c")),
        )
        assert fell.status_code == 200
        for one in made:
            assert told(one) in {(201, None), (403, "scope_permission")}
            if one.status_code == 201:
                assert told(await api(None, "GET", f"/invites/{one.json()['code']}")) == (409, "invite_revoked")
        assert (await api("a owner", "PUT", admin, {"role": "admin"})).status_code == 200


async def test_an_invite_is_renewed_or_used_and_never_both(api: Api, world: World) -> None:
    for number in range(ROUNDS):
        made, guest = await invite(api), f"guest {number}"
        await world.somebody(guest)
        again = f"/scopes/{world.id('a.p.c')}/invites/{made['invite']['id']}/resend"
        renewed, used = await asyncio.gather(
            api("a owner", "POST", again, {}), api(guest, "POST", f"/invites/{made['code']}/redeem")
        )
        assert (told(renewed), told(used)) in {
            ((200, None), (409, "invite_revoked")),
            ((409, "invite_over"), (200, None)),
        }


async def test_withdrawing_while_it_is_used(api: Api, world: World) -> None:
    for number in range(ROUNDS):
        made, guest = await invite(api), f"guest {number}"
        await world.somebody(guest)
        path = f"/scopes/{world.id('a.p.c')}/invites/{made['invite']['id']}"
        withdrawn, used = await asyncio.gather(
            api("a owner", "DELETE", path), api(guest, "POST", f"/invites/{made['code']}/redeem")
        )
        assert withdrawn.status_code == 204
        assert told(used) in {(200, None), (409, "invite_revoked")}
        assert (guest in await roles(world, "a.p.c")) is (used.status_code == 200)


@pytest.mark.parametrize("scope", ["a", "a.p"])
async def test_deleting_while_restoring(scope: str, api: Api, world: World) -> None:
    path = f"/scopes/{world.id(scope)}"
    for _ in range(ROUNDS):
        deleted, restored = await asyncio.gather(
            api("a owner", "DELETE", path), api("a owner", "POST", f"{path}/restore")
        )
        assert told(deleted) == (204, None)
        assert told(restored) in {(200, None), (409, "scope_not_deleted")}
        seen = await api("a owner", "GET", path)
        assert seen.status_code == (200 if restored.status_code == 200 else 404)
        if seen.status_code == 404:
            assert (await api("a owner", "POST", f"{path}/restore")).status_code == 200


async def test_restoring_while_it_is_removed_for_good(api: Api, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either all of it is back, or all of it is gone."""
    path, there = f"/scopes/{world.id('a.p')}", [world.id("a.p"), world.id("a.p.c")]
    assert (await api("a owner", "DELETE", path)).status_code == 204
    monkeypatch.setattr(scopes, "restorable_since", now)
    restored, _ = await asyncio.gather(api("a owner", "POST", f"{path}/restore"), scopes.purge(world.house))
    async with world.house.db.transaction() as tx:
        left = set(await tx.scalars(select(ScopeRow.id).where(ScopeRow.id.in_(there))))
    if restored.status_code == 200:
        assert left == set(there)
    else:
        assert told(restored) == (404, "scope_not_found")
        assert left == set()


async def test_the_same_deletion_and_the_same_restoring_twice(api: Api, world: World) -> None:
    path = f"/scopes/{world.id('a.p')}"
    twice = await asyncio.gather(*(api("a owner", "DELETE", path) for _ in range(2)))
    assert {told(one) for one in twice} <= {(204, None), (404, "scope_not_found")}
    twice = await asyncio.gather(*(api("a owner", "POST", f"{path}/restore") for _ in range(2)))
    assert {told(one) for one in twice} <= {(200, None), (409, "scope_not_deleted")}
    assert (200, None) in {told(one) for one in twice}


async def test_a_member_who_is_suspended_takes_no_code_at_the_same_moment(api: Api, world: World) -> None:
    """Suspension holds whichever comes first, and a higher code does not lift it."""
    member = f"/scopes/{world.id('a.p.c')}/members/{world.members['a.p.c student', 'a.p.c'].id}"
    for _ in range(ROUNDS):
        made = await invite(api, role="instructor")
        halted, used = await asyncio.gather(
            api("a owner", "PUT", member, {"status": "suspended"}),
            api("a.p.c student", "POST", f"/invites/{made['code']}/redeem"),
        )
        assert halted.status_code == 200
        assert told(used) in {(200, None), (403, "membership_suspended")}
        async with world.house.db.transaction() as tx:
            values = {"id": world.members["a.p.c student", "a.p.c"].id}
            query = text("SELECT status FROM partner.memberships WHERE id = :id")
            assert await tx.scalar(query, values) == "suspended"
            await tx.execute(
                text("UPDATE partner.memberships SET status = 'active', role = 'student' WHERE id = :id"), values
            )


async def test_nothing_of_a_purged_place_is_left_in_the_way(world: World) -> None:
    async with world.house.db.transaction() as tx:
        gone = (
            update(ScopeRow).where(ScopeRow.id == world.id("a.q")).values(deleted_at=text("now() - interval '1 year'"))
        )
        await tx.execute(gone)
    purged = await asyncio.gather(*(scopes.purge(world.house) for _ in range(3)))
    assert sum(purged) >= 1
    async with world.house.db.transaction() as tx:
        assert await tx.scalar(select(ScopeRow.id).where(ScopeRow.id == world.id("a.q"))) is None
