"""The whole api answers as the SCIM standards say, in the judgement of scim2-tester."""

from uuid import UUID

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from tests.api.conftest import Live


def test_scim_tester_passes(live: Live) -> None:
    with live.client(live.join()) as boss:
        made = boss.post("/api/v1/organisations/", json={"name": "마당 학교"})
        assert made.status_code == 201, made.text
        scope_id = UUID(made.json()["id"])
        token = boss.post(f"/api/v1/scopes/{scope_id}/scim-tokens", json={"name": "the tester"}).json()
    headers = {"Authorization": f"Bearer {token['token']}"}
    with httpx2.Client(base_url=token["url"], headers=headers, timeout=20) as connection:
        results = check_server(SyncSCIMClient(connection))
    failed = [
        (one.title, one.resource_type, one.reason) for one in results if one.status in {Status.ERROR, Status.CRITICAL}
    ]
    assert not failed, "\n".join(str(one) for one in failed)
    passed = [one for one in results if one.status is Status.SUCCESS]
    assert {one.resource_type for one in passed} >= {"User", "Group"}
    assert len(passed) > 50
