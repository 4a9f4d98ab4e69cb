"""Reading server-sent events as a browser does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Seen:
    """An event; a comment has only data."""

    event: str
    data: Any
    id: str | None = None


@contextmanager
def streaming(
    api: httpx.Client, thread_path: str, query: str = "", *, after: str | None = None, comments: bool = False
) -> Iterator[Iterator[Seen]]:
    """The events of a thread, as they come."""
    headers = {} if after is None else {"last-event-id": after}
    with api.stream("GET", f"/v1/jobs/{thread_path}/stream?{query}", headers=headers) as response:
        assert response.status_code == 200, response.read()
        yield _events(response.iter_lines(), comments=comments)


def all_events(api: httpx.Client, thread_path: str, query: str = "", *, after: str | None = None) -> list[Seen]:
    """The events of a thread, until its stream ends."""
    with streaming(api, thread_path, query, after=after) as events:
        return list(events)


def _events(lines: Iterator[str], *, comments: bool) -> Iterator[Seen]:
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            if comments:
                yield Seen("", line[1:].strip())
        elif line:
            name, _, value = line.partition(": ")
            assert name in ("event", "data", "id", "retry")
            assert name not in fields
            fields[name] = value
        else:
            if "data" in fields:
                yield Seen(fields["event"], json.loads(fields["data"]), fields.get("id"))
            fields = {}
    assert not fields
