"""Hosts as fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from effects import ran
from hosts import InProcessHost, OrisHost


@pytest.fixture(params=["in-process"])
def host(request: pytest.FixtureRequest) -> OrisHost:
    """Every host of ours in turn."""
    return InProcessHost()


@pytest.fixture(autouse=True)
def _fresh_effects() -> Iterator[None]:
    yield
    ran.clear()
