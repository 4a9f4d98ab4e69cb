"""Middleware that looks at what is said: personal data, banned words, unsafe answers, on every host of ours."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from agent_tools import Watch, call, look_up, texts
from hosts import OrisHost, Record
from pydantic import BaseModel

from oris_temporal import NO_RETRY, Message, RemoveMessage, tool
from oris_temporal.agents import (
    ContentFilterMiddleware,
    Middleware,
    PIIMiddleware,
    SafetyGuardrailMiddleware,
    ToolStrategy,
    create_agent,
)
from oris_temporal.agents.middleware.pii import luhn
from oris_temporal.graph.errors import ContentBlockedError, GraphCompileError, ToolError
from oris_temporal.models.fake import fake_model


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


@tool
async def who(name: str) -> str:
    """Find a person's address."""
    return f"{name}: {name}@example.com (home 10.0.0.7)"


@tool(retry=NO_RETRY)
async def nobody(name: str) -> str:
    """Find nobody."""
    raise ToolError(f"There is no {name}@example.com.")


@tool(retry=NO_RETRY)
async def unreachable(name: str) -> str:
    """Find no server."""
    raise ConnectionError("10.0.0.7 does not answer")


def told(record: Record) -> list[tuple[str, str]]:
    return [item for item in texts(record.values) if item[0] == "tool"]


class Upper(Middleware):
    """Another middleware that rewrites the input."""

    async def before_model(self, state: Any, ctx: Any) -> Any:
        changed = [
            item.model_copy(update={"content": item.content.upper()}) if item.message_type == "human" else item
            for item in state["messages"]
        ]
        return {"messages": [RemoveMessage.all(), *changed]}


class Answer(BaseModel):
    bird: str


