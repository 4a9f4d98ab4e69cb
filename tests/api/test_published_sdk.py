"""The client that Oris publishes drives a whole job against this facade, unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from oris_sdk.execution import ExecutionClient, ExecutionConfig

from oris_temporal.api.control_store import StoreSettings

Connect = Callable[[str], ExecutionClient]


@pytest.fixture
def connect(serve: Callable[..., httpx.Client], tmp_path: Path) -> Iterator[Connect]:
    """Makes clients that send a token; that of the facade is ``secret``."""
    api = serve(StoreSettings(sqlite_path=str(tmp_path / "c.db")), bearer_token="secret")
    with httpx.Client(timeout=60) as connection:
        yield lambda token: ExecutionClient(ExecutionConfig(f"{api.base_url}/v1", token), client=connection)


@pytest.fixture
def client(connect: Connect) -> ExecutionClient:
    return connect("secret")


@pytest.fixture
def thread() -> str:
    return f"sdk-{uuid4().hex[:8]}"


def test_a_whole_job(client: ExecutionClient, thread: str, eventually: Callable[..., Any]) -> None:
    given = {"messages": [{"content": "hello", "message_type": "human"}]}
    started = client.run_job(thread, given, idempotency_key=thread)
    assert (started["status"], started["interrupts"]) == ("interrupted", ["approve?"])
    assert client.run_job(thread, given, idempotency_key=thread)["idempotent_replay"]

    waiting = client.get_detail(thread)
    assert waiting["pending_interrupt"]["interrupt_id"] == f"int-{thread}-0"
    assert client.get_state(thread)["checkpoint_id"] == waiting["checkpoint_id"]

    assert client.resume(thread, {"ok": True})["status"] == "completed"
    state = client.get_state(thread)
    assert [message["content"] for message in state["values"]["messages"]] == ["hello", 'approved={"ok": true}']
    history = client.get_history(thread)["history"]
    assert [item["checkpoint_id"] for item in client.get_timeline(thread)["timeline"]] == [
        item["checkpoint_id"] for item in history
    ]
    assert eventually(lambda: thread in str(client.list_jobs(status="completed", limit=5)["jobs"]))

    replayed = client.replay(thread, history[0]["checkpoint_id"])
    assert (replayed["status"], replayed["idempotent_replay"]) == ("interrupted", False)
    assert client.cancel(thread, "done") == {"thread_id": thread, "status": "cancelled", "reason": "done"}
    with pytest.raises(httpx.HTTPStatusError) as caught:
        client.run_job(thread)
    assert caught.value.response.status_code == 409


def test_input_with_keys_of_the_state(client: ExecutionClient, thread: str) -> None:
    with pytest.raises(httpx.HTTPStatusError) as caught:
        client.run_job(thread, {"nonsense": 1})
    assert caught.value.response.status_code == 400
    assert "nonsense" in caught.value.response.text


def test_with_another_token(connect: Connect, thread: str) -> None:
    with pytest.raises(httpx.HTTPStatusError) as caught:
        connect("wrong").get_state(thread)
    assert caught.value.response.status_code == 401
