"""The examples run as their first lines say: in this process, with another model for the fake one, and on Temporal."""

from __future__ import annotations

import asyncio
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import openai_wire
import pytest
from fake_over_http import FakeOverHttp
from provider_server import ProviderServer, serving_aside

from oris_temporal import CompiledGraph, OrisClient
from oris_temporal.config import load_graphs
from oris_temporal.testing import ReplayingWorker, oris_client

__all__ = ["oris_client"]

EXAMPLES = Path(__file__).parents[1] / "examples"

PRINTS = {
    "hello_world.py": """\
human: good morning
ai: Hello! You said: good morning
""",
    "durable_agent_job.py": """\
interrupted: Publish this? (int-bridge-0)
completed:
  human: Should the bridge be closed?
  ai: Three sources on: Should the bridge be closed?
  ai: The person said: yes
trace: StepCompleted, InterruptReached, ResumeReceived, StepCompleted
""",
    "deep_agent.py": """\
critic: Storks are one metre tall.
writer: It is in stork.md.
stork.md: A stork is a bird of one metre.
todos: draft done, check done
remembered: The encyclopedia errs about sizes.
""",
    "supervisor.py": """\
approve? book {'place': 'Zum Anker', 'name': 'Ada'}
scout: Zum Anker is open until ten.
meteorologist: It rains.
booker: Booked.
desk: A table inside at Zum Anker is booked for Ada; it is going to rain.
""",
    "shared_memory.py": """\
Who is Ada?
Ada likes chess
Ada likes chess
all that is known: [{'what': 'chess'}]
""",
    "agent_with_tools.py": """\
human: Oslo
ai: weather({'city': 'Oslo'}), population({'city': 'Oslo'})
tool: Sunny in Oslo for 1 day(s).
tool: {"city": "Oslo", "people": 700000}
ai: Sunny in Oslo for 1 day(s).
{"city": "Oslo", "people": 700000}
""",
    "human_in_the_loop.py": """\
May I call announce with {'text': 'The bridge is closed on Monday.'}?
Announced: Until noon: The bridge is closed on Monday.
12,000 readers.
""",
    "structured_output.py": """\
Place: Oslo is a city; people: 1
""",
    "streaming_tokens.py": """\
Tell| me |of s|tork|s.|
The whole answer, from node model: Tell me of storks.
""",
    "memory.py": """\
I like chess. -> Noted. (4 messages so far)
I live in Oslo. -> Noted. (8 messages so far)
ada: I live in Oslo. I like chess.
bob: Nothing.
""",
    "middleware.py": """\
Write to [REDACTED_EMAIL]. (words so far: 3)
Now call her, on any day but Sunday. (words so far: 11)
""",
    "subagents.py": """\
human: storks
ai: librarian({'task': 'storks'}), archivist({'task': 'storks'})
tool: Three books are about storks.
tool: Nothing was written about storks lately.
ai: Three books are about storks.
Nothing was written about storks lately.
""",
    "router.py": """\
Will it rain? -> Sunny, with some wind.
  weather: Sunny, with some wind.
How is the weather, and when is the next train? -> How is the weather, and when is the next train?
  weather: Sunny, with some wind.
  trains: A train leaves at 10:15.
""",
    "handoffs.py": """\
What do I owe? -> billing: One bill is open: 12 euros.
Are you sure? -> billing: One bill is open: 12 euros.
""",
    "mcp_tools.py": """\
human: Moby-Dick
ai: library_find_book({'title': 'Moby-Dick'})
tool: Moby-Dick is on shelf 7.
ai: Moby-Dick is on shelf 7.
""",
    "llm_graph.py": """\
human: Why do storks come back in spring?
ai: Why do storks come back in spring?
ai: Why do storks come back in spring?
title: Give this text a title: Why do storks come back in spring?
""",
    "http_worker.py": """\
All that is written on page-1.png: 6 words
""",
    "budget.py": """\
budget_exceeded: Graph strict: the run has used up its budget: max_turns is 1, and it is at 1. Raise the limit, or let it do less.
answer: Answer now, with what you know. You cannot call tools any more.
model calls: 2
""",
}

MODEL = re.compile(r'^MODEL = "fake:(echo|tools)"', re.MULTILINE)
"""Of examples that ask models without a script, which a provider can stand in for."""
WITH_MODEL = [
    name
    for name in PRINTS
    if MODEL.search((EXAMPLES / name).read_text()) and name != "mcp_tools.py"  # its server takes seconds to start
]


def test_all_are_run_here_and_in_the_table() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PRINTS)
    assert set(re.findall(r"^\| `(\w+\.py)`", (EXAMPLES / "README.md").read_text(), re.MULTILINE)) == set(PRINTS)


@pytest.mark.parametrize("name", PRINTS)
def test_prints(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(EXAMPLES / name, capsys, monkeypatch) == PRINTS[name]


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderServer]:
    with serving_aside(FakeOverHttp()) as server:
        yield server


@pytest.mark.parametrize("name", WITH_MODEL)
def test_prints_the_same_with_a_provider_when_one_string_is_changed(
    name: str,
    provider: ProviderServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed, count = MODEL.subn(r'MODEL = "openai:gpt-\1"', (EXAMPLES / name).read_text())
    assert count == 1
    assert changed.count("fake:") == 0
    (tmp_path / name).write_text(changed)
    monkeypatch.setenv("OPENAI_API_KEY", openai_wire.KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
    before = len(provider.asked)
    assert run(tmp_path / name, capsys, monkeypatch) == PRINTS[name]
    assert len(provider.asked) > before


def run(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run it as a program would be, but in this process, which is quicker; what it printed."""
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    return capsys.readouterr().out


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[CompiledGraph]]:
    """The graphs that the first lines of each example name."""
    monkeypatch.syspath_prepend(str(EXAMPLES.parent))
    here = [name for name in PRINTS if name != "http_worker.py"]  # which needs the facade, and is tested with it
    named = {name: re.findall(r"--graphs (\S+)", (EXAMPLES / name).read_text()) for name in here}
    return {name: [graph for spec in specs for graph in load_graphs(spec)] for name, specs in named.items() if specs}


async def test_all_run_on_temporal(oris_client: OrisClient, graphs: dict[str, list[CompiledGraph]]) -> None:
    async def run(name: str) -> dict[str, str]:
        client = OrisClient(oris_client.temporal, task_queue=f"{oris_client.task_queue}-{name}")
        async with ReplayingWorker(client, graphs[name]) as worker:
            runs = {graph.name: await client.run(graph.name, uuid4().hex, "Will it rain?") for graph in graphs[name]}
        assert await worker.check_replay() == len(runs)
        return {f"{name}: {graph}": result.status for graph, result in runs.items()}

    statuses = {key: status for found in await asyncio.gather(*map(run, graphs)) for key, status in found.items()}
    assert {key: status for key, status in statuses.items() if status != "completed"} == {
        "durable_agent_job.py: job": "interrupted",
        "human_in_the_loop.py: announcer": "interrupted",
        "budget.py: strict": "failed",
        "supervisor.py: desk": "interrupted",
    }
    assert len(statuses) > 10
