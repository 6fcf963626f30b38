"""Row-level security asks about the caller once a statement, however many rows there are."""

import re

import pytest
from sqlalchemy import text

from tests.features.organisations.conftest import World


@pytest.mark.parametrize(
    "question",
    [
        "SELECT * FROM partner.scopes",
        "SELECT * FROM partner.memberships",
        "SELECT * FROM partner.invites",
        "SELECT * FROM supervisor.audit",
        'SELECT * FROM "user".accounts',
        "UPDATE partner.scopes SET name = name",
        "DELETE FROM partner.memberships",
    ],
)
async def test_policies_run_once_a_statement(question: str, world: World) -> None:
    async with world.house.db.transaction(world.people["a.p manager"]) as tx:
        lines = list(await tx.scalars(text(f"EXPLAIN (ANALYZE, VERBOSE, TIMING OFF, COSTS OFF) {question}")))
        await tx.rollback()
    plan = "\n".join(lines)
    asked = [line for line in lines if re.search(r"my_roots\(|my_blocks\(|is_supervisor\(", line)]
    assert asked, plan
    assert all(line.strip().startswith("Output:") for line in asked), plan
    above = [lines[lines.index(line) - 1] for line in asked]
    assert all(re.search(r"Result \((actual rows=1.* loops=1|never executed)", line) for line in above), plan


async def test_a_check_is_one_statement(world: World) -> None:
    from sqlalchemy import event

    from madang.features.organisations.public import chain_of, permit

    said: list[str] = []
    engine = world.house.db.engine.sync_engine

    def note(_connection, _cursor, statement, *_rest) -> None:
        said.append(statement)

    who = world.people["a.p.c student"]
    async with world.house.db.transaction(who) as tx:
        event.listen(engine, "before_cursor_execute", note)
        try:
            await permit(tx, who, world.id("a.p.c"), "scope.read")
            assert len(said) == 1
            for wanted in (None, world.id("a.p.c")):
                said.clear()
                await chain_of(tx, who.account_id, wanted)
                assert len(said) == 1
        finally:
            event.remove(engine, "before_cursor_execute", note)
