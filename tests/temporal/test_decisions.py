"""What people decided about tool calls: who, when and why is on record as long as the thread."""

from __future__ import annotations

from datetime import UTC, datetime

from temporal_support import Serve

from oris_temporal import OrisClient, ToolCall, create_agent, tool
from oris_temporal.models.fake import fake_model


@tool
async def delete(path: str) -> str:
    """Delete a file."""
    return f"{path} is gone"


async def test_author_time_and_comment_survive_continue_as_new_and_later_runs(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    model = fake_model(
        ToolCall("c1", "delete", {"path": "a"}), ToolCall("c2", "delete", {"path": "b"}), "Done.", "Goodbye."
    )
    agent = create_agent(model, [delete], interrupt_on={"delete": True})
    approve = {"type": "approve", "comment": "it is old"}
    reject = {"type": "reject", "message": "we need it", "comment": "asked Bob"}
    began = datetime.now(UTC)
    async with serve(agent):
        await client.start(agent, thread, "clean up", continue_as_new_after=6)
        await client.result(thread)
        await client.resume(thread, {"decisions": [approve]}, author="ada")
        done = await client.resume(thread, {"decisions": [reject]}, author="bob")
        assert done.status == "completed"
        await client.run(agent, thread, "bye")
        second, first = await client.interrupts(thread, all=True)
    assert (first.author, first.answer, first.status) == ("ada", {"decisions": [approve]}, "resumed")
    assert (second.author, second.answer, second.status) == ("bob", {"decisions": [reject]}, "resumed")
    assert first.answered_at is not None
    assert second.answered_at is not None
    assert began < first.answered_at < second.answered_at < datetime.now(UTC)
    told = [message["content"] for message in done.values["messages"] if message["message_type"] == "tool"]
    assert told == ["a is gone", "A person rejected this call of delete: we need it"]  # no comment
