"""Agents made by `create_deep_agent`, on every host of ours, and with a history of a few events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from agent_tools import Watch, call, texts
from effects import note, ran
from hosts import Options, OrisHost
from typing_extensions import TypedDict

from oris_temporal import END, START, CompiledGraph, InMemoryStore, Message, MessagesState, Runtime, StateGraph, tool
from oris_temporal.agents import FilesMiddleware, SubAgent, ToolNode, create_agent, create_deep_agent
from oris_temporal.graph.errors import GraphCompileError
from oris_temporal.models.fake import fake_model
from oris_temporal.tools import CompositeBackend, FilesState, StateBackend, StoreBackend, WorkspaceBackend
from oris_temporal.tools.builtin import file_tools


@pytest.fixture
def host(any_host: OrisHost) -> OrisHost:
    return any_host


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


@tool
async def look_up(what: str, runtime: Runtime) -> str:
    """Look something up."""
    note(runtime.config, f"look_up {what}")
    return f"{what} is a bird"


@tool
async def dump(lines: int) -> str:
    """Print lines."""
    return "".join(f"line {number}\n" for number in range(lines))


def write(number: int, path: str, content: str) -> Any:
    return call(number, "write_file", path=path, content=content)


def edit(number: int, path: str, old: str, new: str) -> Any:
    return call(number, "edit_file", path=path, replacements=[{"old_string": old, "new_string": new}])


def turn(*calls: Any) -> Message:
    return Message.ai("", list(calls))


def told(values: Any) -> list[str]:
    """What tools answered."""
    return [text for kind, text in texts(values) if kind == "tool"]


def deep(*script: Any, tools: Sequence[Any] = (), **options: Any) -> CompiledGraph:
    return create_deep_agent(fake_model(*script, name="lead"), tools, name="lead", **options)


class TestFilesOfTheState:
    async def test_b17_write_read_edit_grep_round_trip(self, host: OrisHost, thread: str) -> None:
        agent = deep(
            write(1, "notes/plan.md", "- buy milk\n"),
            call(2, "read_file", path="notes/plan.md"),
            edit(3, "notes/plan.md", "milk", "bread"),
            call(4, "grep", query="bread", mode="content"),
            call(5, "ls"),
            call(6, "write_todos", todos=[{"title": "bake", "status": "in_progress"}]),
            "Done.",
        )
        done = await host.start(agent, {"messages": ["go"]}, thread)
        assert told(done.values) == [
            "notes/plan.md has 1 line now.",
            "     1\t- buy milk",
            "1 replacement made in notes/plan.md.",
            "notes/plan.md:1: - buy bread",
            "notes/",
            "The list: 1 in_progress.",
        ]
        assert done.values["files"] == {"notes/plan.md": "- buy bread\n"}
        assert done.values["todos"] == [{"title": "bake", "status": "in_progress", "id": None}]
        kept = [snapshot.values.get("files") for snapshot in await host.history(agent, thread)]
        assert kept[0] == done.values["files"]
        assert {"notes/plan.md": "- buy milk\n"} in kept

    async def test_calls_of_one_turn_on_one_file_are_made_in_their_order(self, host: OrisHost, thread: str) -> None:
        agent = deep(
            turn(
                write(1, "a", "abc"),
                edit(2, "a", "a", "A"),
                edit(3, "a", "b", "B"),
                edit(4, "a", "a", "x"),
                call(5, "read_file", path="a"),
                write(6, "b", "other"),
            ),
            "Done.",
        )
        done = await host.start(agent, {"messages": ["go"]}, thread)
        assert done.values["files"] == {"a": "ABc", "b": "other"}
        answers = told(done.values)
        assert answers[:3] == ["a has 1 line now.", "1 replacement made in a.", "1 replacement made in a."]
        assert "does not have its old_string" in answers[3]
        assert answers[4:] == ["     1\tABc", "b has 1 line now."]

    async def test_also_around_a_call_that_a_person_looked_at(self, host: OrisHost, thread: str) -> None:
        calls = turn(
            edit(1, "a", "one", "1"), write(2, "b", "new"), edit(3, "a", "two", "2"), call(4, "look_up", what="x")
        )
        agent = deep(calls, "Done.", tools=[look_up], interrupt_on={"edit_file": True})
        waiting = await host.start(agent, {"messages": ["go"], "files": {"a": "one two"}}, thread)
        assert len(waiting.asks[0].value["action_requests"]) == 2
        edited = {"type": "edit", "edited_action": {"name": "edit_file", "args": edit(3, "b", "new", "NEW").args}}
        done = await host.resume(agent, thread, {"decisions": [{"type": "approve"}, edited]})
        assert done.values["files"] == {"a": "1 two", "b": "NEW"}
        assert ran[thread, "look_up x"] == 1

    async def test_the_next_turn_of_the_thread_and_a_fork_have_them(self, host: OrisHost, thread: str) -> None:
        agent = deep(write(1, "a", "first"), "Written.", call(2, "read_file", path="a"), "Read.")
        await host.start(agent, {"messages": ["write"]}, thread)
        second = await host.start(agent, {"messages": ["read"]}, thread)
        assert told(second.values)[-1] == "     1\tfirst"
        before = next(item for item in await host.history(agent, thread) if item.next == ["tools"])
        _, forked = await host.fork(agent, thread, before.checkpoint_id, {"files": {"/a": "forked"}})
        assert told(forked.values)[-1] == "     1\tforked"

    async def test_a_tool_node_of_any_graph_does_the_same(self, host: OrisHost, thread: str) -> None:
        class Chat(MessagesState, FilesState):
            """A conversation with files."""

        calls = turn(edit(1, "a", "a", "A"), edit(2, "a", "b", "B"), call(3, "look_up", what="x"))
        tools = ToolNode([*file_tools(StateBackend()), look_up])
        graph = StateGraph(Chat).add_node("tools", tools).add_edge(START, "tools").add_edge("tools", END)
        done = await host.start(graph.compile(name="chat"), {"messages": [calls], "files": {"a": "ab"}}, thread)
        assert done.values["files"] == {"a": "AB"}
        assert told(done.values)[-1] == "x is a bird"

    async def test_large_results_are_files(self, host: OrisHost, thread: str) -> None:
        agent = deep(
            call(1, "dump", lines=20_000), call(2, "grep", query="line 19999", mode="count"), "Long.", tools=[dump]
        )
        done = await host.start(agent, {"messages": ["go"]}, thread)
        [path] = done.values["files"]
        assert path.startswith("large_results/")
        assert len(told(done.values)[0]) < 3_000
        assert told(done.values)[1] == f"{path}: 1"


class TestOtherBackends:
    async def test_by_the_prefix_of_a_path(self, host: OrisHost, thread: str, tmp_path: Path) -> None:
        store = InMemoryStore()
        routes = {"memories/": StoreBackend(), "repo/": WorkspaceBackend(tmp_path)}
        agent = deep(
            turn(write(1, "plan.md", "p"), write(2, "memories/ada.md", "m"), write(3, "repo/main.py", "r")),
            turn(
                *(edit(number, "memories/ada.md", old, new) for number, old, new in ((4, "m", "mn"), (5, "mn", "mno"))),
                edit(6, "plan.md", "p", "q"),
                call(7, "glob", pattern="*"),
            ),
            call(8, "glob", pattern="*"),
            call(9, "read_file", path="memories/ada.md"),
            "Done.",
            backend=CompositeBackend(StateBackend(), routes),
            store=store,
        )
        done = await host.start(agent, {"messages": ["go"]}, thread)
        assert done.values["files"] == {"plan.md": "q"}
        assert (tmp_path / "main.py").read_text() == "r"
        assert told(done.values)[-2:] == ["memories/ada.md\nplan.md\nrepo/main.py", "     1\tmno"]

        other = deep(call(1, "read_file", path="ada.md"), "Done.", backend=StoreBackend(), store=store)
        second = await host.start(other, {"messages": ["read"]}, f"{thread}-2")
        assert told(second.values) == ["     1\tmno"]

    async def test_files_of_whoever_asks(self, host: OrisHost, thread: str) -> None:
        class User(TypedDict):
            user: str

        backend = StoreBackend(lambda runtime: ("files", runtime.context["user"]))
        agent = deep(
            write(1, "a", "x"), call(2, "ls"), "Done.", backend=backend, store=InMemoryStore(), context_schema=User
        )
        ada = await host.start(agent, {"messages": ["go"]}, thread, Options(context={"user": "ada"}))
        assert told(ada.values)[-1] == "a (1 bytes)"
        lister = create_agent(
            fake_model(call(1, "ls"), "Done.", name="lister"),
            name="lister",
            middleware=[FilesMiddleware(backend)],
            store=InMemoryStore(),
        )
        bob = await host.start(lister, {"messages": ["go"]}, f"{thread}-2", Options(context={"user": "bob"}))
        assert told(bob.values) == ["The directory is empty."]


class TestSubagents:
    async def test_b17_the_chosen_one_has_its_own_conversation_and_the_same_files(
        self, host: OrisHost, thread: str
    ) -> None:
        critic = fake_model(
            call(1, "read_file", path="draft.md"), write(2, "review.md", "Good."), "Reviewed.", name="critic"
        )
        agent = deep(
            write(1, "draft.md", "Storks."),
            call(2, "task", description="Review draft.md", subagent_type="critic"),
            call(3, "read_file", path="review.md"),
            "Done.",
            subagents={"critic": SubAgent(description="Finds mistakes.", model=critic, tools=[])},
        )
        done = await host.start(agent, {"messages": ["go"]}, thread)
        assert told(done.values) == ["draft.md has 1 line now.", "Reviewed.", "     1\tGood."]
        assert done.values["files"] == {"draft.md": "Storks.", "review.md": "Good."}

    async def test_what_several_write_at_once_is_all_kept(self, host: OrisHost, thread: str) -> None:
        def writer(name: str) -> SubAgent:
            model = fake_model(
                turn(edit(1, "list.md", "-", f"- {name}"), write(2, f"{name}.md", name)), f"{name} done.", name=name
            )
            return SubAgent(description=name, model=model, tools=[])

        agent = deep(
            turn(
                *(
                    call(number, "task", description="add", subagent_type=name)
                    for number, name in enumerate(("one", "two"))
                ),
                call(3, "read_file", path="list.md"),
            ),
            "Done.",
            subagents={"one": writer("one"), "two": writer("two")},
        )
        done = await host.start(agent, {"messages": ["go"], "files": {"list.md": "-"}}, thread)
        assert done.values["files"] == {"list.md": "- one", "list-2.md": "- two", "one.md": "one", "two.md": "two"}
        first, second, third = told(done.values)
        assert first == "one done."
        assert second.startswith("two done.\n\nlist.md was changed by another call of this turn as well;")
        assert "list-2.md" in second
        assert third == "     1\t- one"

    async def test_b33_what_a_person_looks_at_is_looked_at_in_subagents_too(self, host: OrisHost, thread: str) -> None:
        model = fake_model(call(1, "look_up", what="stork"), "A bird.", name="helper")
        agent = deep(
            call(1, "task", description="stork?", subagent_type="helper"),
            "Done.",
            tools=[look_up],
            subagents={"helper": SubAgent(description="Helps.", model=model)},
            interrupt_on={"look_up": True},
        )
        waiting = await host.start(agent, {"messages": ["go"]}, thread)
        assert waiting.asks[0].value["action_requests"] == [{"name": "look_up", "args": {"what": "stork"}}]
        done = await host.resume(agent, thread, {"decisions": [{"type": "approve"}]})
        assert told(done.values) == ["A bird."]
        assert ran[thread, "look_up stork"] == 1

    def test_what_is_looked_at_may_be_a_tool_of_any_of_them(self) -> None:
        helper = SubAgent(description="Helps.", tools=[look_up])
        deep("x", subagents={"helper": helper}, interrupt_on={"look_up": True, "task": True, "write_file": True})
        with pytest.raises(GraphCompileError, match=r"interrupt_on\['lookup'\]"):
            deep("x", subagents={"helper": helper}, interrupt_on={"lookup": True})

    async def test_the_general_purpose_one_is_the_agent_without_subagents(self, host: OrisHost, thread: str) -> None:
        watch = Watch()
        agent = deep(
            call(1, "task", description="do it", subagent_type="general-purpose"),
            "Done.",
            system_prompt="Be brief.",
            middleware=[watch],
        )
        done = await host.start(agent, {"messages": ["go"]}, thread)
        assert told(done.values) == ["Done."]
        offered = {tuple(sorted(item.name for item in made.tools)) for made in watch.calls}
        assert {"task" in names for names in offered} == {True, False}
        assert all(
            made.system_prompt is not None and made.system_prompt.startswith("Be brief.") for made in watch.calls
        )


class TestDescriptions:
    async def test_models_are_told_others(self, host: OrisHost, thread: str, tmp_path: Path) -> None:
        watch = Watch()
        agent = deep(
            call(1, "task", description="do it", subagent_type="general-purpose"),
            "Done.",
            backend=tmp_path,
            middleware=[watch],
            tool_descriptions={"ls": "Look around.", "task": "Delegate."},
        )
        done = await host.start(agent, {"messages": ["go"]}, thread)
        assert done.status == "completed"
        told = [{tool.name: tool.spec.description for tool in made.tools} for made in watch.calls]
        assert {texts["ls"] for texts in told} == {"Look around."}
        assert told[0]["task"] == "Delegate."

    def test_of_a_tool_that_is_not_there(self) -> None:
        with pytest.raises(GraphCompileError, match=r"tool_descriptions\['list'\]"):
            deep("x", tool_descriptions={"list": "Look around."})


class TestSummaries:
    async def test_a_long_conversation_is_summed_up(self, host: OrisHost, thread: str) -> None:
        last = [f"m{n}" for n in range(6)]
        given = [Message.system("Be kind."), "x" * 1_000, "x" * 1_000, *last]
        done = await host.start(deep("Short.", summarize_after=300), {"messages": given}, thread)
        assert texts(done.values) == [
            ("system", "Be kind."),
            ("human", "The conversation so far, summed up:\nShort."),
            *(("human", text) for text in last),
            ("ai", "Short."),
        ]

    async def test_a_subagents_too(self, host: OrisHost, thread: str) -> None:
        helper = fake_model(
            turn(call(1, "dump", lines=200), call(2, "dump", lines=200)),
            turn(*(call(n, "dump", lines=1) for n in range(3, 9))),
            "Dumped.",
            name="helper",
        )
        agent = deep(
            call(1, "task", description="dump", subagent_type="helper"),
            "Done.",
            tools=[dump],
            subagents={"helper": SubAgent(description="Dumps.", model=helper)},
            summarize_after=500,
        )
        done = await host.start(agent, {"messages": ["go"]}, thread)
        # Its three answers, the summary, and the second answer again: scripts count the answers that are left.
        assert (told(done.values), done.usage["fake:helper"].calls) == (["Dumped."], 5)

    async def test_or_is_left_as_it_is(self, host: OrisHost, thread: str) -> None:
        agent = deep("Short.", summarize_after=None)
        done = await host.start(agent, {"messages": ["x" * 2_000, *(f"m{n}" for n in range(8))]}, thread)
        assert len(done.values["messages"]) == 10


class TestSkillsAndMemory:
    async def test_both_are_in_the_system_prompt_and_memory_can_be_changed(
        self, host: OrisHost, thread: str, tmp_path: Path
    ) -> None:
        (tmp_path / "baking").mkdir()
        (tmp_path / "baking/SKILL.md").write_text("---\nname: baking\ndescription: How to bake.\n---\nKnead.")
        watch = Watch()
        agent = deep(
            call(1, "load_skill", name="baking"),
            edit(2, "AGENTS.md", "tea", "coffee"),
            "Noted.",
            "Coffee.",
            system_prompt="Be brief.",
            skills=tmp_path,
            memory=["/AGENTS.md", "memory/more.md"],
            middleware=[watch],
        )
        first = await host.start(agent, {"messages": ["go"], "files": {"AGENTS.md": "Ada likes tea."}}, thread)
        assert told(first.values)[0] == "Knead."
        prompt = watch.calls[0].system_prompt or ""
        order = ["Be brief.", "write_todos", "You have files", "- baking: How to bake.", "## Memory", "Ada likes tea."]
        assert [prompt.index(part) for part in order] == sorted(prompt.index(part) for part in order)
        assert "### memory/more.md\n(not there yet)" in prompt
        assert "read_memory" not in {item.name for item in watch.calls[0].tools}

        await host.start(agent, {"messages": ["what does she like?"]}, thread)
        assert any("Ada likes coffee." in (made.system_prompt or "") for made in watch.calls)

    async def test_memory_of_a_store_is_known_to_other_threads(self, host: OrisHost, thread: str) -> None:
        watch = Watch()
        agent = deep(
            write(1, "AGENTS.md", "Ada likes tea."),
            "Noted.",
            memory=["AGENTS.md"],
            backend=StoreBackend(),
            store=InMemoryStore(),
            middleware=[watch],
        )
        await host.start(agent, {"messages": ["I like tea."]}, thread)
        second = await host.start(agent, {"messages": ["Hello"]}, f"{thread}-2")
        assert second.values["memory"] == {"AGENTS.md": "Ada likes tea."}
        prompts = {made.system_prompt or "" for made in watch.calls}
        assert {"Ada likes tea." in prompt for prompt in prompts} == {False, True}
