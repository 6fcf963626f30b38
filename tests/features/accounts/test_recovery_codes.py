"""Recovery codes, and attacks on them."""

import asyncio
import string
import time

import httpx
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, update

from madang.features.accounts.service.factors import recovery_codes
from madang.features.accounts.tables import RecoveryCodeRow
from madang.kernel.house import House
from madang.kernel.ids import new_id
from tests.features.accounts.conftest import PASSWORD, bearer
from tests.features.accounts.guarding import (
    LOGIN,
    ME,
    Protected,
    code,
    first_step,
    post,
    second,
)


async def test_one_recovery_code_at_the_same_time_passes_once(
    api: httpx.AsyncClient, house: House, guarded: Protected
) -> None:
    steps = [await first_step(api, guarded.person.email) for _ in range(6)]
    used = guarded.recovery_codes[3]
    answers = await asyncio.gather(*(second(api, one, used, "recovery_code") for one in steps))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 5
    told = await api.get(f"{ME}/second-factors", headers=bearer(guarded.person.access_token))
    assert told.json()["recovery_codes_left"] == 9


async def test_recovery_codes_are_read_as_people_type_them(api: httpx.AsyncClient, guarded: Protected) -> None:
    first, other = guarded.recovery_codes[:2]
    for typed in (first.upper().replace("-", " "), other.replace("-", "").replace("0", "O").replace("1", "l")):
        challenge = await first_step(api, guarded.person.email)
        assert (await second(api, challenge, typed, "recovery_code")).status_code == 200
    challenge = await first_step(api, guarded.person.email)
    assert code(await second(api, challenge, first, "recovery_code")) == "second_factor_wrong"


async def test_renewed_recovery_codes(api: httpx.AsyncClient, house: House, guarded: Protected) -> None:
    refused = await post(api, guarded.person, "recovery-codes", {})
    assert (refused.status_code, code(refused)) == (403, "password_needed")
    renewed = await post(api, guarded.person, "recovery-codes", {"password": PASSWORD})
    fresh = renewed.json()["recovery_codes"]
    assert len(set(fresh)) == recovery_codes.COUNT
    assert not set(fresh) & set(guarded.recovery_codes)
    challenge = await first_step(api, guarded.person.email)
    assert code(await second(api, challenge, guarded.recovery_codes[0], "recovery_code")) == "second_factor_wrong"
    assert (await second(api, challenge, fresh[0], "recovery_code")).status_code == 200


async def test_two_who_renew_at_once_leave_ten(api: httpx.AsyncClient, guarded: Protected) -> None:
    body = {"password": PASSWORD}
    both = await asyncio.gather(*(post(api, guarded.person, "recovery-codes", body) for _ in range(2)))
    assert [answer.status_code for answer in both] == [201, 201]
    told = await api.get(f"{ME}/second-factors", headers=bearer(guarded.person.access_token))
    assert told.json()["recovery_codes_left"] == recovery_codes.COUNT


async def test_when_recovery_codes_run_out_they_are_no_longer_offered(
    api: httpx.AsyncClient, house: House, guarded: Protected
) -> None:
    async with house.db.transaction() as tx:
        mine = RecoveryCodeRow.account_id == guarded.person.id
        await tx.execute(update(RecoveryCodeRow).values(used_at=func.now()).where(mine))
    answer = await api.post(LOGIN, json={"email": guarded.person.email, "password": PASSWORD})
    assert answer.json()["methods"] == ["totp"]


async def test_recovery_codes_cost_nothing_to_refuse(house: House, guarded: Protected) -> None:
    """No slow hash stands behind this door, so knocking on it starves nobody."""
    began = time.process_time()
    async with house.db.transaction() as tx:
        for number in range(50):
            assert not await recovery_codes.use(tx, guarded.person.id, f"wrong-{number}")
    assert (time.process_time() - began) / 50 < 0.005


@given(st.text(max_size=100))
def test_a_made_up_recovery_code_never_breaks(typed: str) -> None:
    assert len(recovery_codes._hash(new_id(), typed)) == 32  # the place where text becomes bytes


def test_recovery_codes_have_eighty_bits() -> None:
    assert len(set(recovery_codes.LETTERS)) == 32
    assert set(recovery_codes.LETTERS) == set(string.digits + string.ascii_lowercase) - set("ilou")
    assert recovery_codes.LENGTH * 5 == 80
