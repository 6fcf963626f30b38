"""A malformed setting ends the start of the api and is named there; nobody finds it out by an error in use."""

from collections.abc import Callable, Iterator

import pytest
from pydantic import ValidationError

from madang.catalog import installed
from madang.features.accounts import settings as accounts
from madang.features.operations import settings as operations
from madang.features.organisations import settings as organisations
from madang.features.usage import settings as usage

READERS: tuple[Callable[[], object], ...] = (
    accounts.load,
    accounts.load_oidc,
    operations.load,
    organisations.load,
    usage.load,
)


@pytest.fixture
def unread() -> Iterator[None]:
    """Settings are read anew in this test, and anew after it."""
    forget = [reader.cache_clear for reader in READERS]  # type: ignore[attr-defined]  # they are cached
    for one in forget:
        one()
    yield
    for one in forget:
        one()


def start() -> None:
    """What the api does first with every module."""
    for module in installed():
        module.routes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MADANG_REGISTRATION", "everybody"),
        ("MADANG_OIDC_PROVIDERS", '[{"name": "school", "label": "School", "issuer": "https://x", "clientid": "y"}]'),
        ("MADANG_ORGANISATIONS", "some"),
        ("MADANG_TIME_ZONE", "Mars/Base"),
        ("MADANG_AUDIT_MONTHS", "many"),
    ],
)
def test_a_malformed_setting_ends_the_start(
    name: str, value: str, unread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        start()
    assert name.removeprefix("MADANG_").lower() in str(refused.value)