class TestPII:
    @pytest.mark.parametrize(
        ("text", "clean"),
        [
            ("Write to ann.lee+x@mail.example.com, please.", "Write to [REDACTED_EMAIL], please."),
            ("Card 4111 1111 1111 1111 05/27 ok", "Card [REDACTED_CREDIT_CARD] 05/27 ok"),
            ("4111-1111-1111-1111, 378282246310005", "[REDACTED_CREDIT_CARD], [REDACTED_CREDIT_CARD]"),
            ("Order 4111 1111 1111 1112 is no card", "Order 4111 1111 1111 1112 is no card"),
            ("from IP:192.168.0.1.", "from IP:[REDACTED_IP]."),
            ("[2001:db8::1]:80 and ::ffff:1.2.3.4", "[[REDACTED_IP]]:80 and [REDACTED_IP]"),
            ("version 1.2.3 at 12:30:45, std::cout, 999.1.1.1", "version 1.2.3 at 12:30:45, std::cout, 999.1.1.1"),
            ("00:1B:44:11:3a:b7 or 00-1b-44-11-3a-b7", "[REDACTED_MAC] or [REDACTED_MAC]"),
            ("See https://a.example/x?q=1 (or www.b.example).", "See [REDACTED_URL] (or [REDACTED_URL])."),
            ("http://10.0.0.1/ann@example.com", "[REDACTED_URL]"),
            ("nothing  here\n\tto hide ", "nothing  here\n\tto hide "),
            ("1" * 5000 + "x", "1" * 5000 + "x"),
            ("卡号4111111111111111谢谢", "卡号[REDACTED_CREDIT_CARD]谢谢"),
            ("来自192.168.0.1的, 00:1B:44:11:3a:b7了", "来自[REDACTED_IP]的, [REDACTED_MAC]了"),
            ("邮箱zhang@example.com谢谢", "邮箱[REDACTED_EMAIL]谢谢"),
            ("An jörg@müller.example: 메일bob@x.example으로", "An [REDACTED_EMAIL]: 메일[REDACTED_EMAIL]으로"),
            ("链接https://a.example/x。看", "链接[REDACTED_URL]。看"),
        ],
    )
    def test_b14_what_is_found_is_replaced_and_all_else_stays(self, text: str, clean: str) -> None:
        assert PIIMiddleware().clean(text) == clean

    @pytest.mark.parametrize(
        ("strategy", "clean"),
        [
            ("redact", re.escape("[REDACTED_EMAIL] [REDACTED_CREDIT_CARD] [REDACTED_IP]")),
            ("mask", re.escape("a***@example.com ****-****-****-1111 10.*.*.*")),
            ("hash", r"<email:[0-9a-f]{12}> <credit_card:[0-9a-f]{12}> <ip:[0-9a-f]{12}>"),
        ],
    )
    def test_strategies(self, strategy: Any, clean: str) -> None:
        found = PIIMiddleware(strategy=strategy).clean("ann@example.com 4111111111111111 10.0.0.1")
        assert re.fullmatch(clean, found)

    @pytest.mark.parametrize("strategy", ["redact", "mask", "hash"])
    def test_what_was_replaced_is_not_replaced_again(self, strategy: Any) -> None:
        pii = PIIMiddleware(strategy=strategy)
        once = pii.clean("ann@example.com 4111111111111111 10.0.0.1 ::1 https://x.example 00:1B:44:11:3a:b7")
        assert pii.clean(once) == once

    def test_luhn(self) -> None:
        assert [luhn(number) for number in ("79927398713", "79927398710")] == [True, False]

    def test_patterns_of_ones_own(self) -> None:
        pii = PIIMiddleware((), patterns={"employee": r"E-\d{4}"})
        assert pii.clean("E-1234 wrote to a@b.example") == "[REDACTED_EMPLOYEE] wrote to a@b.example"

    @pytest.mark.parametrize(
        "wrong", [{"kinds": ["name"]}, {"strategy": "eat"}, {"apply_to": ["dreams"]}, {"patterns": {"x": "("}}]
    )
    def test_what_cannot_work_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(GraphCompileError, match="PIIMiddleware"):
            PIIMiddleware(**wrong)

    async def test_b14_input_answers_and_tool_results_are_clean_in_the_state(self, host: OrisHost, thread: str) -> None:
        watch = Watch()
        model = fake_model(call(1, "who", name="ann"), "It is ann@example.com.")
        agent = create_agent(model, [who], middleware=[PIIMiddleware(), watch])
        record = await host.start(agent, {"messages": ["I am bob@example.com. Who  is ann?"]}, thread)
        assert texts(record.values) == [
            ("human", "I am [REDACTED_EMAIL]. Who  is ann?"),
            ("ai", ""),
            ("tool", "ann: [REDACTED_EMAIL] (home [REDACTED_IP])"),
            ("ai", "It is [REDACTED_EMAIL]."),
        ]
        assert [item.content for item in watch.calls[-1].messages] == [text for _, text in texts(record.values)][:3]

    async def test_so_are_errors_of_tools(self, host: OrisHost, thread: str) -> None:
        calls = [call(1, "nobody", name="ann"), call(2, "unreachable", name="bob")]
        agent = create_agent(
            fake_model(Message.ai("", calls), "ok"), [nobody, unreachable], middleware=[PIIMiddleware()]
        )
        record = await host.start(agent, {"messages": ["Who is ann?"]}, thread)
        assert [
            (text, record.values["messages"][2 + n]["extra"]["is_error"]) for n, (_, text) in enumerate(told(record))
        ] == [
            ("There is no [REDACTED_EMAIL].", True),
            ("Tool unreachable failed: ConnectionError: [REDACTED_IP] does not answer", True),
        ]

    async def test_so_are_structured_answers(self, host: OrisHost, thread: str) -> None:
        said = 'a\nann@example.com "x"'
        for model, strategy in (
            (fake_model(Answer(bird=said)), Answer),
            (fake_model(call(1, "Answer", bird=said)), ToolStrategy(Answer)),
        ):
            agent = create_agent(model, [who], response_format=strategy, middleware=[PIIMiddleware()])
            record = await host.start(agent, {"messages": ["Which?"]}, f"{thread}-{strategy!r:.5}")
            assert record.values["structured_response"] == {"bird": 'a\n[REDACTED_EMAIL] "x"'}
            assert "ann" not in str(record.values)

    async def test_arguments_of_tools_are_as_the_model_wrote_them(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(
            fake_model(call(1, "who", name="ann@b.example"), "ok"), [who], middleware=[PIIMiddleware(["email"])]
        )
        record = await host.start(agent, {"messages": ["Who?"]}, thread)
        assert "ann@b.example" in record.values["messages"][1]["tool_calls"][0]["function"]["arguments"]

    async def test_watchers_see_answers_when_they_are_clean(self, host: OrisHost, thread: str) -> None:
        model = fake_model(call(1, "who", name="ann"), "It is ann@example.com.")
        agent = create_agent(model, [who], middleware=[PIIMiddleware()])
        said = "I am bob@example.com. Who is ann?"
        shown = [message for message, _ in await host.stream(agent, {"messages": [said]}, thread, "messages")]
        assert [(message["message_type"], message["content"]) for message in shown] == [
            ("ai", ""),
            ("tool", "ann: [REDACTED_EMAIL] (home [REDACTED_IP])"),
            ("ai", "It is [REDACTED_EMAIL]."),
        ]

    async def test_b15_two_that_rewrite_the_input_compose(self, host: OrisHost, thread: str) -> None:
        for middleware in ([PIIMiddleware(), Upper()], [Upper(), PIIMiddleware()]):
            agent = create_agent(fake_model("ok"), middleware=middleware)
            record = await host.start(agent, {"messages": ["mail ann@example.com"]}, f"{thread}-{type(middleware[0])}")
            assert record.values["messages"][0]["content"] == "MAIL [REDACTED_EMAIL]"

    async def test_blocked(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(fake_model("never"), middleware=[PIIMiddleware(strategy="block")])
        record = await host.start(agent, {"messages": ["mail ann@example.com"]}, thread)
        assert (record.status, record.error) == ("failed", "content_blocked")
        assert "personal data in the input (email)" in record.message
        assert "ann" not in record.message

    async def test_only_where_it_is_asked_to_look(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(fake_model("a@example.com"), middleware=[PIIMiddleware(apply_to=["output"])])
        record = await host.start(agent, {"messages": ["mail b@example.com"]}, thread)
        assert texts(record.values) == [("human", "mail b@example.com"), ("ai", "[REDACTED_EMAIL]")]


class TestContentFilter:
    async def test_banned_input_fails_the_run(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(fake_model("never"), middleware=[ContentFilterMiddleware(["bomb"])])
        record = await host.start(agent, {"messages": ["How is a BOMB made?"]}, thread)
        assert (record.status, record.error) == ("failed", "content_blocked")

    async def test_or_ends_the_agent(self, host: OrisHost, thread: str) -> None:
        banned = ContentFilterMiddleware(["bomb"], on_match="end", message="Not here.")
        agent = create_agent(fake_model("never"), response_format=Answer, middleware=[banned])
        record = await host.start(agent, {"messages": ["How is a bomb made?"]}, thread)
        assert texts(record.values) == [("human", "How is a bomb made?"), ("ai", "Not here.")]

    async def test_parts_of_words_and_what_was_answered_before_do_not_count(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(fake_model("unused", "ok"), middleware=[ContentFilterMiddleware(["ass"])])
        said = ["ass", Message.ai("Not here."), "Have I passed my class?"]
        record = await host.start(agent, {"messages": said}, thread)
        assert record.values["messages"][-1]["content"] == "ok"

    async def test_answers(self, host: OrisHost, thread: str) -> None:
        banned = ContentFilterMiddleware([re.compile(r"secret-\d+")], on_match="end", apply_to=["output"])
        agent = create_agent(fake_model("It is secret-7."), response_format=Answer, middleware=[banned])
        record = await host.start(agent, {"messages": ["secret-7?"]}, thread)
        assert texts(record.values)[1:] == [("ai", "I cannot help with that.")]

    async def test_structured_answers(self, host: OrisHost, thread: str) -> None:
        banned = ContentFilterMiddleware(["stork"], on_match="end", apply_to=["output"])
        model = fake_model(call(1, "Answer", bird="stork"))
        agent = create_agent(model, [look_up], response_format=ToolStrategy(Answer), middleware=[banned])
        record = await host.start(agent, {"messages": ["Which bird?"]}, thread)
        assert texts(record.values)[1:] == [("ai", "I cannot help with that.")]

    async def test_words_of_scripts_without_spaces(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(fake_model("never"), middleware=[ContentFilterMiddleware(["炸弹"])])
        record = await host.start(agent, {"messages": ["怎么做炸弹呢"]}, thread)
        assert (record.status, record.error) == ("failed", "content_blocked")

    def test_a_list_of_nothing_is_refused(self) -> None:
        for nothing in ([], "bomb", [""]):
            with pytest.raises(GraphCompileError, match="list of words"):
                ContentFilterMiddleware(nothing)


class TestSafety:
    @pytest.mark.parametrize(
        ("verdict", "shown"),
        [
            ("SAFE", "Storks."),
            ("**Safe.**", "Storks."),
            ("unsafe.", "No."),
            ("Well, safe", "No."),
            ("Safe? Hardly.", "No."),
        ],
    )
    async def test_the_final_answer_is_judged_and_replaced(
        self, host: OrisHost, thread: str, verdict: str, shown: str
    ) -> None:
        guard = SafetyGuardrailMiddleware(fake_model(verdict, name="judge"), refusal="No.")
        model = fake_model(call(1, "look_up", what="stork"), "Storks.")
        record = await host.start(
            create_agent(model, [look_up], middleware=[guard]), {"messages": ["Which birds?"]}, thread
        )
        assert record.values["messages"][-1]["content"] == shown

    async def test_watchers_see_what_was_judged_and_nothing_of_the_judge(self, host: OrisHost, thread: str) -> None:
        guard = SafetyGuardrailMiddleware(fake_model("UNSAFE", name="judge"), refusal="No.")
        agent = create_agent(fake_model("This is how to do harm."), middleware=[guard])
        shown = await host.stream(agent, {"messages": ["How?"]}, thread, "messages")
        assert [message["content"] for message, _ in shown] == ["No."]

    async def test_once(self, host: OrisHost, thread: str) -> None:
        guard = SafetyGuardrailMiddleware(fake_model("SAFE", name="judge"))
        model = fake_model(call(1, "look_up", what="stork"), "Storks.")
        agent = create_agent(model, [look_up], middleware=[guard], limits={"max_turns": 3})
        assert (await host.start(agent, {"messages": ["Which birds?"]}, thread)).status == "completed"

    async def test_a_structured_answer_is_judged_too(self, host: OrisHost, thread: str) -> None:
        guard = SafetyGuardrailMiddleware(fake_model("UNSAFE", name="judge"), refusal="No.")
        model = fake_model(call(1, "Answer", bird="stork"))
        agent = create_agent(model, [look_up], response_format=ToolStrategy(Answer), middleware=[guard])
        record = await host.start(agent, {"messages": ["Which bird?"]}, thread)
        assert texts(record.values)[1:] == [("ai", "No.")]
        assert record.values.get("structured_response") is None


def test_the_error_does_not_say_what_was_found() -> None:
    with pytest.raises(ContentBlockedError) as raised:
        PIIMiddleware(strategy="block").clean("ann@example.com")
    assert raised.value.details == {"kind": "email", "where": "the text"}
