"""A real PostgreSQL and a real Valkey for every test process, and a house that stands on them."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest

from madang.adapters.opening import open_house
from madang.catalog import installed
from madang.features.agents.public import prepare_checkpoints
from madang.kernel.house import House
from madang.kernel.settings import Settings
from madang.local.postgres import PostgresServer
from madang.local.valkey import ValkeyServer
from madang.migrations import upgrade
from tests.network import stay_here
from tests.waits import refuse_waits_in_transactions

stay_here()
refuse_waits_in_transactions()

hypothesis.settings.register_profile("madang", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("madang")
"""The same examples for everybody, however slow the machine; `--hypothesis-profile=default` looks for other ones."""

FAULTS = "tests/faults/"
SETUP_TOKEN = "the set-up token of the tests"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the faults, which take the longest and mostly wait, so that one process has them beside the others."""
    items.sort(key=lambda item: not item.nodeid.startswith(FAULTS))


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """What a test leaves in the environment ends with it, as where a command adopts a `madang up` that runs here."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys() - {"PYTEST_CURRENT_TEST"}:
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


@pytest.fixture(scope="session")
def house_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a house whose database is migrated and whose servers live as long as the tests."""
    data_dir = tmp_path_factory.mktemp("house")
    postgres, valkey = PostgresServer(data_dir, durable=False), ValkeyServer(data_dir)
    try:
        postgres.start()
        valkey.start()
        asyncio.run(prepare_checkpoints(postgres.url))
        upgrade(postgres.url)
        yield Settings(
            database_url=postgres.app_url,  # type: ignore[arg-type]  # pydantic makes it a secret
            owner_database_url=postgres.url,  # type: ignore[arg-type]  # the same
            valkey_url=valkey.url,  # type: ignore[arg-type]  # the same
            secret_key="a secret for tests that is long enough",  # type: ignore[arg-type]  # the same
            setup_token=SETUP_TOKEN,  # type: ignore[arg-type]  # the same
            data_dir=data_dir,
            environment="test",
        )
    finally:
        valkey.stop()
        postgres.stop()


@pytest.fixture
async def house(house_settings: Settings) -> AsyncIterator[House]:
    """A house with every module; what its transactions announce stays in the outbox."""
    async with open_house(house_settings, installed(), "test", deliver=lambda _: None) as opened:
        yield opened
