"""A facade in several processes (`uvicorn --workers 2`): one port, one control store, and one answer to everything."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import httpx
import pytest
from facade_process import facade_process, variables_of

from oris_temporal.api.control_store import StoreSettings
from oris_temporal.devserver import ChildProcess, DevServer

T = TypeVar("T")
Eventually = Callable[[Callable[[], T]], T]
Facade = tuple[httpx.Client, ChildProcess]


@pytest.fixture
def facade(
    dev_server: DevServer, served_queue: str, store: StoreSettings, tmp_path: Path, eventually: Eventually[bool]
) -> Iterator[Facade]:
    """A client of both, and the process that started them."""
    env = {**dev_server.environment, "ORIS_TASK_QUEUE": served_queue, **variables_of(store)}
    log = tmp_path / "log"
    with facade_process(env, "--workers", "2", log=log) as running:
        assert eventually(lambda: log.read_text().count("Application startup complete") == 2), log.read_text()
        yield running


def test_they_do_a_thing_once_and_stop_together(facade: Facade, eventually: Eventually[bool]) -> None:
    api, supervisor = facade
    thread = f"several-{uuid4().hex[:8]}"
    body = {"thread_id": thread, "graph": "int", "input": "hello", "idempotency_key": thread}

    def run(_: int) -> httpx.Response:
        return api.post("/v1/jobs/run", json=body, headers={"connection": "close"})  # either may accept a new one

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(run, range(16)))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert [answer.json()["data"]["idempotent_replay"] for answer in answers].count(False) == 1, "it ran more than once"

    os.kill(supervisor.pid, signal.SIGTERM)
    assert eventually(lambda: not supervisor.running)
    with pytest.raises(httpx.ConnectError):
        api.get("/healthz")
