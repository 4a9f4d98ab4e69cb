"""The person whom the demo asks, at its terminal or elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from temporalio.service import RPCError

from oris_temporal.client import OrisClient
from oris_temporal.graph.errors import OrisError

from .prompt import ask_line, ask_yes_or_no


async def prompt(question: str) -> dict[str, Any]:
    """The person's answer."""
    ok = await ask_yes_or_no(f"  {question}")
    comment = await ask_line("  A comment for the report (Enter for none): ") if ok else ""
    return {"ok": ok, "comment": comment.strip()}


async def answered_elsewhere(client: OrisClient, thread_id: str, interrupt_id: str) -> None:
    """Wait until an interrupt is answered by somebody else."""
    with contextlib.suppress(OrisError, RPCError):  # then only the person here can answer
        async for chunk in client.stream(thread_id, mode="debug", follow=True):
            if chunk.data["event_type"] == "resumed" and chunk.data.get("id") == interrupt_id:
                return
    await asyncio.Future()
