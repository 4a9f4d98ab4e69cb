"""Mistakes are said at once, each by an error of its own type, and nothing that was there is lost."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import pytest
from questions import asking
from review_graph import review
from temporal_support import Serve, event_names

from oris_temporal import (
    END,
    START,
    Command,
    CompiledGraph,
    Context,
    OrisClient,
    RunResult,
    Send,
    StateGraph,
    interrupt,
)
from oris_temporal.devserver import DevServer
from oris_temporal.graph.errors import (
    EmptyInputError,
    GraphNotFoundError,
    InvalidAnswerError,
    InvalidOptionError,
    InvalidThreadIdError,
    InvalidUpdateError,
    NodeNotFoundError,
    NoWorkerError,
    OrisError,
    PayloadTooLargeError,
    SerializationError,
    ServerUnreachableError,
    StateTooLargeError,
    StreamModeError,
    ThreadNotFoundError,
)

HUGE = "x" * 3_000_000


class Texts(TypedDict, total=False):
    text: str
    count: int


@dataclass
class Needs:
    count: int


class Log(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    count: int


@pytest.fixture(autouse=True)
async def in_bounded_time() -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    before = loop.time()
    yield
    assert loop.time() - before < 40


def after_first(fn: Callable[..., Any], **options: Any) -> CompiledGraph:
    """A good node, then one that makes trouble."""
    graph = StateGraph(Log).add_node("first", lambda state: {"log": ["first"]}).add_node("second", fn, **options)
    graph.add_edge(START, "first").add_edge("first", "second").add_edge("second", END)
    return graph.compile(name="troubled")


def assert_failed(result: RunResult, code: str, *mentions: str) -> None:
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", code), result.error
    for text in mentions:
        assert text in result.error["message"]
    assert result.values == {"log": ["first"]}  # what the good node wrote is still there


# --- graphs, workers, servers that are not there -------------------------------------------------------------------


async def test_an_unknown_graph_is_reported_and_goes_on_once_it_is_deployed(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(review):
        with pytest.raises(GraphNotFoundError, match="asking"):
            await client.run("asking", thread, {"answers": []})
    async with serve(asking("left")):
        assert (await client.result(thread)).status == "interrupted"


async def test_no_worker_is_reported_and_the_run_is_kept(client: OrisClient, serve: Serve, thread: str) -> None:
    with pytest.raises(NoWorkerError, match=client.task_queue):
        await client.run("asking", thread, {"answers": []})
    async with serve(asking("left")):
        assert (await client.result(thread)).status == "interrupted"


async def test_a_run_that_has_no_state_yet_has_a_result(client: OrisClient, serve: Serve, thread: str) -> None:
    async def count(state: Needs) -> dict[str, Any]:
        return {"count": state.count + 1}

    graph = (
        StateGraph(Needs).add_node("step", count).add_edge(START, "step").add_edge("step", END).compile(name="needs")
    )
    waiting = await client.run(graph, thread, {"count": 1}, wait="500ms")
    assert (waiting.status, waiting.state, waiting.values) == ("running", None, {})
    async with serve(graph):
        assert (await client.result(thread, graph=graph)).state == Needs(2)
        await client.run("needs", thread, {"count": "many"})
    failed = await client.result(thread, graph=graph)
    assert (failed.status, failed.state) == ("failed", None)


async def test_no_server_is_reported() -> None:
    async with DevServer(ui=False) as server:
        client = await OrisClient.connect(server.address)
    results = await asyncio.gather(
        client.run("asking", "t", {"answers": []}),
        client.start("asking", "t", {"answers": []}),
        client.resume("t", 1),
        client.cancel("t"),
        client.inspect("t"),
        client.list(),
        client.interrupts(),
        client.history("t"),
        OrisClient.connect(server.address),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [ServerUnreachableError] * len(results)


@pytest.mark.parametrize("bad", ["", " ", "t" * 1_001, "ä" * 501])
async def test_a_thread_id_that_none_can_have(client: OrisClient, bad: str) -> None:
    for call in (
        client.run("asking", bad, {"answers": []}),
        client.start("asking", bad, {"answers": []}),
        client.run("asking", None, {"answers": []}, config={"configurable": {"thread_id": bad}}),
        client.resume(bad, 1),
        client.inspect(bad),
        client.signal(bad, "go"),
        client.update_state(bad, {}),
        client.cancel(bad),
    ):
        with pytest.raises(InvalidThreadIdError):
            await call


async def test_the_longest_thread_id(client: OrisClient, serve: Serve, thread: str) -> None:
    longest = thread.ljust(1_000, "x")
    async with serve(review):
        await client.start("review", longest, {})
        assert (await client.inspect(longest)).thread_id == longest


# --- requests that are refused before anything is sent ---------------------------------------------------------------


@pytest.fixture
async def waiting(client: OrisClient, serve: Serve, thread: str) -> AsyncIterator[str]:
    """A thread that asks."""
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        yield thread


async def test_updates_that_are_no_objects(client: OrisClient, waiting: str) -> None:
    for call in (
        client.update_state(waiting, "x"),
        client.resume(waiting, update=3),
        client.fork(waiting, update=["x"]),
    ):
        with pytest.raises(InvalidUpdateError, match="must be an object"):
            await call
    assert (await client.inspect(waiting)).status == "interrupted"


async def test_an_edit_as_if_by_a_node_that_has_no_name(client: OrisClient, waiting: str) -> None:
    for call in (client.update_state(waiting, {}, as_node=5), client.fork(waiting, as_node=5)):  # type: ignore[arg-type]
        with pytest.raises(InvalidOptionError, match="as_node=5 must be text"):
            await call


async def test_an_edit_without_values(client: OrisClient, waiting: str) -> None:
    await client.update_state(waiting, None)
    assert (await client.inspect(waiting)).values == {"answers": []}


@pytest.mark.parametrize("answers", ["yes", [], {}, None])
async def test_answers_by_id_that_are_no_object(client: OrisClient, waiting: str, answers: Any) -> None:
    with pytest.raises(InvalidAnswerError, match="object of interrupt id"):
        await client.resume(waiting, answers, by_id=True)
    await client.resume(waiting, "yes")
    with pytest.raises(InvalidAnswerError):
        await client.resume(waiting, answers, by_id=True)


async def test_a_signal_without_a_name(client: OrisClient, waiting: str) -> None:
    with pytest.raises(InvalidUpdateError, match="name of a signal"):
        await client.signal(waiting, "")


async def test_a_stream_without_a_mode(client: OrisClient, waiting: str) -> None:
    with pytest.raises(StreamModeError, match="at least one mode"):
        async for _ in client.stream(waiting, mode=[]):
            pass


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        ({"update": {"answers": [1]}}, InvalidUpdateError),
        ({"update": {"nowhere": 1}}, InvalidUpdateError),
        ({"update": {}, "as_node": "nobody"}, NodeNotFoundError),
    ],
    ids=["wrong type", "unknown field", "unknown node"],
)
async def test_a_fork_with_a_bad_edit_starts_nothing(
    client: OrisClient, waiting: str, edit: dict[str, Any], error: type[OrisError]
) -> None:
    with pytest.raises(error, match="asking"):
        await client.fork(waiting, **edit)
    with pytest.raises(ThreadNotFoundError):
        await client.inspect(f"{waiting}/fork/1")


# --- inputs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"answers": [1]}, InvalidUpdateError),
        ({"nowhere": 1}, InvalidUpdateError),
        ("text", InvalidUpdateError),
        (None, EmptyInputError),
        ({"answers": [object()]}, OrisError),
        ({"answers": [HUGE]}, PayloadTooLargeError),
    ],
    ids=["wrong type", "unknown field", "text", "none", "no JSON", "3 MB"],
)
async def test_with_the_graph_at_hand_a_bad_input_starts_nothing(
    client: OrisClient, thread: str, given: Any, error: type[OrisError]
) -> None:
    with pytest.raises(error):
        await client.run(asking("left"), thread, given)
    with pytest.raises(ThreadNotFoundError):
        await client.inspect(thread)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"answers": [object()]}, SerializationError),
        ({"answers": [HUGE]}, PayloadTooLargeError),
        ([1], InvalidUpdateError),
        (3, InvalidUpdateError),
    ],
    ids=["no JSON", "3 MB", "a list", "a number"],
)
async def test_by_name_what_cannot_be_sent_starts_nothing(
    client: OrisClient, thread: str, given: Any, error: type[OrisError]
) -> None:
    with pytest.raises(error):
        await client.run("asking", thread, given)
    with pytest.raises(error):
        await client.start("asking", thread, given)
    with pytest.raises(ThreadNotFoundError):
        await client.inspect(thread)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"answers": [1]}, "invalid_update"),
        ({"nowhere": 1}, "invalid_update"),
        ("text", "invalid_update"),
        (None, "empty_input"),
    ],
    ids=["wrong type", "unknown field", "text", "none"],
)
async def test_by_name_an_input_that_does_not_fit_fails_the_run(
    client: OrisClient, serve: Serve, thread: str, given: Any, code: str
) -> None:
    async with serve(asking("left")):
        result = await client.run("asking", thread, given)
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", code)
    assert "asking" in result.error["message"]


@pytest.mark.parametrize(
    "options",
    [
        {"seed": {"nonsense": True}},
        {"carried": {}},
        {"config": 3},
        {"edit": {"nonsense": 1}},
        {"values": 3},
        "text",
        [1],
    ],
    ids=str,
)
async def test_options_that_are_none_of_ours_fail_the_run(
    client: OrisClient, serve: Serve, thread: str, options: Any
) -> None:
    """A client in another language made a mistake in the second argument."""
    async with serve(asking("left")):
        await client.temporal.start_workflow(
            "asking", args=[{"answers": []}, options], id=thread, task_queue=client.task_queue
        )
        assert (await client.result(thread)).status == "failed"


# --- where to go ---------------------------------------------------------------------------------------------------


async def to_nowhere(state: Log) -> Command:
    return Command(goto="nowhere")


async def send_to_nowhere(state: Log, ctx: Context) -> Command:
    return Command(goto=Send("nowhere", 1))


@pytest.mark.parametrize("fn", [to_nowhere, send_to_nowhere])
async def test_a_goto_to_a_node_there_is_not(
    client: OrisClient, serve: Serve, thread: str, fn: Callable[..., Any]
) -> None:
    async with serve(after_first(fn)):
        assert_failed(await client.run("troubled", thread, {}), "node_not_found", "nowhere", "troubled")


def broken_router(state: Log) -> str:
    raise KeyError("broken")


@pytest.mark.parametrize(
    ("router", "mention"),
    [
        (lambda state: 42, "42"),
        (lambda state: None, "None"),
        (lambda state: "nowhere", "nowhere"),
        (lambda state: ["second", "nowhere"], "nowhere"),
        (lambda state: Send("nowhere", 1), "nowhere"),
        (lambda state: {"second": 1}, "second"),
        (broken_router, "KeyError"),
    ],
)
async def test_a_router_that_returns_nonsense(
    client: OrisClient, serve: Serve, thread: str, router: Callable[[Log], Any], mention: str
) -> None:
    graph = StateGraph(Log).add_node("first", lambda state: {"log": ["first"]}).add_node("second", lambda state: {})
    graph.add_edge(START, "first").add_conditional_edges("first", router, None).add_edge("second", END)
    async with serve(graph.compile(name="troubled")):
        result = await client.run("troubled", thread, {})
        assert result.error is not None
        assert (result.status, result.error["code"]) == ("failed", "condition"), result.error
        assert mention in result.error["message"]
        assert "troubled.first" in result.error["message"]
        assert result.error["details"]["node"] == "first"
        assert (await client.inspect(thread)).next == []


async def test_a_router_that_returns_a_key_its_mapping_lacks(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Log).add_node("first", lambda state: {"log": ["first"]})
    graph.add_edge(START, "first").add_conditional_edges("first", lambda state: "maybe", {"yes": END})
    async with serve(graph.compile(name="troubled")):
        result = await client.run("troubled", thread, {})
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "condition")
    assert "'maybe'" in result.error["message"]
    assert "'yes'" in result.error["message"]


async def test_a_run_that_never_ends_is_stopped(client: OrisClient, serve: Serve, thread: str) -> None:
    async def again(state: Log, ctx: Context) -> dict:
        return {"count": state.get("count", 0) + 1}

    graph = StateGraph(Log).add_node("again", again).add_edge(START, "again")
    graph.add_conditional_edges("again", lambda state: "again", ["again", END])
    async with serve(graph.compile(name="endless"), max_cached_workflows=10):
        result = await client.run("endless", thread, {}, config={"recursion_limit": 25})
        assert result.error is not None
        assert (result.status, result.error["code"]) == ("failed", "graph_recursion")
        assert result.values["count"] == 25
        default = await client.run("endless", thread, {})
        assert default.values["count"] == 1_000


# --- what nodes return ---------------------------------------------------------------------------------------------


async def returns_object(state: Log) -> dict:
    return {"log": [object()]}


async def inline_returns_object(state: Log, ctx: Context) -> dict:
    return {"log": [object()]}


async def asks_object(state: Log) -> dict:
    return {"log": [await interrupt(object())]}


async def inline_asks_object(state: Log, ctx: Context) -> dict:
    return {"log": [await ctx.interrupt(object())]}


async def returns_half_a_character(state: Log) -> dict:
    return {"log": ["\ud800"]}


async def inline_returns_half_a_character(state: Log, ctx: Context) -> dict:
    return {"log": ["\ud800"]}


async def inline_writes_half_a_character(state: Log, ctx: Context) -> dict:
    ctx.write("\ud800")
    return {}


@pytest.mark.parametrize(
    "fn",
    [
        returns_object,
        inline_returns_object,
        asks_object,
        inline_asks_object,
        returns_half_a_character,
        inline_returns_half_a_character,
        inline_writes_half_a_character,
    ],
)
async def test_something_without_a_json_form(
    client: OrisClient, serve: Serve, thread: str, fn: Callable[..., Any]
) -> None:
    async with serve(after_first(fn)):
        assert_failed(await client.run("troubled", thread, {}), "serialization", "JSON")


@pytest.mark.parametrize(
    ("returned", "mention"),
    [({"nowhere": 1}, "nowhere"), ({"count": "many"}, "count"), ("second", "second"), (42, "int"), ({"log": 1}, "log")],
)
async def test_something_that_is_no_update(
    client: OrisClient, serve: Serve, thread: str, returned: Any, mention: str
) -> None:
    async with serve(after_first(lambda state: returned)):
        assert_failed(await client.run("troubled", thread, {}), "invalid_update", mention, "troubled.second")


async def test_two_nodes_that_write_one_field(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Log)
    for name in ("a", "b"):
        graph.add_node(name, lambda state: {"count": 1}).add_edge(START, name).add_edge(name, END)
    async with serve(graph.compile(name="both")):
        result = await client.run("both", thread, {})
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "invalid_update")
    assert "count" in result.error["message"]


# --- too large -----------------------------------------------------------------------------------------------------


async def returns_3_mb(state: Log) -> dict:
    return {"log": [HUGE]}


@pytest.mark.parametrize("run_as", ["activity", "local"])
async def test_a_node_that_returns_3_mb(client: OrisClient, serve: Serve, thread: str, run_as: str) -> None:
    async with serve(after_first(returns_3_mb, run_as=run_as)):
        result = await client.run("troubled", thread, {})
        assert_failed(result, "payload_too_large", "troubled.second", "3,000,0")
        assert result.error is not None
        assert result.error["details"]["size"] > 3_000_000


def growing(chunk: int, times: int, *, run_as: Literal["activity", "workflow"], ask: Any = None) -> CompiledGraph:
    """Adds a chunk to the state so many times, then asks."""

    async def grow(state: Log) -> dict:
        return {"log": ["x" * chunk], "count": state.get("count", 0) + 1}

    async def last(state: Log, ctx: Context) -> dict:
        return {"count": await ctx.interrupt(ask)}

    graph = StateGraph(Log).add_node("grow", grow, run_as=run_as).add_node("last", last).add_edge(START, "grow")
    graph.add_conditional_edges("grow", lambda state: "last" if state["count"] == times else "grow", ["grow", "last"])
    return graph.add_edge("last", END).compile(name="growing")


@pytest.mark.parametrize("run_as", ["activity", "workflow"])
async def test_a_state_that_grows_too_large_fails_the_run_before_it_is_lost(
    client: OrisClient, serve: Serve, thread: str, run_as: Literal["activity", "workflow"]
) -> None:
    async with serve(growing(700_000, 9, run_as=run_as)):
        result = await client.run("growing", thread, {})
        assert result.error is not None
        assert (result.status, result.error["code"]) == ("failed", "state_too_large")
        for text in ("growing.grow", "growing.log (2,100,0", "external storage"):
            assert text in result.error["message"]
        assert (result.values["count"], len(result.values["log"])) == (2, 2)  # that of the boundary before
        assert (await client.inspect(thread)).values == result.values
        assert len(await client.history(thread)) == 3


async def test_a_state_just_below_the_limit_is_read_and_carried_over(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    """With a question and checkpoints that do not fit into one answer together with it."""
    async with serve(growing(195_000, 10, run_as="activity", ask="q" * 900_000), max_cached_workflows=10):
        paused = await client.run("growing", thread, {}, continue_as_new_after=40)
        assert (paused.status, len(paused.values["log"])) == ("interrupted", 10)
        assert paused.interrupts[0].value == "q" * 900_000
        info = await client.inspect(thread)
        assert info.values == paused.values
        assert (await client.checkpoint(thread)).values == paused.values
        done = await client.resume(thread, 3)
        assert (done.status, done.values["count"], len(done.values["log"])) == ("completed", 3, 10)


async def test_an_edit_that_makes_the_state_too_large_is_refused(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(growing(700_000, 2, run_as="activity"), max_cached_workflows=10):
        paused = await client.run("growing", thread, {})
        with pytest.raises(StateTooLargeError):
            await client.update_state(thread, {"log": ["y" * 700_000]})
        assert (await client.inspect(thread)).values == paused.values
        done = await client.resume(thread, 3)
        assert (done.values["count"], done.values["log"]) == (3, paused.values["log"])


async def test_what_a_child_workflow_reports_may_be_too_large(client: OrisClient, serve: Serve, thread: str) -> None:
    async def write(state: Log, ctx: Context) -> dict:
        return {"count": state.get("count", 0) + 1, "text": "x" * 700_000}

    inner = StateGraph(Texts).add_node("write", write).add_edge(START, "write")
    inner.add_conditional_edges("write", lambda state: END if state["count"] == 4 else "write", ["write", END])
    graph = StateGraph(Texts).add_subgraph("child", inner.compile(name="inner"), run_as="child_workflow")
    async with serve(graph.add_edge(START, "child").add_edge("child", END).compile(name="outer")):
        result = await client.run("outer", thread, {})
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "payload_too_large")
    assert "inner" in result.error["message"]


async def test_an_answer_an_edit_or_a_signal_of_3_mb_is_refused(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(asking("left")):
        await client.run("asking", thread, {"answers": []})
        before = await event_names(client, thread)
        with pytest.raises(PayloadTooLargeError):
            await client.resume(thread, HUGE)
        with pytest.raises(PayloadTooLargeError):
            await client.update_state(thread, {"answers": [HUGE]})
        with pytest.raises(PayloadTooLargeError):
            await client.signal(thread, "news", HUGE)
        assert await event_names(client, thread) == before
        assert (await client.resume(thread, "yes")).values == {"answers": ["left=yes"]}


async def asks(state: Log, ctx: Context) -> dict:
    return {"log": [await ctx.interrupt(HUGE)]}


async def calls(state: Log, ctx: Context) -> dict:
    return {"log": [await ctx.activity("elsewhere", HUGE)]}


async def remote_asks(state: Log) -> dict:
    return {"log": [await interrupt(HUGE)]}


async def sends(state: Log) -> Command:
    return Command(goto=[Send("second", number) for number in range(2)], update={"log": [HUGE]})


@pytest.mark.parametrize("fn", [asks, calls, remote_asks, sends])
async def test_whatever_a_node_hands_over_is_measured(
    client: OrisClient, serve: Serve, thread: str, fn: Callable[..., Any]
) -> None:
    async with serve(after_first(fn)):
        assert_failed(await client.run("troubled", thread, {}), "payload_too_large", "troubled.second")


async def test_an_input_of_a_child_workflow_of_3_mb(client: OrisClient, serve: Serve, thread: str) -> None:
    inner = StateGraph(Log).add_node("node", lambda state: {}).add_edge(START, "node").add_edge("node", END)
    graph = StateGraph(Log).add_node("first", lambda state: {"log": ["first"]})
    graph.add_subgraph(
        "child", inner.compile(name="inner"), input=lambda state: {"log": [HUGE]}, run_as="child_workflow"
    )
    graph.add_edge(START, "first").add_edge("first", "child").add_edge("child", END)
    async with serve(graph.compile(name="troubled")):
        assert_failed(await client.run("troubled", thread, {}), "payload_too_large", "troubled.child")


async def test_questions_that_are_too_much_together_are_asked_all_the_same(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async def ask(item: int, ctx: Context) -> dict:
        return {"log": [await ctx.interrupt({"number": item, "text": "x" * 300_000})]}

    graph = StateGraph(Log).add_node("ask", ask).add_edge("ask", END)
    graph.add_conditional_edges(START, lambda state: [Send("ask", number) for number in range(10)], ["ask"])
    async with serve(graph.compile(name="wordy"), max_cached_workflows=10):
        paused = await client.run("wordy", thread, {})
        assert paused.status == "interrupted"
        assert len(paused.interrupts) == 10
        assert {item.value["number"] for item in await client.interrupts(thread)} == set(range(10))
        answers = {f"int-{thread}-{number}": number for number in range(10)}
        done = await client.resume(thread, answers, by_id=True)
    assert done.values == {"log": list(range(10))}
