"""SIGKILL of a worker that carries agents: what the history has of models and tools is not asked for again.

One worker is killed while it carries a run for each point at which it can happen; another one finishes them, and then does the same
from beginning to end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import openai_wire as wire
import pytest
from crash_agents import AGENTS
from provider_server import Answer, Asked, ProviderServer
from temporal_support import WorkerProcess, event_counts, eventually, lines

from oris_temporal import OrisClient, RunResult, ToolCall
from oris_temporal.devserver import DevServer
from oris_temporal.testing import check_replay

GRAPHS = {
    "in a model call": "researcher",
    "between model and tool": "signalled",
    "in one of several tools": "researcher",
    "between turns": "researcher",
    "while a person decides": "publisher",
    "in a tool of a subagent": "writer",
    "in a deep agent's subagent": "digger",
    "in a supervisor's worker": "lead",
    "while a tool asks": "clerk",
    "while a tool of the workflow asks": "clerk",
    "in a tool that was answered": "clerk",
}

STORK, CRANE, HERON = (ToolCall(f"call-{what}", "look_up", {"what": what}) for what in ("stork", "crane", "heron"))
PUBLISH = ToolCall("call-publish", "publish", {"text": "Storks!"})
TASK = ToolCall("call-task", "researcher", {"task": "What is a heron?"})
PLAN = ToolCall("call-plan", "write_todos", {"todos": [{"title": "Ask the scout", "status": "in_progress"}]})
NOTE = ToolCall("call-note", "write_file", {"path": "question.md", "content": "Herons?"})
SCOUT = ToolCall("call-scout", "task", {"description": "Dig for herons.", "subagent_type": "scout"})
STORK_BY_SCOUT = ToolCall("call-other", "task", {"description": "Dig for storks.", "subagent_type": "scout"})
FOUND = ToolCall("call-found", "write_file", {"path": "found.md", "content": "A heron is a bird."})
WORK = ToolCall("call-work", "delegate_to_scholar", {"task": "Work on herons."})
BOB, ADA = (ToolCall(f"call-{to}", "send", {"to": to}) for to in ("Bob", "Ada"))
CHOOSE = ToolCall("call-choose", "choose", {"among": "birds"})

SAYS: dict[str, list[list[ToolCall] | str]] = {
    "in a model call": [[STORK], "A stork is a bird."],
    "between model and tool": [[STORK], "A stork is a bird."],
    "in one of several tools": [[STORK, HERON, CRANE], "All are birds."],
    "between turns": [[STORK], "A stork is a bird.", [CRANE], "So is a crane."],
    "while a person decides": [[STORK, PUBLISH], "It is published."],
    "in a tool of a subagent": [[TASK], "A heron is a bird, they say."],
    "What is a heron?": [[HERON], "A heron is a bird."],
    "in a deep agent's subagent": [[PLAN, NOTE], [STORK_BY_SCOUT, SCOUT], "The scout found herons."],
    "Dig for storks.": [[STORK], "Storks."],
    "Dig for herons.": [[FOUND], [HERON], "Herons."],
    "in a supervisor's worker": [[CRANE, WORK], "The scholar knows herons."],
    "Work on herons.": [[STORK], [HERON], "Herons."],
    "while a tool asks": [[STORK, BOB], "It is sent."],
    "while a tool of the workflow asks": [[STORK, CHOOSE], "It is chosen."],
    "in a tool that was answered": [[STORK, ADA], "It is sent."],
}
"""What the model says, by the question that a conversation begins with."""

CALLS = {"in a tool of a subagent": 4, "in a deep agent's subagent": 8, "in a supervisor's worker": 5}
"""How many answers of models a run has, if they are not two."""

USED = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


class Model:
    """What the provider does: it notes each request by its question and the number of the answer, and answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self._never = asyncio.Event()

    def __call__(self, request: Asked) -> Answer:
        messages = request.body["messages"]
        question = next(message["content"] for message in messages if message["role"] == "user")
        number = sum(message["role"] == "assistant" for message in messages)
        self.asked.append((question, number))
        said = SAYS[question][number]
        if isinstance(said, str):
            chunks = [*wire.text(*(said[at : at + 8] for at in range(0, len(said), 8))), wire.chunk(usage=USED)]
        else:
            chunks = [
                *(
                    wire.tool(place, call.to_wire()["function"]["arguments"], id=call.id, name=call.name)
                    for place, call in enumerate(said)
                ),
                wire.chunk({}, "tool_calls"),
                wire.chunk(usage=USED),
            ]
        answer = wire.chat(*({**chunk, "id": f"chatcmpl-{question}-{number}"} for chunk in chunks))
        if self.asked.count(("in a model call", 1)) == 1 and self.asked[-1] == ("in a model call", 1):
            return Answer(headers=answer.headers, chunks=[*answer.chunks[:3], self._never])  # half of it
        return answer


