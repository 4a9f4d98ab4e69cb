"""How much a page has, asked for or not: case 137 of the specification's section 20."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from facade_store import on_store
from sqlalchemy import Connection, insert

from oris_temporal.api.control_store import StoreSettings
from oris_temporal.api.control_store.tables import attempts, audit_log, dead_letters

MANY = 501


def lengths(api: httpx.Client, path: str, key: str) -> list[int]:
    """Entries of a page by default, for 0, and for far too many."""
    answers = [api.get(path + query) for query in ("", "?limit=0", "?limit=100000")]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    return [len(answer.json()["data"][key]) for answer in answers]


def test_137_jobs_and_interrupts(fresh_facade: httpx.Client, eventually: Callable[..., Any]) -> None:
    def run(number: int) -> int:
        return fresh_facade.post("/v1/jobs/run", json={"thread_id": f"t-{number}", "input": "hello"}).status_code

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(run, range(201))) == {200}
    assert eventually(lambda: lengths(fresh_facade, "/v1/jobs", "jobs") == [50, 0, 200])
    assert eventually(lambda: lengths(fresh_facade, "/v1/interrupts", "interrupts") == [50, 0, 200])


def test_137_audit_log_and_dead_letters(serve: Callable[..., httpx.Client], store: StoreSettings) -> None:
    on_store(store, lambda control: control.database.write(_fill))
    api = serve(store)
    assert lengths(api, "/v1/audit/logs", "logs") == [100, 1, 500]
    assert lengths(api, "/v1/dlq", "entries") == [100, 1, 500]


def _fill(connection: Connection) -> None:
    entry: dict[str, Any] = {
        "actor_type": "anonymous",
        "action": "job.run",
        "resource_type": "thread",
        "result": "success",
    }
    entry |= {"request_id": "r", "details": {}, "created_at": 1}
    connection.execute(insert(audit_log), [entry] * MANY)
    ids = [f"attempt-{number}" for number in range(MANY)]
    attempt = {
        "run_id": "t",
        "status": "failed",
        "priority": 0,
        "attempt_no": 1,
        "first_attempt_no": 1,
        "created_at": 1,
    }
    connection.execute(insert(attempts), [{"attempt_id": id, **attempt} for id in ids])
    letter: dict[str, Any] = {
        "run_id": "t",
        "attempt_no": 1,
        "reason": "terminal_failed",
        "dead_at": 1,
        "replay_count": 0,
    }
    letter |= {"replay_status": "pending"}
    connection.execute(insert(dead_letters), [{"attempt_id": id, **letter} for id in ids])
