"""The api answers as its OpenAPI says: to a visitor, to a person, and about what that person has.

Schemathesis makes requests that the description allows and ones that it forbids, and judges every answer.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS

from tests.api.conftest import PATIENCE_SECONDS, Live

described: Any = schemathesis.openapi.from_dict(
    json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text())
)
described.config.generation.allow_extra_parameters = False
described.config.generation.with_security_parameters = False

UNFIT = [CHECKS.get_one("positive_data_acceptance")]
"""It knows no refusals for reasons that a schema cannot say (a common password, an empty question); see below."""

EVERYTHING_IS_A_FILE = [CHECKS.get_one("negative_data_rejection")]
"""Whatever it puts into a form is some file's content."""

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisWarning")

quick = settings(
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


def not_called_malformed(_context: Any, response: Any, case: Any) -> None:
    """What the description allows is never refused as malformed, only for a reason with a code of its own."""
    is_allowed = case.meta is not None and case.meta.generation.mode.value == "positive"
    if is_allowed and response.status_code in {400, 422}:
        assert response.json()["code"] not in {"request_invalid", "bad_request"}, response.text


def judge(case: Any, live: Live, token: str | None) -> None:
    is_upload = case.media_type == "multipart/form-data"
    case.call_and_validate(
        base_url=live.url,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=PATIENCE_SECONDS,
        allow_redirects=False,
        additional_checks=[not_called_malformed],
        excluded_checks=UNFIT + (EVERYTHING_IS_A_FILE if is_upload else []),
    )


@described.parametrize()
@settings(quick, max_examples=6)
def test_to_a_visitor(case: Any, live: Live) -> None:
    judge(case, live, None)


@described.parametrize()
@settings(quick, max_examples=12)
def test_to_a_supervisor(case: Any, live: Live, supervisor: str) -> None:
    judge(case, live, supervisor)


@described.include(path_regex="{").parametrize()
@settings(quick, max_examples=6)
def test_about_what_somebody_has(case: Any, live: Live, supervisor: str, belongings: dict[str, str]) -> None:
    case.path_parameters = {name: belongings.get(name, value) for name, value in case.path_parameters.items()}
    judge(case, live, supervisor)


def test_every_operation_is_described(live: Live) -> None:
    with live.client() as visitor:
        told = visitor.get("/api/v1/openapi.json").json()
    assert told == json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text())


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/documents", "/api/v1/runs/not-an-id", "/api/v1/users/1"])
def test_what_is_not_there_is_a_problem_document(path: str, live: Live) -> None:
    with live.client(live.join()) as person:
        response = person.get(path)
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert response.json()["request_id"] == response.headers["x-request-id"]
