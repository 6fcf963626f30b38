"""An address is one however its domain is spelled: at every door, for accounts of before too, and for no other name."""

import asyncio
import random
import secrets
from collections import Counter
from uuid import UUID

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import text

from madang.features.accounts.service import new_address, people, recovery
from madang.features.accounts.service.addresses import domain_of, is_same, normal_domain, normal_email, sought
from madang.kernel.errors import Invalid
from madang.kernel.house import House
from tests.features.accounts.conftest import PASSWORD, Join, Person, bearer, only, visitor
from tests.features.accounts.oidc import error_of, school, set_up, sign_in, verify_address, who_is
from tests.features.accounts.posting import deliver
from tests.features.accounts.provider import Provider
from tests.mailbox import Mailbox, words

AUTH = "/api/v1/auth"
KOREAN, PUNYCODE = "한국.example", "xn--3e0b707e.example"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Example.ORG.", "example.org"),
        ("한국。kr", "한국.kr"),
        ("XN--3E0B707E.kr", "한국.kr"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8.kr", "한국.kr"),
        ("mail.XN--3e0B707E.한국.", "mail.한국.한국"),
        ("MÜNCHEN.example", "münchen.example"),
        ("xn--mnchen-3ya.example", "münchen.example"),
        ("xn--h2brj9c.xn--h2brj9c", "भारत.भारत"),
        ("ＰＯＣＨＴＡ.example", "pochta.example"),
        ("東京タワー.jp", "東京タワー.jp"),
        ("under_score.example", "under_score.example"),
        ("xn--zzzzzzz99999.example", "xn--zzzzzzz99999.example"),
        ("localhost", "localhost"),
    ],
)
def test_a_domain_has_one_form(written: str, kept: str) -> None:
    assert normal_domain(written) == kept


@pytest.mark.parametrize(
    ("alike", "kept"),
    [
        ("g\u043e\u043egle.com", "xn--ggle-55da.com"),  # Cyrillic letters among Latin ones
        ("\u0430\u0440\u0440\u04cf\u0435.com", "xn--80ak6aa92e.com"),  # nothing but Cyrillic letters
        ("\u0261oogle.com", "xn--oogle-qmc.com"),  # a phonetic sign
        ("google\u30cea.jp", "xn--googlea-y04f.jp"),  # a Katakana letter like a slash
        ("straße.de", "xn--strae-oqa.de"),  # read as strasse.de by older mail servers
    ],
)
def test_letters_that_could_be_another_name_stand_in_punycode(alike: str, kept: str) -> None:
    assert normal_domain(alike) == normal_domain(kept) == kept
    assert not is_same(f"a@{alike}", "a@google.com")


@pytest.mark.parametrize(
    "written", ["", ".", "..", "a..b", "a.b..", ".a", "i❤.ws", "ㄱ.kr", f"{'한' * 64}.kr", "a b", "a\0"]
)
def test_what_is_no_domain(written: str) -> None:
    with pytest.raises(Invalid):
        normal_domain(written)


LABELS = ["한국", "마당", "münchen", "example", "भारत", "почта", "東京", "straße", "abc한글", "x1", "g\u043e\u043egle"]