@dataclass
class Story:
    """What happened.

    Attributes:
        asked: Requests to the provider until the runs of the crash had ended.
        done: What tools noted until then, by thread.
        crashed: How the runs ended that a crash was in, by where it was.
        usual: How the same ended without one.
        replayed: Histories that were replayed.
    """

    asked: Counter[tuple[str, int]]
    done: dict[str, list[str]]
    crashed: dict[str, RunResult]
    usual: dict[str, RunResult]
    replayed: int

    def noted(self, where: str) -> list[str]:
        return self.done[self.crashed[where].thread_id]


@pytest.fixture(scope="module")
def story(dev_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> Story:
    return asyncio.run(tell(dev_server, tmp_path_factory.mktemp("agents")))


async def tell(dev_server: DevServer, directory: Path) -> Story:
    client = OrisClient(await dev_server.connect(), task_queue=f"test-{uuid4().hex}")
    model = Model()
    async with ProviderServer(model) as server:
        variables = {"OPENAI_API_KEY": wire.KEY, "OPENAI_BASE_URL": f"{server.url}/v1"}
        specs = [f"crash_agents:{agent.name}" for agent in AGENTS]

        def worker() -> WorkerProcess:
            return WorkerProcess(dev_server.address, client.task_queue, *specs, directory=directory, **variables)

        threads = {where: f"crashed-{uuid4().hex[:12]}" for where in GRAPHS}
        async with worker() as first:
            for where, thread in threads.items():
                await client.start(GRAPHS[where], thread, where)
            await asyncio.gather(*(halfway(client, where, thread, directory) for where, thread in threads.items()))
            await first.kill()
        (directory / "go").touch()
        async with worker():
            crashed = await finish(client, threads)
            asked, noted = Counter(model.asked), lines(directory / "done")
            again = {where: f"usual-{uuid4().hex[:12]}" for where in GRAPHS}
            for where, thread in again.items():
                await client.start(GRAPHS[where], thread, where)
            usual = await finish(client, again)
        replayed = await check_replay(client, AGENTS, [*threads.values(), *again.values()])
    done = {
        thread: [line.partition(":")[2] for line in noted if line.startswith(thread)] for thread in threads.values()
    }
    return Story(asked, done, crashed, usual, replayed)


async def halfway(client: OrisClient, where: str, thread: str, directory: Path) -> None:
    """Wait until a run is where the crash is to be."""
    completed = {"between model and tool": 1, "in one of several tools": 3, "while a person decides": 2}
    match where:
        case "in a model call":
            async for chunk in client.stream(thread, mode="messages"):
                if chunk.data[0].get("chunk") and chunk.data[0]["content"]:
                    return
        case "between turns":
            assert (await client.result(thread)).status == "completed"
        case "in a tool of a subagent" | "in a deep agent's subagent" | "in a supervisor's worker":
            await eventually(lambda: f"{thread}:begin-heron" in lines(directory / "done"))
        case "while a tool asks" | "while a tool of the workflow asks":
            assert (await client.result(thread)).status == "interrupted"
        case "in a tool that was answered":
            assert (await client.result(thread)).status == "interrupted"
            await client.resume(thread, "yes", wait="100ms")
            await eventually(lambda: f"{thread}:begin-Ada" in lines(directory / "done"))
        case _:

            async def are_recorded() -> bool:
                return (await event_counts(client, thread))["ACTIVITY_TASK_COMPLETED"] == completed[where]

            await eventually(are_recorded)
    if where == "in one of several tools":
        await eventually(lambda: f"{thread}:begin-heron" in lines(directory / "done"))


async def finish(client: OrisClient, threads: dict[str, str]) -> dict[str, RunResult]:
    """Bring runs to their end."""

    async def end(where: str, thread: str) -> RunResult:
        match where:
            case "between model and tool":
                await client.signal(thread, "call")
            case "between turns":
                await client.result(thread)
                return await client.run(GRAPHS[where], thread_id=thread, input="And a crane?")
            case "while a person decides":
                assert (await client.result(thread)).status == "interrupted"
                return await client.resume(thread, {"decisions": [{"type": "approve"}]})
            case "while a tool asks" | "while a tool of the workflow asks" | "in a tool that was answered":
                if (await client.result(thread)).status == "interrupted":
                    return await client.resume(thread, "yes")
        return await client.result(thread)

    results = await asyncio.gather(*(end(where, thread) for where, thread in threads.items()))
    assert {result.status for result in results} == {"completed"}
    return {
        where: await client.result(thread) for where, thread in threads.items()
    }  # when nothing else keeps the worker busy


@pytest.mark.parametrize("where", GRAPHS)
def test_the_run_ends_as_it_would_have(story: Story, where: str) -> None:
    crashed, usual = story.crashed[where], story.usual[where]
    assert (crashed.status, crashed.error) == ("completed", None)
    assert crashed.values == usual.values
    assert crashed.values["messages"][-1]["content"] == SAYS[where][-1]


@pytest.mark.parametrize("where", GRAPHS)
def test_what_it_used_counts_once(story: Story, where: str) -> None:
    calls = CALLS.get(where, 2)  # the usage of a turn is that of its own run
    [used] = story.crashed[where].usage.values()
    assert (used.calls, used.prompt, used.completion) == (calls, calls * 100, calls * 10)
    assert story.crashed[where].usage == story.usual[where].usage


def test_no_recorded_answer_of_a_model_is_asked_for_again(story: Story) -> None:
    twice = {asked for asked, times in story.asked.items() if times > 1}
    assert twice == {("in a model call", 1)}  # the one that broke off
    assert story.asked["in a model call", 1] == 2
    assert set(story.asked) == {(question, number) for question, said in SAYS.items() for number in range(len(said))}


@pytest.mark.parametrize(
    ("where", "noted"),
    [
        ("in a model call", ["begin-stork", "end-stork"]),
        ("between model and tool", ["begin-stork", "end-stork"]),
        (
            "in one of several tools",
            ["begin-crane", "begin-heron", "begin-heron", "begin-stork", "end-crane", "end-heron", "end-stork"],
        ),
        ("between turns", ["begin-crane", "begin-stork", "end-crane", "end-stork"]),
        ("while a person decides", ["begin-stork", "end-stork", "publish"]),
        ("in a tool of a subagent", ["begin-heron", "begin-heron", "end-heron"]),
        ("in a deep agent's subagent", ["begin-heron", "begin-heron", "begin-stork", "end-heron", "end-stork"]),
        (
            "in a supervisor's worker",
            ["begin-crane", "begin-heron", "begin-heron", "begin-stork", "end-crane", "end-heron", "end-stork"],
        ),
        ("while a tool asks", ["ask-Bob", "ask-Bob", "begin-Bob", "begin-stork", "end-stork", "sent-Bob"]),
        ("while a tool of the workflow asks", ["begin-stork", "end-stork"]),
        (
            "in a tool that was answered",
            ["ask-Ada", "ask-Ada", "ask-Ada", "begin-Ada", "begin-Ada", "begin-stork", "end-stork", "sent-Ada"],
        ),
    ],
)
def test_no_tool_that_had_finished_runs_again(story: Story, where: str, noted: list[str]) -> None:
    assert sorted(story.noted(where)) == noted


def test_a_deep_agent_keeps_its_list_and_files(story: Story) -> None:
    values = story.crashed["in a deep agent's subagent"].values
    assert values["files"] == {"question.md": "Herons?", "found.md": "A heron is a bird."}
    assert [item["status"] for item in values["todos"]] == ["in_progress"]


def test_every_history_replays(story: Story) -> None:
    assert story.replayed == 24  # one for each run: the threads of two turns have two
