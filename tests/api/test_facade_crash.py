"""A facade that is killed, and another one on the same control store: what was begun is finished once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest
from facade_graphs import gates
from facade_process import facade_process, kill, variables_of

from oris_temporal.api.control_store import StoreSettings
from oris_temporal.client import OrisClient, RunInfo
from oris_temporal.devserver import ChildProcess, DevServer
from oris_temporal.errors import ThreadNotFoundError

T = TypeVar("T")
Eventually = Callable[[Callable[[], T]], T]
Facade = Callable[[], AbstractContextManager[tuple[httpx.Client, ChildProcess]]]


@pytest.fixture
def thread() -> str:
    return f"crash-{uuid4().hex[:8]}"


@pytest.fixture
def facade(dev_server: DevServer, served_queue: str, store: StoreSettings) -> Facade:
    """Starts a facade in a process of its own, over the same control store each time."""
    env = {**dev_server.environment, "ORIS_TASK_QUEUE": served_queue, **variables_of(store)}
    return lambda: facade_process(env)


@pytest.fixture
def inspect(dev_server: DevServer, served_queue: str, thread: str) -> Callable[[], RunInfo | None]:
    """How the thread stands, without any facade."""

    async def ask() -> RunInfo | None:
        with suppress(ThreadNotFoundError):
            return await OrisClient(await dev_server.connect(), task_queue=served_queue).inspect(thread)
        return None

    return lambda: asyncio.run(ask())


def data(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


@contextmanager
def asking(request: Callable[[], httpx.Response]) -> Iterator[None]:
    """While the block runs a request waits for its answer, which it does not get."""
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(request)
        yield
        with pytest.raises(httpx.TransportError):
            asked.result()


Inspect = Callable[[], RunInfo | None]


def at(inspect: Inspect, node: str) -> bool:
    info = inspect()
    return info is not None and list(info.next) == [node]


def test_between_start_and_answer(facade: Facade, inspect: Inspect, thread: str, eventually: Eventually[bool]) -> None:
    body = {"thread_id": thread, "graph": "gated", "input": thread, "idempotency_key": f"key-{thread}"}
    with facade() as (first, process), asking(lambda: first.post("/v1/jobs/run", json=body)):
        assert eventually(lambda: at(inspect, "at_gate"))
        kill(process)
    with facade() as (second, _):
        gates[thread].set()
        assert data(second.post("/v1/jobs/run", json=body))["status"] == "completed"
        assert data(second.post("/v1/jobs/run", json=body))["idempotent_replay"]
    info = inspect()
    assert info is not None
    assert info.run == 1


def test_between_resume_and_answer(facade: Facade, inspect: Inspect, thread: str, eventually: Eventually[bool]) -> None:
    body = {"thread_id": thread, "graph": "asked", "input": thread}
    answer = f"/v1/interrupts/int-{thread}-0/resume"
    with facade() as (first, process):
        assert data(first.post("/v1/jobs/run", json=body))["status"] == "interrupted"
        with asking(lambda: first.post(answer, json={"value": "yes"})):
            assert eventually(lambda: at(inspect, "at_gate"))
            kill(process)
    with facade() as (second, _):
        gates[thread].set()
        assert data(second.post(answer, json={"value": "yes"}))["status"] == "completed"
        assert second.post(answer, json={"value": "no"}).status_code == 409
        texts = [message["content"] for message in data(second.get(f"/v1/jobs/{thread}"))["values"]["messages"]]
    assert texts == [thread, 'approved="yes"', "through"]


def test_with_a_lease_out(facade: Facade, thread: str, eventually: Eventually[Any]) -> None:
    body = {"thread_id": thread, "graph": "scan", "input": {"image": "page.png"}, "wait_ms": 0}

    def take(api: httpx.Client) -> dict[str, Any] | None:
        found = data(api.post("/v1/workers/poll", json={"worker_id": "w1"}))
        return found if found["node"] else None

    with facade() as (first, process):
        data(first.post("/v1/jobs/run", json=body))
        task = eventually(lambda: take(first))
        kill(process)
    with facade() as (second, _):
        data(second.post("/v1/workers/w1/heartbeat", json={"lease_id": task["lease_id"]}))
        said = {"attempt_id": task["attempt_id"], "terminal_status": "completed", "output": {"text": "kept"}}
        data(second.post("/v1/workers/w1/ack", json=said))
        assert eventually(lambda: data(second.get(f"/v1/jobs/{thread}"))["status"] == "completed")