@given(st.lists(st.sampled_from(LABELS), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_every_spelling_of_a_domain_is_one_address(labels: list[str], dice: random.Random) -> None:
    def spelled(label: str) -> str:
        import idna

        other = label if label.isascii() else dice.choice([label, idna.encode(label).decode()])
        return "".join(dice.choice([letter, letter.upper()]) if letter != "ß" else letter for letter in other)

    whole = f"kim@{'.'.join(labels)}"
    typed = f"Kim@{dice.choice(['.', '。', '．']).join(spelled(label) for label in labels)}{dice.choice(['', '.'])}"
    assert normal_email(typed) == normal_email(whole)
    assert sought(typed).normal == sought(whole).normal == normal_email(whole)
    assert normal_email(whole) in sought(typed).spellings


@given(st.text(max_size=60) | st.builds("a@{}".format, st.text(max_size=40)))
@example("a@xn--")
@example("a@\ud800.kr")
def test_looking_somebody_up_never_fails(typed: str) -> None:
    found = sought(typed)
    assert found.spellings
    assert domain_of(typed) == domain_of(typed)


def fresh() -> str:
    return secrets.token_hex(6)


async def register(api: httpx.AsyncClient, email: str) -> str:
    answer = await api.post(f"{AUTH}/register", json={"email": email, "password": PASSWORD, "name": "학생"})
    return str(answer.json()["email"] if answer.status_code == 201 else answer.json()["code"])


async def log_in(api: httpx.AsyncClient, email: str) -> str:
    answer = await api.post(f"{AUTH}/login", json={"email": email, "password": PASSWORD})
    return str(answer.json()["user"]["id"] if answer.status_code == 200 else answer.json()["code"])


async def keep_as(house: House, person: Person, email: str) -> None:
    """Let the account be one of before, whose address was kept as it was typed."""
    async with house.db.transaction() as tx:
        statement = text('UPDATE "user".accounts SET email = :email WHERE id = :id')
        await tx.execute(statement, {"email": email, "id": person.id})


async def test_a_domain_in_two_spellings_is_one_account(
    api: httpx.AsyncClient, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    await join()
    only(monkeypatch, registration="open")
    name = fresh()
    spellings = [f"{name}@{KOREAN}", f"{name}@{PUNYCODE}", f"{name.upper()}@{PUNYCODE.upper()}.", f"{name}@{KOREAN}."]
    answers = Counter(await asyncio.gather(*(register(api, spellings[number % 4]) for number in range(12))))
    assert answers == {f"{name}@{KOREAN}": 1, "email_taken": 11}
    (account,) = {await log_in(api, spelling) for spelling in spellings}
    assert UUID(account)


async def test_guesses_in_other_spellings_count_as_one_accounts(api: httpx.AsyncClient, join: Join) -> None:
    person = await join()
    name = fresh()
    codes: list[str] = []
    for number in range(12):
        email = f"{name}@{(KOREAN, PUNYCODE)[number % 2]}"
        answer = await api.post(f"{AUTH}/login", json={"email": email, "password": "not the password"})
        codes.append(answer.json()["code"])
    assert codes == ["invalid_credentials"] * 10 + ["too_many_attempts"] * 2
    assert UUID(await log_in(api, person.email))


@pytest.mark.parametrize(("kept", "other"), [(PUNYCODE, KOREAN), (KOREAN, PUNYCODE), ("straße.example", "STRASSE")])
async def test_accounts_of_before_are_found_however_they_were_kept(
    kept: str, other: str, house: House, api: httpx.AsyncClient, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, name = await join(), fresh()
    only(monkeypatch, registration="open")
    await keep_as(house, person, f"{name}@{kept}")
    other = "xn--strae-oqa.example" if other == "STRASSE" else other
    for domain in (kept, other, f"{other.upper()}."):
        assert await log_in(api, f"{name}@{domain}") == str(person.id)
        assert await register(api, f"{name}@{domain}") == "email_taken"
    assert (await people.suspend_by_operator(house, f"{name}@{other}", suspended=True)).id == person.id


async def test_an_account_of_before_whose_domain_is_none_is_not_locked_out(
    house: House, api: httpx.AsyncClient, join: Join
) -> None:
    person, name = await join(), fresh()
    await keep_as(house, person, f"{name}@\u1100.kr")
    assert await log_in(api, f"{name.upper()}@\u1100.KR") == str(person.id)


async def test_two_accounts_of_before_with_one_address_are_found_each_by_its_own_spelling(
    house: House, api: httpx.AsyncClient, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, registration="open")
    korean, punycode, name = await join(), await join(), fresh()
    await keep_as(house, korean, f"{name}@{KOREAN}")
    await keep_as(house, punycode, f"{name}@{PUNYCODE}")
    assert await log_in(api, f"{name}@{KOREAN}") == str(korean.id)
    assert await log_in(api, f"{name}@{PUNYCODE}") == str(punycode.id)
    assert await register(api, f"{name}@{KOREAN}.") == "email_taken"


async def test_letters_come_to_whoever_spells_the_address_otherwise(
    writing: House, house: House, box: Mailbox, join: Join
) -> None:
    person, name = await join(), fresh()
    await keep_as(house, person, f"{name}@{PUNYCODE}")
    async with visitor(writing) as client:
        await client.post(f"{AUTH}/password/forgot", json={"email": f"{name}@{KOREAN}"})
        await deliver(writing)
        (letter,) = box.mails
    assert str(letter["To"]) == f"{name}@{PUNYCODE}"
    assert "/reset-password#" in words(letter)


async def test_a_new_address_that_is_anothers_in_another_spelling_is_taken(
    writing: House, house: House, api: httpx.AsyncClient, box: Mailbox, join: Join
) -> None:
    owner, person, name = await join(), await join(), fresh()
    await keep_as(house, owner, f"{name}@{PUNYCODE}")
    body = {"email": f"{name}@{KOREAN}", "password": PASSWORD}
    refused = await api.put("/api/v1/users/me/email", json=body, headers=bearer(person.access_token))
    assert (refused.status_code, refused.json()["code"]) == (409, "email_taken")
    async with visitor(writing) as client:
        answer = await client.put("/api/v1/users/me/email", json=body, headers=bearer(person.access_token))
        assert answer.status_code == 200
    await deliver(writing)
    (letter,) = box.mails
    assert "already" in words(letter)


async def test_a_link_to_an_address_that_another_spelling_took_meanwhile_is_void(
    house: House, join: Join, writing: House, box: Mailbox
) -> None:
    person, late, name = await join(), await join(), fresh()
    async with visitor(writing) as client:
        body = {"email": f"{name}@{KOREAN}", "password": PASSWORD}
        await client.put("/api/v1/users/me/email", json=body, headers=bearer(person.access_token))
    await deliver(writing)
    (letter,) = box.mails
    link = words(letter).split("/verify-email#")[1].split()[0]
    await keep_as(house, late, f"{name}@{PUNYCODE}")
    with pytest.raises(Invalid):
        await new_address.prove(house, link)


async def test_ones_own_address_in_another_spelling_is_no_new_one(
    house: House, api: httpx.AsyncClient, join: Join
) -> None:
    person, name = await join(), fresh()
    await keep_as(house, person, f"{name}@{PUNYCODE}")
    body = {"email": f"{name}@{KOREAN}", "password": PASSWORD}
    refused = await api.put("/api/v1/users/me/email", json=body, headers=bearer(person.access_token))
    assert (refused.status_code, refused.json()["code"]) == (422, "email_unchanged")


async def test_a_provider_that_spells_the_address_otherwise_leads_to_the_same_account(
    house: House, api: httpx.AsyncClient, idp: Provider, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(monkeypatch, school(idp.url, email_domains=[KOREAN]))
    person, name = await join(), fresh()
    await keep_as(house, person, f"{name}@{KOREAN}")
    await verify_address(house, person)
    told = await who_is(api, await sign_in(api, idp, email=f"{name.upper()}@{PUNYCODE}.", sub=name))
    assert told["id"] == str(person.id)


async def test_a_providers_domains_are_known_in_every_spelling(
    api: httpx.AsyncClient, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(monkeypatch, school(idp.url, email_domains=[PUNYCODE.upper()]))
    name = fresh()
    alike = await sign_in(api, idp, email=f"{name}@xn--ggle-55da.example", sub=f"other {name}")
    assert error_of(alike) == "oidc_registration_closed"
    told = await who_is(api, await sign_in(api, idp, email=f"{name}@{KOREAN}", sub=name))
    assert told["email"] == f"{name}@{KOREAN}"


async def deeds(house: House, account_id: str) -> list[tuple[str, str | None]]:
    """What the audit log says was done to an account, and by whom."""
    async with house.db.transaction() as tx:
        query = text("SELECT action, actor_id FROM supervisor.audit WHERE target_id = :id ORDER BY id")
        return [(action, actor and str(actor)) for action, actor in await tx.execute(query, {"id": UUID(account_id)})]


async def test_registering_is_the_persons_own_deed_and_an_operators_the_houses(
    house: House, api: httpx.AsyncClient, idp: Provider, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, registration="open")
    email = f"{fresh()}@example.org"
    made = await api.post(f"{AUTH}/register", json={"email": email, "password": PASSWORD})
    registered = made.json()["id"]
    assert await deeds(house, registered) == [("accounts.registered", registered)]
    came = (await who_is(api, await sign_in(api, idp, email=f"{fresh()}@example.org", sub=fresh())))["id"]
    assert (await deeds(house, came))[:2] == [("accounts.registered", came), ("accounts.identity_linked", came)]
    ordered = await join(supervisor=True)
    assert (await deeds(house, str(ordered.id)))[0] == ("accounts.registered", None)


async def test_what_is_done_by_a_link_in_a_letter_is_the_owners_deed(
    house: House, writing: House, box: Mailbox, join: Join
) -> None:
    person = await join()
    async with visitor(writing) as client:
        await client.post(f"{AUTH}/password/forgot", json={"email": person.email})
        await deliver(writing)
        link = words(box.mails[-1]).split("/reset-password#")[1].split()[0]
        reset = await client.post(f"{AUTH}/password/reset", json={"token": link, "password": "another courtyard 8"})
    assert reset.status_code == 204
    assert ("accounts.password_reset", str(person.id)) in await deeds(house, str(person.id))


async def test_a_letter_for_an_address_is_asked_for_five_times_in_all_its_spellings(
    writing: House, house: House, box: Mailbox, join: Join
) -> None:
    person, name = await join(), fresh()
    await keep_as(house, person, f"{name}@{KOREAN}")
    async with visitor(writing) as client:
        for number in range(2 * recovery.LETTERS_AN_HOUR):
            email = f"{name}@{(KOREAN, PUNYCODE)[number % 2]}"
            await client.post(f"{AUTH}/password/forgot", json={"email": email})
    assert await deliver(writing) == recovery.LETTERS_AN_HOUR
