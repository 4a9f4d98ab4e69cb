"""Hosts as fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import temporalio.client
from effects import ran
from hosts import InProcessHost, OrisHost
from temporal_host import TemporalHost

from oris_temporal.devserver import DevServer


@pytest.fixture
async def temporal(dev_server: DevServer) -> temporalio.client.Client:
    """A client of the dev server that the session shares."""
    return await dev_server.connect()


@pytest.fixture(params=["in-process", "temporal"])
async def host(request: pytest.FixtureRequest, dev_server: DevServer) -> AsyncIterator[OrisHost]:
    """Every host of ours in turn."""
    if request.param == "in-process":
        yield InProcessHost()
        return
    async with TemporalHost(await dev_server.connect()) as temporal_host:
        yield temporal_host


@pytest.fixture(autouse=True)
def _fresh_effects() -> Iterator[None]:
    yield
    ran.clear()
