"""Windows of budgets at every turn of every clock: midnights that come twice or never, month's ends, leap days."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from madang.features.usage.contracts import NOBODY, BudgetExhausted, Period, Spender, SubjectKind
from madang.features.usage.service import ledger as books
from madang.features.usage.service.budgets import Limit, create_budget
from madang.features.usage.service.meter import booked, metered
from madang.features.usage.settings import UsageSettings
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.usage.conftest import Ledger, call, only

ZONES = (
    *("Asia/Seoul", "UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"),
    *("America/Havana", "Atlantic/Azores", "America/Santiago", "Africa/Cairo", "Asia/Beirut", "America/Nuuk"),
    *("Pacific/Kiritimati", "Etc/GMT+12", "Pacific/Chatham", "Europe/London", "America/St_Johns", "Asia/Yangon"),
)
"""Half and three quarter hours, both ends of the day line, and summers that begin or end at midnight."""

TWICE = ("America/Havana", "Atlantic/Azores", "Australia/Lord_Howe")
"""Where an hour about midnight, or half of one, comes twice."""

PERIODS: tuple[Period, ...] = ("day", "week", "month")
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2037, 12, 31, tzinfo=UTC)

_WINDOWS = text("""
    SELECT partner.window_start(b, at) AS starts, partner.window_end(b, at) AS ends,
        partner.window_start(b, partner.window_end(b, at)) AS next,
        partner.window_start(b, partner.window_end(b, at) - interval '1 microsecond') AS last,
        partner.window_start(b, partner.window_start(b, at)) AS first
    FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS asked (period text, zone text, at timestamptz)
    CROSS JOIN LATERAL jsonb_populate_record(NULL::partner.budgets,
        jsonb_build_object('period', period, 'time_zone', zone, 'since', at)) b
""")


async def windows(house: House, asked: list[tuple[Period, str, datetime]]) -> list[Any]:
    """The windows of moments, and which windows their edges are in."""
    rows = [{"period": period, "zone": zone, "at": at} for period, zone, at in asked]
    async with house.db.transaction() as tx:
        return list(await tx.execute(_WINDOWS, {"asked": msgspec.json.encode(rows).decode()}))


def first_of(period: Period, at: datetime) -> datetime:
    """The date that begins the period, as midnight without a zone."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def check(period: Period, zone: str, at: datetime, found: Any) -> None:
    """A window holds its moment, joins the next without a gap, and begins as early as its clocks show its date."""
    where = ZoneInfo(zone)
    assert found.starts <= at < found.ends, (period, zone, at)
    assert found.next == found.ends
    assert found.last == found.first == found.starts
    begins = first_of(period, at.astimezone(where))
    assert found.starts.astimezone(where).replace(tzinfo=None) >= begins
    assert (found.starts - timedelta(microseconds=1)).astimezone(where).replace(tzinfo=None) < begins
    shortest, longest = {"day": (1, 1), "week": (7, 7), "month": (28, 31)}[period]
    assert timedelta(days=shortest, hours=-1) <= found.ends - found.starts <= timedelta(days=longest, hours=1)


moments = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC))
cases = st.lists(st.tuples(st.sampled_from(PERIODS), st.sampled_from(ZONES), moments), min_size=20, max_size=60)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(asked=cases)
async def test_every_moment_is_in_one_window(house: House, asked: list[tuple[Period, str, datetime]]):
    for (period, zone, at), found in zip(asked, await windows(house, asked), strict=True):
        check(period, zone, at, found)


async def test_every_change_of_every_clock_is_in_one_window(house: House):
    """Each hour around each change of summer time, and around month's ends and leap days."""
    asked: list[tuple[Period, str, datetime]] = []
    for zone in ZONES:
        turns = [*_changes(zone), *(datetime(year, 3, 1, tzinfo=UTC) for year in (2024, 2026, 2028))]
        turns.append(datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
        asked += [
            (period, zone, turn + timedelta(minutes=30 * half) + nudge)
            for turn in turns
            for half in range(-50, 51, 2 if zone in TWICE else 10)
            for nudge in (timedelta(0), timedelta(microseconds=-1))
            for period in PERIODS
        ]
    for (period, zone, at), found in zip(asked, await windows(house, asked), strict=True):
        check(period, zone, at, found)


def _changes(zone: str) -> list[datetime]:
    """Days of 2026 and 2027 in which the zone's offset changes."""
    where = ZoneInfo(zone)
    days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(730)]
    return [
        day for day in days if day.astimezone(where).utcoffset() != (day + timedelta(1)).astimezone(where).utcoffset()
    ]


