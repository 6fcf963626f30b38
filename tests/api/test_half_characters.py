"""JSON can spell half a character, which no text can have: it is refused at every door, and nothing falls over it."""

import pytest

from tests.api.conftest import Live

HALF = "\\ud800"
BODIES = [
    ("/auth/register", '{"email": "h@example.org", "password": "HALF courtyard rain", "name": "n"}'),
    ("/auth/register", '{"email": "h@example.org", "password": "courtyard rain 7", "name": "HALF"}'),
    ("/auth/login", '{"email": "HALF@example.org", "password": "courtyard rain 7"}'),
    ("/auth/login", '{"email": "h@example.org", "password": "HALF"}'),
    ("/auth/refresh", '{"refresh_token": "HALF"}'),
    ("/auth/password/reset", '{"token": "HALF", "password": "courtyard rain 7"}'),
    ("/auth/password/reset", '{"token": "t", "password": "HALF courtyard rain"}'),
    ("/users/me/totp", '{"password": "HALF"}'),
    ("/organisations/", '{"name": "HALF"}'),
    ("/chat/sessions/", '{"title": "HALF"}'),
    ("/chat/streaming", '{"question": "HALF"}'),
    ("/chat/streaming", '{"question": "q", "model": "openai/HALF"}'),
    ("/chat/streaming", '{"question": "q", "agent": "HALF"}'),
]


@pytest.mark.parametrize(("path", "body"), BODIES)
def test_half_a_character_is_refused(live: Live, supervisor: str, path: str, body: str) -> None:
    with live.client(supervisor) as person:
        content = body.replace("HALF", HALF).encode()
        answer = person.post(f"/api/v1{path}", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 401, 422}, answer.text
