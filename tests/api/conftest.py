"""A server that the tests of a module share, and a workspace of each test's own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.harness import Client, running_server
from tests.tools import Tenant


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server that takes event types that were never created. Modules that need another one make it themselves."""
    async with running_server(tmp_path_factory.mktemp("server"), allow_unknown_event_types=True) as client:
        yield client


@pytest.fixture
def tenant(client: Client) -> Tenant:
    """A workspace of the test's own."""
    return Tenant(client)