@pytest.mark.parametrize(
    ("zone", "period", "at", "starts", "ends"),
    [
        ("America/Havana", "day", "2026-11-01T04:30Z", "2026-11-01T04:00Z", "2026-11-02T05:00Z"),
        ("America/Havana", "month", "2026-11-01T04:30Z", "2026-11-01T04:00Z", "2026-12-01T05:00Z"),
        ("America/Havana", "day", "2026-10-31T23:00Z", "2026-10-31T04:00Z", "2026-11-01T04:00Z"),
        ("Atlantic/Azores", "day", "2026-10-25T00:30Z", "2026-10-25T00:00Z", "2026-10-26T01:00Z"),
        ("America/Santiago", "day", "2026-09-06T04:00Z", "2026-09-06T04:00Z", "2026-09-07T03:00Z"),
        ("America/New_York", "day", "2026-03-08T12:00Z", "2026-03-08T05:00Z", "2026-03-09T04:00Z"),
        ("Asia/Kolkata", "day", "2026-02-28T18:30Z", "2026-02-28T18:30Z", "2026-03-01T18:30Z"),
        ("Asia/Kolkata", "month", "2028-02-29T18:29Z", "2028-01-31T18:30Z", "2028-02-29T18:30Z"),
        ("Asia/Seoul", "week", "2026-01-04T14:59Z", "2025-12-28T15:00Z", "2026-01-04T15:00Z"),
    ],
)
async def test_known_turns(house: House, zone: str, period: Period, at: str, starts: str, ends: str):
    (found,) = await windows(house, [(period, zone, datetime.fromisoformat(at))])
    assert (found.starts, found.ends) == (datetime.fromisoformat(starts), datetime.fromisoformat(ends))


async def test_another_time_zone_counts_what_was_spent_by_its_own_clocks(
    house: House, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    """Days that were summed in one place say nothing of the days of another."""
    school = await ledger.scope()
    await _spend_around_the_clock(house, school)
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12", "Asia/Seoul", "America/Los_Angeles"):
        only(monkeypatch, time_zone=zone)
        for period in PERIODS:
            wanted: list[tuple[SubjectKind, UUID, str]] = [("platform", NOBODY, "true")]
            wanted.append(("scope", school, "scope_path @> ARRAY[CAST(:school AS uuid)]"))
            for kind, subject, mine in wanted:
                async with house.db.transaction() as tx:
                    made = await create_budget(house, tx, None, Limit(kind, subject, "tokens", period, 10**9))
                    spent = await tx.scalar(
                        text(
                            "SELECT coalesce(sum(input_tokens + output_tokens), 0)::bigint FROM partner.usage "
                            f"WHERE created_at >= :start AND {mine}"
                        ),
                        {"start": made.starts_at, "school": school},
                    )
                    await tx.execute(text("DELETE FROM partner.budgets WHERE id = :id"), {"id": made.budget_id})
                assert made.spent == spent, (zone, period, kind)
                assert kind == "platform" or made.spent > 0


async def _spend_around_the_clock(house: House, school: UUID) -> None:
    """One token in each hour of the last three days, booked in Seoul."""
    async with house.db.transaction() as tx:
        clock: datetime = (await tx.execute(text("SELECT now()"))).scalar_one()
    calls = [
        books.Booking(
            new_id(),
            clock - timedelta(hours=hour),
            NOBODY,
            (school,),
            None,
            "",
            "chat",
            "m",
            "ok",
            True,
            1,
            0,
            0,
            1000,
            1,
        )
        for hour in range(72)
    ]
    await books.book(house, calls)


async def test_a_time_zone_that_was_changed_does_not_open_a_budget_again(
    house: House, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    """A budget that there was keeps its own clocks: what is spent stays spent."""
    only(monkeypatch, budget_least_answer_tokens=45)
    spender_id = new_id()
    spender = Spender(spender_id)
    await ledger.budget("account", spender_id, 60, unit="tokens", period="day")
    async with metered(house, spender, call()) as metering:
        metering.took(10, 45)
    await booked(house)
    chosen = UsageSettings(time_zone="Pacific/Kiritimati", budget_least_answer_tokens=45)
    monkeypatch.setattr(books, "load", lambda: chosen)
    with pytest.raises(BudgetExhausted):
        async with metered(house, spender, call()):
            pytest.fail("it is used up")
