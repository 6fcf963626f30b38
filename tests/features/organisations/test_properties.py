"""Random trees, random people, random deeds: what holds whatever happens."""

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from madang.features.organisations.access import permissions, roles_of
from madang.features.organisations.contracts import PERMISSIONS, RANK, WHILE_SUSPENDED, Role, Status
from madang.features.organisations.service import invites, members, ownership, scopes
from madang.kernel.errors import Problem
from tests.features.organisations.conftest import World

ROLES: list[Role] = list(RANK)
held = st.tuples(
    st.integers(1, 3), st.sampled_from(ROLES), st.sampled_from(["active", "active", "active", "suspended"])
)


@given(st.lists(held, max_size=6), st.sampled_from(["active", "suspended"]), st.sampled_from(["active", "suspended"]))
def test_more_roles_never_mean_less_and_suspension_always_means_nothing(
    roles: list[tuple[int, Role, str]], state: str, above: str
) -> None:
    reached = roles_of(roles, 3)
    allowed = permissions(reached, "class", state, above)
    active = [role for _, role, status in roles if status == "active"]
    if len(active) < len(roles) or not roles:
        assert allowed == frozenset()
        return
    highest = max(active, key=lambda role: RANK[role])
    assert allowed <= PERMISSIONS[highest]
    if state == "suspended" and above == "suspended":
        assert allowed <= WHILE_SUSPENDED[highest]
    for role in ROLES:
        more = permissions(roles_of([*roles, (1, role, "active")], 3), "class", state, above)
        assert allowed <= more


@dataclass(frozen=True)
class Deed:
    """Somebody tries something with somebody somewhere."""

    who: int
    whom: int
    scope: str
    kind: str
    role: Role
    status: Status


deeds = st.builds(
    Deed,
    who=st.integers(0, 4),
    whom=st.integers(0, 7),
    scope=st.sampled_from(["a", "a.p", "a.q", "a.p.c", "b", "b.p"]),
    kind=st.sampled_from(["change", "remove", "leave", "transfer", "invite", "suspend", "resume", "delete", "restore"]),
    role=st.sampled_from(ROLES),
    status=st.sampled_from(["active", "suspended"]),
)
PLACES = [("a", "owner"), ("a", "admin"), ("a", "manager"), ("a.p", "manager"), ("a.p.c", "student"), ("a.q", "admin")]


async def standing(world: World) -> "Standing":
    """Role and status by person and scope."""
    async with world.house.db.transaction() as tx:
        query = text("SELECT account_id, scope_id, role, status FROM partner.memberships")
        rows = (await tx.execute(query)).all()
    names = {who.account_id: name for name, who in world.people.items()}
    places = {row.id: name for name, row in world.scopes.items()}
    return {(names[a], places[s]): (role, status) for a, s, role, status in rows if a in names and s in places}


def rank(before: "Standing", name: str, scope: str) -> int:
    """The rank that somebody had in a scope by what was held on the way down to it."""
    ways = [".".join(scope.split(".")[: depth + 1]) for depth in range(scope.count(".") + 1)]
    roles = [before[name, way] for way in ways if (name, way) in before]
    if any(status == "suspended" for _, status in roles):
        return 0
    return max((RANK[role] for role, _ in roles), default=0)


async def do(world: World, deed: Deed) -> None:
    who, scope_id = world.people[f"person {deed.who}"], world.id(deed.scope)
    wish = invites.Wish(deed.role, lifetime=timedelta(days=1))
    async with world.house.db.transaction() as tx:
        query = text("SELECT id FROM partner.memberships WHERE scope_id = :scope AND account_id = :account")
        values = {"scope": scope_id, "account": world.people[f"person {deed.whom}"].account_id}
        member = await tx.scalar(query, values) or scope_id
    async with world.house.db.transaction(who) as tx:
        await {
            "change": lambda: members.change(tx, who, scope_id, member, role=deed.role, status=deed.status),
            "remove": lambda: members.remove(tx, who, scope_id, member),
            "leave": lambda: members.leave(tx, who, scope_id),
            "transfer": lambda: ownership.transfer(tx, who, scope_id, member),
            "invite": lambda: invites.create(world.house, tx, who, scope_id, wish),
            "suspend": lambda: scopes.suspend(tx, who, scope_id),
            "resume": lambda: scopes.resume(tx, who, scope_id),
            "delete": lambda: scopes.remove(tx, who, scope_id),
            "restore": lambda: scopes.restore(tx, who, scope_id),
        }[deed.kind]()


type Standing = dict[tuple[str, str], tuple[str, str]]


def judge(deed: Deed, before: Standing, after: Standing) -> None:
    """Whatever changed was below whoever changed it, but for a transfer; and every organisation has an owner."""
    name = f"person {deed.who}"
    changed = {place: now for place, now in after.items() if before.get(place) != now}
    for (person, scope), (role, _) in changed.items():
        mine = rank(before, name, scope)
        if deed.kind == "transfer" and mine == RANK["owner"]:
            continue
        assert RANK[role] < mine, (deed, person, scope, role)
        assert rank(before, person, scope) < mine, (deed, person, scope)
    for person, scope in before.keys() - after.keys():
        assert person == name or rank(before, person, scope) < rank(before, name, scope), (deed, person, scope)
    owned = {scope for (_, scope), (role, _) in after.items() if role == "owner"}
    assert owned >= {"a", "b"}, deed


async def judge_codes(world: World, deed: Deed, after: Standing) -> None:
    """No code is good that its maker could not make now."""
    async with world.house.db.transaction() as tx:
        query = text("SELECT created_by, scope_id, role FROM partner.invites WHERE revoked_at IS NULL")
        rows = (await tx.execute(query)).all()
    names = {who.account_id: name for name, who in world.people.items()}
    places = {row.id: name for name, row in world.scopes.items()}
    for maker, scope, role in rows:
        if maker in names and scope in places:
            left = rank(after, names[maker], places[scope])
            assert RANK["manager"] <= left, (deed, names[maker], places[scope])
            assert RANK[role] < left, (deed, names[maker], places[scope], role)


async def outcome(world: World, deed: Deed) -> Problem | None:
    try:
        await do(world, deed)
    except Problem as problem:
        return problem
    return None


@settings(max_examples=25, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(PLACES)), max_size=8), st.lists(deeds, max_size=12))
async def test_nobody_rises_by_themselves_and_owners_never_run_out(
    world: World, given_: list[tuple[int, tuple[str, str]]], tried: list[Deed]
) -> None:
    await world.renew()
    for number, (scope, role) in {(one, at[0]): (one, at) for one, at in given_}.values():
        if (f"person {number}", scope) not in world.members:
            await world.member(f"person {number}", scope, role if role != "owner" else "admin")
    for deed in tried:
        before = await standing(world)
        problem = await outcome(world, deed)
        after = await standing(world)
        if problem is not None:
            assert after == before, problem
            is_outsider = rank(before, f"person {deed.who}", deed.scope) == 0
            assert not is_outsider or problem.status in {403, 404}, problem
        judge(deed, before, after)
        await judge_codes(world, deed, after)
