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


@pytest.fixture(params=["in-process", "temporal", "continued"])
async def any_host(request: pytest.FixtureRequest, dev_server: DevServer) -> AsyncIterator[OrisHost]:
    """Every host of ours in turn, and the one on Temporal also with histories of a few events."""
    if request.param == "in-process":
        yield InProcessHost()
        return
    limit = 6 if request.param == "continued" else None
    async with TemporalHost(await dev_server.connect(), continue_as_new_after=limit) as temporal_host:
        yield temporal_host


@pytest.fixture(autouse=True)
def _fresh_effects() -> Iterator[None]:
    yield
    ran.clear()
