"""Middleware that changes what a model is told and given, on every host of ours."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from agent_tools import Watch, call, delete, flaky, look_up, texts
from effects import ran
from hosts import OrisHost
from pydantic import BaseModel

from oris_temporal import Message, ToolCall
from oris_temporal.agents import (
    DynamicModelMiddleware,
    DynamicPromptMiddleware,
    DynamicResponseFormatMiddleware,
    DynamicToolsMiddleware,
    LoggingMiddleware,
    MessageInjectionMiddleware,
    RetryMiddleware,
    SkillsMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    ToolStrategy,
    create_agent,
)
from oris_temporal.graph.errors import GraphCompileError, InvalidUpdateError, OrisError
from oris_temporal.models.fake import fake_model


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


class Bird(BaseModel):
    bird: str


class Fish(BaseModel):
    fish: str


class TestDynamic:
    async def test_b31_the_prompt(self, host: OrisHost, thread: str) -> None:
        async def prompt(call: Any) -> str:
            return f"{call.system_prompt} Thread {call.ctx.thread_id}."

        watch = Watch()
        agent = create_agent(
            fake_model("ok"), system_prompt="Be brief.", middleware=[DynamicPromptMiddleware(prompt), watch]
        )
        await host.start(agent, {"messages": ["Hi"]}, thread)
        assert watch.calls[-1].system_prompt == f"Be brief. Thread {thread}."

    async def test_b31_the_model(self, host: OrisHost, thread: str) -> None:
        better = fake_model("from the better one", name="better")
        chosen = DynamicModelMiddleware(lambda call: better if len(call.messages) > 1 else "fake:echo")
        agent = create_agent(fake_model("never"), middleware=[chosen])
        short = await host.start(agent, {"messages": ["Hi"]}, f"{thread}-1")
        long = await host.start(agent, {"messages": ["Hi", "there"]}, f"{thread}-2")
        assert [record.values["messages"][-1]["content"] for record in (short, long)] == ["Hi", "from the better one"]

    async def test_b13_tools_that_are_left_out_are_neither_offered_nor_called(
        self, host: OrisHost, thread: str
    ) -> None:
        watch = Watch()
        chosen = DynamicToolsMiddleware(lambda call: ["look_up", "unknown"])
        agent = create_agent(
            fake_model(call(1, "delete", path="a"), "ok"), [look_up, delete], middleware=[chosen, watch]
        )
        record = await host.start(agent, {"messages": ["Hi"]}, thread)
        assert record.values["messages"][2]["content"] == "There is no tool 'delete'; there are look_up."
        assert ran[thread, "delete a"] == 0
        assert [tool.name for tool in watch.calls[-1].tools] == ["look_up"]

    @pytest.mark.parametrize("by_tool", [False, True])
    async def test_b31_the_response_format(self, host: OrisHost, thread: str, by_tool: bool) -> None:
        chosen = DynamicResponseFormatMiddleware(
            lambda call: (ToolStrategy(Fish) if by_tool else Fish) if "swims" in call.messages[0].content else Bird
        )
        fish = ToolCall("call-1", "Fish", {"fish": "carp"}) if by_tool else Fish(fish="carp")
        agent = create_agent(fake_model(fish), response_format=Bird | Fish, middleware=[chosen])
        record = await host.start(agent, {"messages": ["What swims?"]}, thread)
        assert record.values["structured_response"] == {"fish": "carp"}

    async def test_a_response_format_for_an_agent_without_one(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(
            fake_model("a bird", Bird(bird="stork")), middleware=[DynamicResponseFormatMiddleware(lambda call: Bird)]
        )
        record = await host.start(agent, {"messages": ["What flies?"]}, thread)
        assert record.values["structured_response"] == {"bird": "stork"}
        assert len(record.values["messages"]) == 4  # it was asked again

    async def test_text_in_place_of_the_response_format(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(
            fake_model("a bird"), response_format=Bird, middleware=[DynamicResponseFormatMiddleware(lambda call: None)]
        )
        record = await host.start(agent, {"messages": ["What flies?"]}, thread)
        assert texts(record.values)[1:] == [("ai", "a bird")]

    def test_their_functions_are_linted(self) -> None:
        def prompt(call: Any) -> str:
            import time

            return f"It is {time.time()}."

        with pytest.raises(OrisError, match=r"time\(\)"):
            create_agent(fake_model("x"), middleware=[DynamicPromptMiddleware(prompt)])


class TestInjection:
    @pytest.mark.parametrize(
        ("position", "seen"),
        [
            ("beginning", ["note", "Hi", "", "x is a bird"]),
            ("before_last", ["Hi", "note", "", "x is a bird"]),
            ("end", ["Hi", "", "x is a bird", "note"]),
        ],
    )
    async def test_the_model_sees_them_and_the_state_does_not(
        self, host: OrisHost, thread: str, position: Any, seen: list[str]
    ) -> None:
        watch = Watch()
        injected = MessageInjectionMiddleware([("system", "note")], position=position)
        agent = create_agent(fake_model(call(1, "look_up", what="x"), "ok"), [look_up], middleware=[injected, watch])
        record = await host.start(agent, {"messages": ["Hi"]}, thread)
        assert [item.content for item in watch.calls[-1].messages] == seen
        assert len(record.values["messages"]) == 4

    async def test_made_for_the_call(self, host: OrisHost, thread: str) -> None:
        watch = Watch()
        injected = MessageInjectionMiddleware(lambda call: [f"{len(call.messages)} so far"], position="end")
        await host.start(create_agent(fake_model("ok"), middleware=[injected, watch]), {"messages": ["Hi"]}, thread)
        assert watch.calls[-1].messages[-1].content == "1 so far"

    def test_what_cannot_work_is_refused(self) -> None:
        with pytest.raises(GraphCompileError, match="position='middle'"):
            MessageInjectionMiddleware(["x"], position="middle")  # type: ignore[arg-type]
        with pytest.raises(InvalidUpdateError):
            MessageInjectionMiddleware([42])


class TestTodoList:
    async def test_the_list_is_in_the_state_and_shown_to_the_model(self, host: OrisHost, thread: str) -> None:
        watch = Watch()
        todos = [{"title": "read", "status": "done"}, {"title": "write", "status": "in_progress", "id": "w"}]
        agent = create_agent(
            fake_model(call(1, "write_todos", todos=todos), "ok"), middleware=[TodoListMiddleware(), watch]
        )
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert record.values["todos"] == [{**todos[0], "id": None}, todos[1]]
        assert record.values["messages"][2]["content"] == "The list: 1 done, 1 in_progress."
        prompt = watch.calls[-1].system_prompt or ""
        assert "write_todos" in prompt
        assert prompt.endswith("- [done] read\n- [in_progress] write (id w)")

    async def test_several_lists_of_one_turn(self, host: OrisHost, thread: str) -> None:
        asked = [call(n, "write_todos", todos=[{"title": f"t{n}", "status": "pending"}]) for n in range(2)]
        agent = create_agent(fake_model(Message.ai("", asked), "ok"), middleware=[TodoListMiddleware()])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert [item["title"] for item in record.values["todos"]] == ["t1"]

    async def test_an_unknown_status_is_told_the_model(self, host: OrisHost, thread: str) -> None:
        asked = call(1, "write_todos", todos=[{"title": "x", "status": "someday"}])
        agent = create_agent(fake_model(asked, "ok"), middleware=[TodoListMiddleware()])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert "status" in record.values["messages"][2]["content"]


@pytest.fixture
def skills(tmp_path: Path) -> Path:
    birds = tmp_path / "skills" / "birds"
    birds.mkdir(parents=True)
    (birds / "SKILL.md").write_text(
        '---\nname: birds\ndescription: "Use it for\n  storks: all of them."\n---\n\nLook up.\n'
    )
    (birds / "list.md").write_text("stork, heron")
    (tmp_path / "secret.md").write_text("secret")
    (birds / "link.md").symlink_to(tmp_path / "secret.md")
    return tmp_path / "skills"


class TestSkills:
    async def test_they_are_listed_and_loaded(self, host: OrisHost, thread: str, skills: Path) -> None:
        watch = Watch()
        asked = [call(1, "load_skill", name="birds"), call(2, "load_skill", name="birds", file="list.md")]
        agent = create_agent(fake_model(Message.ai("", asked), "ok"), middleware=[SkillsMiddleware(skills), watch])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert [text for _, text in texts(record.values)][2:4] == ["Look up.", "stork, heron"]
        assert "- birds: Use it for storks: all of them." in (watch.calls[0].system_prompt or "")

    @pytest.mark.parametrize("file", ["../../secret.md", "/etc/passwd", "link.md", "..", "nothing.md", "a\0b"])
    async def test_nothing_else_can_be_read(self, host: OrisHost, thread: str, skills: Path, file: str) -> None:
        asked = call(1, "load_skill", name="birds", file=file)
        agent = create_agent(fake_model(asked, "ok"), middleware=[SkillsMiddleware(skills)])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert record.values["messages"][2]["content"] == f"Skill 'birds' has no file {file!r}."

    async def test_an_unknown_skill(self, host: OrisHost, thread: str, skills: Path) -> None:
        agent = create_agent(
            fake_model(call(1, "load_skill", name="../birds"), "ok"), middleware=[SkillsMiddleware(skills)]
        )
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert record.values["messages"][2]["content"] == "There is no skill '../birds'; there are birds."

    def test_agents_with_the_same_skills_share_the_tool(self, skills: Path) -> None:
        assert SkillsMiddleware(skills).tools == SkillsMiddleware(str(skills)).tools

    def test_a_skill_without_a_name_is_refused(self, skills: Path, tmp_path: Path) -> None:
        (skills / "SKILL.md").write_text("just text")
        with pytest.raises(GraphCompileError, match="needs a name"):
            SkillsMiddleware(skills)
        with pytest.raises(GraphCompileError, match="no directory"):
            SkillsMiddleware(tmp_path / "nothing")
        (tmp_path / "empty").mkdir()
        with pytest.raises(GraphCompileError, match=r"has a SKILL\.md"):
            SkillsMiddleware(tmp_path / "empty")


class TestSummarization:
    def agent(self, watch: Watch, turns: int, **options: Any) -> Any:
        model = fake_model(*(call(n, "look_up", what=str(n)) for n in range(turns)), "done")
        writer = fake_model("Birds were looked up.", name="writer")
        return create_agent(model, [look_up], middleware=[SummarizationMiddleware(writer, **options), watch])

    async def test_the_older_part_becomes_a_summary_once(self, host: OrisHost, thread: str) -> None:
        watch = Watch()
        said = [Message.human(f"m{n}") for n in range(9)]
        record = await host.start(self.agent(watch, 2, max_messages=8, keep=3), {"messages": said}, thread)
        found = texts(record.values)
        assert found[0] == ("human", "The conversation so far, summed up:\nBirds were looked up.")
        assert [text for _, text in found[1:4]] == ["m6", "m7", "m8"]
        assert found[-1] == ("ai", "done")
        assert len(found) == 9
        assert sum("summed up" in text for _, text in found) == 1

    async def test_a_call_stays_with_its_results(self, host: OrisHost, thread: str) -> None:
        said: list[Any] = [f"m{n}" for n in range(8)]
        asked = [call(n, "look_up", what=str(n)) for n in range(3)]
        said += [Message.ai("", asked), *(Message.tool(str(n), f"call-{n}") for n in range(3))]
        watch = Watch()
        agent = create_agent(
            fake_model("unused", "done"),
            middleware=[SummarizationMiddleware(fake_model("Short.", name="w"), max_messages=8, keep=2), watch],
        )
        record = await host.start(agent, {"messages": said}, thread)
        assert [kind for kind, _ in texts(record.values)] == ["human", "ai", "tool", "tool", "tool", "ai"]

    async def test_by_tokens_and_not_again_while_the_latest_alone_are_long(self, host: OrisHost, thread: str) -> None:
        writer = SummarizationMiddleware(fake_model("Short.", name="w"), max_tokens=100, keep=7)
        model = fake_model(*(call(n, "look_up", what=str(n)) for n in range(2)), "done")
        agent = create_agent(model, [look_up], middleware=[writer], limits={"max_turns": 4})
        record = await host.start(agent, {"messages": ["x" * 200, "x" * 200, *"abcdef", "y" * 500]}, thread)
        assert (record.status, texts(record.values)[0][1]) == (
            "completed",
            "The conversation so far, summed up:\nShort.",
        )

    def test_numbers_that_leave_nothing_are_refused(self) -> None:
        with pytest.raises(GraphCompileError, match="keep=10"):
            SummarizationMiddleware("fake:hello", max_messages=11)


class TestLogging:
    async def test_each_line_once(self, host: OrisHost, thread: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "agent.log")
        model = fake_model(call(1, "flaky", what="x", fails=1), "ok")
        agent = create_agent(
            model, [flaky], middleware=[RetryMiddleware(initial_interval="10ms"), LoggingMiddleware("agent.log")]
        )
        await host.start(agent, {"messages": ["my secret"]}, thread)
        records = [record for record in caplog.records if record.name == "agent.log"]
        lines = [record.getMessage().removeprefix(f"thread {thread}: agent agent ") for record in records]
        assert [line.partition(" in ")[0] for line in lines] == [
            "begins with 1 message",
            "model scripted answered",
            "tool flaky (call-1) failed: ToolError",
            "tool flaky (call-1) returned",
            "model scripted answered",
            "ends after 2 model calls",
        ]
        assert "secret" not in caplog.text
        assert {record.thread_id for record in records} == {thread}  # type: ignore[attr-defined]
