"""A long run continues as new by itself: another history, the same run, and nothing lost."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from questions import Answers, asking, left
from temporal_support import Serve, event_counts, event_names, eventually

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, Send, StateGraph, interrupt, tool
from oris_temporal.devserver import DevServer
from oris_temporal.graph.errors import InterruptConflictError
from oris_temporal.testing import ReplayingWorker
from oris_temporal.workflows import pacing


async def segments(client: OrisClient, thread: str) -> list[str]:
    """Run ids of a thread's histories, oldest first."""
    run_ids = [(await client.inspect(thread)).run_id]
    while True:
        handle = client.temporal.get_workflow_handle(thread, run_id=run_ids[0])
        async for event in handle.fetch_history_events():
            before = event.workflow_execution_started_event_attributes.continued_execution_run_id
            break
        if not before:
            return run_ids
        run_ids.insert(0, before)


class Counting(TypedDict, total=False):
    count: int
    log: Annotated[list[int], operator.add]


ran: dict[str, list[int]] = {}


async def step(state: Counting, config: dict) -> dict:
    count = state.get("count", 0) + 1
    ran.setdefault(config["configurable"]["thread_id"], []).append(count)
    return {"count": count, "log": [count]}


counting = (
    StateGraph(Counting)
    .add_node("step", step)
    .add_edge(START, "step")
    .add_conditional_edges("step", lambda state: END if state["count"] >= 20 else "step", ["step", END])
    .compile(name="counting")
)


async def test_a_long_loop_goes_on_in_several_histories(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(counting):
        done = await client.run("counting", thread, {}, continue_as_new_after=30)
        assert done.status == "completed"
        assert done.values == {"count": 20, "log": list(range(1, 21))}
        assert ran[thread] == list(range(1, 21))  # no step twice
        found = await segments(client, thread)
        assert len(found) >= 4
        for run_id in found:
            assert len(await event_names(client, thread, run_id)) < 45

        history = await client.history(thread)
        assert [snapshot.checkpoint_id for snapshot in history] == [f"0001-{n:06d}" for n in range(1, 22)]
        assert [snapshot.values.get("count", 0) for snapshot in history] == list(range(21))
        assert (await client.inspect(thread)).run == 1


async def test_a_replay_and_a_fork_continue_as_new_as_early(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(counting):
        await client.run("counting", thread, {}, continue_as_new_after=30)
        fork = await client.fork(thread, "0001-000002")
        replay = await client.replay(thread, "0001-000002")
        for result in (fork, replay):
            assert result.values["count"] == 20
            assert len(await segments(client, result.thread_id)) >= 4


async def test_the_timeline_and_the_stream_show_the_whole_run(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(counting):
        await client.run("counting", thread, {}, continue_as_new_after=30)
        timeline = await client.timeline(thread)
        assert sum(event.kind == "task_completed" for event in timeline) == 20
        assert [event.seq for event in timeline] == sorted({event.seq for event in timeline})
        assert [timeline[0].kind, timeline[-1].kind] == ["run_started", "run_completed"]
        updates = [chunk.data async for chunk in client.stream(thread)]
        assert [update["step"]["count"] for update in updates] == list(range(1, 21))


async def test_who_watches_misses_nothing_however_fast_it_continues(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(counting, max_cached_workflows=10):
        await client.start("counting", thread, {}, continue_as_new_after=5)
        updates = [chunk.data async for chunk in client.stream(thread)]
        assert [update["step"]["count"] for update in updates] == list(range(1, 21))
        assert len(await segments(client, thread)) >= 10


async def test_a_watcher_that_is_slower_than_the_run_misses_no_history_of_it(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    await client.start("counting", thread, {}, continue_as_new_after=30)
    watch = await client.watch(thread)
    async with serve(counting):
        await client.result(thread)
        assert len(await segments(client, thread)) >= 4
        assert [chunk.data["step"]["count"] async for chunk in watch.chunks] == list(range(1, 21))


called: list[str] = []


async def look_up(thread: str) -> str:
    called.append(thread)
    return f"call {called.count(thread)}"


async def looks_up_then_asks(state: Answers, ctx: Context) -> dict:
    found = await ctx.activity(look_up, ctx.thread_id)
    moment, number, token = ctx.now(), ctx.random().random(), ctx.uuid4()
    first = await ctx.interrupt({"found": found})
    second = await ctx.interrupt("sure?", timeout="24h")
    return {"answers": [found, first, second, f"{moment.isoformat()} {number} {token}"]}


asking_late = (
    StateGraph(Answers)
    .add_node("node", looks_up_then_asks)
    .add_activity(look_up)
    .add_edge(START, "node")
    .add_edge("node", END)
    .compile(name="asking_late")
)


async def test_a_waiting_node_goes_on_without_doing_anything_twice(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(asking_late):
        paused = await client.run("asking_late", thread, {"answers": []}, continue_as_new_after=10)
        assert [item.id for item in paused.interrupts] == [f"int-{thread}-0"]
        before = await client.interrupts(thread)

        async def continued() -> bool:
            return len(await segments(client, thread)) >= 2

        await eventually(continued)
        after = await client.interrupts(thread)
        assert after == before  # same id, same time
        assert [item.id for item in (await client.inspect(thread)).interrupts] == [f"int-{thread}-0"]

        second = await client.resume(thread, "one")
        [question] = second.interrupts
        assert question.id == f"int-{thread}-1"
        repeated = await client.resume(thread, "one", interrupt_id=f"int-{thread}-0")
        assert repeated.status == "interrupted"
        with pytest.raises(InterruptConflictError):
            await client.resume(thread, "two", interrupt_id=f"int-{thread}-0")
        done = await client.resume(thread, "two")

    assert done.values["answers"][:3] == ["call 1", "one", "two"]
    assert called.count(thread) == 1


async def looks_up(state: Answers, ctx: Context) -> dict:
    return {"answers": [await ctx.activity(look_up, ctx.thread_id)]}


@pytest.mark.parametrize("called", [False, True])
async def test_the_latest_checkpoint_of_every_namespace_shows_what_is_asked_there(
    client: OrisClient, serve: Serve, thread: str, called: bool
) -> None:
    inner = StateGraph(Answers).add_node("before", looks_up).add_node("left", left).add_activity(look_up)
    inner_graph = inner.add_edge(START, "before").add_edge("before", "left").add_edge("left", END).compile(name="inner")

    async def calls(state: Answers, ctx: Context) -> dict:
        return await ctx.call_graph(inner_graph, {"answers": []})

    graph = StateGraph(Answers)
    if called:
        graph.add_graphs(inner_graph).add_node("child", calls)
    else:
        graph.add_subgraph("child", inner_graph)
    async with serve(graph.add_edge(START, "child").add_edge("child", END).compile(name="outer")):
        paused = await client.run("outer", thread, {"answers": []}, continue_as_new_after=10)

        async def continued() -> bool:
            return len(await segments(client, thread)) >= 2

        await eventually(continued)
        for namespace in ("", paused.interrupts[0].namespace):
            latest = await client.checkpoint(thread, namespace=namespace)
            assert latest.interrupts == paused.interrupts
            by_id = await client.checkpoint(thread, latest.config["checkpoint_id"], namespace=namespace)
            assert by_id == latest
            history = await client.history(thread, namespace=namespace)
            assert history[-1] == latest
            assert await client.history(thread, namespace=namespace, order="newest", limit=1) == [latest]
            assert len({item.config["checkpoint_id"] for item in history}) == len(history)
        done = await client.resume(thread, "yes")
    assert done.values["answers"][-1] == "left=yes"


async def test_what_is_carried_over_is_shown_once(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(asking_late):
        await client.run("asking_late", thread, {"answers": []}, continue_as_new_after=10)

        async def continued() -> bool:
            return len(await segments(client, thread)) >= 2

        await eventually(continued)
        shown = [chunk.data async for chunk in client.stream(thread)]
        assert shown == [{"__interrupt__": [{"id": f"int-{thread}-0", "value": {"found": "call 1"}}]}]
        kinds = [event.kind for event in await client.timeline(thread)]
        assert [kinds.count(kind) for kind in ("run_started", "task_started", "interrupt")] == [1, 1, 1]
        await client.resume(thread, "one")
        await client.resume(thread, "two")


async def test_it_settles_in_its_new_history_instead_of_continuing_for_ever(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(asking_late):
        await client.run("asking_late", thread, {"answers": []}, continue_as_new_after=5)
        count = len(await segments(client, thread))
        for _ in range(3):  # each a chance to continue once more
            await client.interrupts(thread)
            await client.temporal.get_workflow_handle(thread).signal("poke")
        assert len(await segments(client, thread)) <= count + 3
        assert (await client.resume(thread, {f"int-{thread}-0": "one"}, by_id=True)).status == "interrupted"
        assert (await client.resume(thread, "two")).status == "completed"


async def test_an_activity_that_asked_does_not_run_again_before_it_is_answered(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    attempts: list[str] = []

    async def remote(state: Answers) -> dict:
        attempts.append("attempt")
        first = await interrupt("first?")
        second = await interrupt("second?", timeout="24h", default="nobody")
        return {"answers": [first, second]}

    graph = StateGraph(Answers).add_node("remote", remote).add_edge(START, "remote").add_edge("remote", END)
    async with serve(graph.compile(name="remote")):
        await client.run("remote", thread, {"answers": []}, continue_as_new_after=10)

        async def continued() -> bool:
            return len(await segments(client, thread)) >= 2

        await eventually(continued)
        assert len(attempts) == 1
        asked = await client.resume(thread, "one")
        assert [item.value for item in asked.interrupts] == ["second?"]
        done = await client.resume(thread, "two")
    assert done.values == {"answers": ["one", "two"]}
    assert len(attempts) == 3  # once for each question, and once to the end


async def test_tools_that_asked_do_not_run_again_before_they_are_answered(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    attempts: list[str] = []

    @tool
    async def far() -> str:
        """Ask twice, as an activity."""
        attempts.append("far")
        return f"{await interrupt('far first?')}, {await interrupt('far second?')}"

    @tool(run_as="workflow")
    async def near() -> str:
        """Ask twice, in the workflow."""
        return f"{await interrupt('near first?')}, {await interrupt('near second?')}"

    @tool
    async def beside() -> str:
        """Ask nothing."""
        attempts.append("beside")
        return "nothing"

    async def all_at_once(state: Answers, ctx: Context) -> dict:
        called = await asyncio.gather(*(ctx.tool(name, {}) for name in ("far", "near", "beside")))
        return {"answers": [output.content for output in called]}

    graph = StateGraph(Answers).add_tools(far, near, beside).add_node("all", all_at_once)
    async with serve(graph.add_edge(START, "all").add_edge("all", END).compile(name="tools")):
        asked = await client.run("tools", thread, {"answers": []}, continue_as_new_after=8)

        async def continued(count: int) -> bool:
            return len(await segments(client, thread)) >= count

        for number, answer in enumerate(("one", "two", "three", "four"), start=2):
            await eventually(lambda number=number: continued(number))
            asked = await client.resume(thread, {asked.interrupts[-1].id: answer}, by_id=True)
    assert asked.values == {"answers": ["three, four", "one, two", "nothing"]}
    assert attempts.count("far") == 3
    assert attempts.count("beside") == 1


class Fan(TypedDict):
    done: Annotated[list[int], operator.add]


async def test_half_a_step_is_carried_over_and_its_finished_nodes_do_not_run_again(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    worked: list[int] = []

    async def work(item: int) -> dict:
        worked.append(item)
        return {"done": [item]}

    async def ask(item: int, ctx: Context) -> dict:
        return {"done": [await ctx.interrupt(f"item {item}?")]}

    graph = StateGraph(Fan).add_node("work", work).add_node("ask", ask)
    graph.add_conditional_edges(
        START,
        lambda state: [*(Send("work", n) for n in range(5)), *(Send("ask", n) for n in range(5, 8))],
        ["work", "ask"],
    )
    graph.add_edge("work", END).add_edge("ask", END)
    async with serve(graph.compile(name="half")):
        paused = await client.run("half", thread, {"done": []}, continue_as_new_after=20)
        assert [item.value for item in paused.interrupts] == ["item 5?", "item 6?", "item 7?"]

        async def continued() -> bool:
            return len(await segments(client, thread)) >= 2

        await eventually(continued)
        answers = {item.id: index + 5 for index, item in enumerate(paused.interrupts)}
        done = await client.resume(thread, answers, by_id=True)
    assert done.values == {"done": list(range(8))}
    assert sorted(worked) == list(range(5))


async def wait_for_news(state: Answers, ctx: Context) -> dict:
    answer = await ctx.interrupt("ready?")
    return {"answers": [answer, await ctx.wait_signal("news"), await ctx.wait_signal("news")]}


async def everything(state: Answers, ctx: Context) -> dict:
    called = await ctx.activity(look_up, f"{ctx.thread_id}-a")
    first = await ctx.interrupt("first?")
    again = await ctx.activity(look_up, f"{ctx.thread_id}-b")
    await ctx.sleep("10ms")
    second = await ctx.interrupt("second?")
    news = await ctx.wait_signal("news")
    return {"answers": [called, first, again, second, news]}


thorough = (
    StateGraph(Answers)
    .add_node("everything", everything)
    .add_node("last", lambda state: {"answers": ["last"]})
    .add_activity(look_up)
    .add_edge(START, "everything")
    .add_edge("everything", "last")
    .add_edge("last", END)
    .compile(name="thorough")
)


@pytest.mark.parametrize("limit", range(8, 32, 2))
async def test_wherever_it_continues_nothing_is_lost_and_nothing_is_done_twice(
    client: OrisClient, serve: Serve, thread: str, limit: int
) -> None:
    async with serve(thorough):
        paused = await client.run("thorough", thread, {"answers": []}, continue_as_new_after=limit)
        assert [item.value for item in paused.interrupts] == ["first?"]
        paused = await client.resume(thread, "one")
        assert [item.value for item in paused.interrupts] == ["second?"]
        assert [item.id for item in paused.interrupts] == [f"int-{thread}-1"]
        await client.signal(thread, "news", "news")
        done = await client.resume(thread, "two")
        assert done.values == {"answers": ["call 1", "one", "call 1", "two", "news", "last"]}
        answered = await client.interrupts(thread, all=True)
        assert [(item.answer, item.status) for item in answered] == [("two", "resumed"), ("one", "resumed")]


async def test_signals_that_came_early_are_carried_over(client: OrisClient, serve: Serve, thread: str) -> None:
    graph = StateGraph(Answers).add_node("node", wait_for_news).add_edge(START, "node").add_edge("node", END)
    async with serve(graph.compile(name="news")):
        await client.run("news", thread, {"answers": []}, continue_as_new_after=11)
        for number in range(2):
            await client.signal(thread, "news", str(number))

        async def continued() -> bool:
            return len(await segments(client, thread)) >= 2

        await eventually(continued)
        done = await client.resume(thread, "yes")
    assert done.values == {"answers": ["yes", "0", "1"]}


def looping(name: str, times: int) -> CompiledGraph:
    """A loop of an activity, as a subgraph."""

    async def work(state: Loop, config: dict) -> dict:
        count = state.get("count", 0) + 1
        ran.setdefault(f"{config['configurable']['thread_id']}/{name}", []).append(count)
        return {"count": count, "log": [f"{name}{count}"]}

    graph = StateGraph(Loop).add_node("work", work).add_edge(START, "work")
    graph.add_conditional_edges("work", lambda state: END if state["count"] >= times else "work", ["work", END])
    return graph.compile(name=f"loop_{name}")


class Loop(TypedDict, total=False):
    count: int
    log: Annotated[list[str], operator.add]


class Logged(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def beside(*loops: CompiledGraph, **nodes: Any) -> CompiledGraph:
    """Everything at once."""
    graph = StateGraph(Logged)
    for loop in loops:
        graph.add_subgraph(loop.name, loop, output=lambda state: {"log": state["log"]})
        graph.add_edge(START, loop.name).add_edge(loop.name, END)
    for name, fn in nodes.items():
        graph.add_node(name, fn).add_edge(START, name).add_edge(name, END)
    return graph.compile(name="beside")


def counted(name: str, times: int) -> list[str]:
    return [f"{name}{n}" for n in range(1, times + 1)]


async def test_loops_beside_each_other_continue_as_new(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(beside(looping("a", 14), looping("b", 9), looping("c", 2))):
        done = await client.run("beside", thread, {}, continue_as_new_after=30)
        assert done.values == {"log": [*counted("a", 14), *counted("b", 9), *counted("c", 2)]}
        assert [ran[f"{thread}/{name}"] for name in "abc"] == [list(range(1, n + 1)) for n in (14, 9, 2)]
        assert len(await segments(client, thread)) >= 2
        events = [event for event in await client.timeline(thread) if event.kind == "task_started"]
        assert len(events) == 3 + 14 + 9 + 2  # none begins twice


async def test_a_loop_continues_as_new_beside_what_waits(client: OrisClient, serve: Serve, thread: str) -> None:
    """For people, for a signal, for a time; nothing is missed, and no wait begins again."""

    async def asks(state: Logged, ctx: Context) -> dict:
        return {"log": [await ctx.interrupt("ok?")]}

    async def listens(state: Logged, ctx: Context) -> dict:
        ctx.write("listening")
        return {"log": [await ctx.wait_signal("news", timeout="1h")]}

    async def sleeps(state: Logged, ctx: Context) -> dict:
        await ctx.sleep("3s")
        return {"log": ["slept"]}

    graph = beside(looping("a", 20), asks=asks, listens=listens, sleeps=sleeps)
    async with serve(graph):
        await client.start("beside", thread, {}, continue_as_new_after=30)

        async def continued() -> bool:
            return len(await segments(client, thread)) >= 2

        await eventually(continued)
        await client.signal(thread, "news", "heard")
        [question] = await eventually(lambda: client.interrupts(thread))
        done = await client.resume(thread, "yes", interrupt_id=question.id)
        assert done.values == {"log": [*counted("a", 20), "yes", "heard", "slept"]}
        assert ran[f"{thread}/a"] == list(range(1, 21))
        custom = [chunk.data async for chunk in client.stream(thread, mode="custom")]
        assert custom == ["listening"]
        first, *later = [await timers(client, thread, run) for run in await segments(client, thread)]
        assert 3 in first
        assert not any(3 in found for found in later)  # they wait for what was left of it


async def timers(client: OrisClient, thread: str, run: str) -> list[float]:
    """Seconds of the timers that a run started."""
    history = await client.temporal.get_workflow_handle(thread, run_id=run).fetch_history()
    return [
        event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta().total_seconds()
        for event in history.events
        if event.HasField("timer_started_event_attributes")
    ]


async def test_a_loop_waits_for_a_slow_sibling_only_where_the_history_is_long(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async def slow(state: Logged) -> dict:
        async with asyncio.timeout(20):
            while len(ran.get(f"{thread}/a", ())) < 6:  # the loop goes on beyond the limit while this runs
                await asyncio.sleep(0.02)
        return {"log": ["slow"]}

    async with serve(beside(looping("a", 20), slow=slow)):
        done = await client.run("beside", thread, {}, continue_as_new_after=25)
        assert done.values == {"log": [*counted("a", 20), "slow"]}
        assert len(await segments(client, thread)) >= 2
        assert ran[f"{thread}/a"] == list(range(1, 21))


async def test_a_long_node_continues_as_new_between_its_calls(client: OrisClient, serve: Serve, thread: str) -> None:
    async def many(state: Answers, ctx: Context) -> dict:
        found = [await ctx.activity(look_up, f"{ctx.thread_id}-{n}") for n in range(12)]
        pairs = await asyncio.gather(*(ctx.activity(look_up, f"{ctx.thread_id}-{n}") for n in range(2)))
        return {"answers": [*found, *pairs]}

    graph = StateGraph(Answers).add_node("many", many).add_activity(look_up).add_edge(START, "many")
    async with serve(graph.add_edge("many", END).compile(name="many")):
        done = await client.run("many", thread, {"answers": []}, continue_as_new_after=20)
        assert done.values == {"answers": [*["call 1"] * 12, *["call 2"] * 2]}
        assert len(await segments(client, thread)) >= 3


async def test_branches_of_a_node_get_their_own_results_in_the_new_history(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async def several(ctx: Context, name: str) -> list[str]:
        return [name + await ctx.activity(look_up, f"{ctx.thread_id}-{name}-{n}") for n in range(6)]

    async def many(state: Answers, ctx: Context) -> dict:
        found = await asyncio.gather(*(several(ctx.branch(name), name) for name in ("a", "b")))
        return {"answers": [*found[0], *found[1]]}

    graph = StateGraph(Answers).add_node("many", many).add_activity(look_up).add_edge(START, "many")
    async with serve(graph.add_edge("many", END).compile(name="branches")):
        done = await client.run("branches", thread, {"answers": []}, continue_as_new_after=20)
        assert done.values == {"answers": [*["acall 1"] * 6, *["bcall 1"] * 6]}
        assert len(await segments(client, thread)) >= 2


@pytest.mark.parametrize("reason", ["child workflows", "too many tasks"])
async def test_a_run_that_cannot_continue_as_new_fails_before_the_server_ends_it(
    monkeypatch: pytest.MonkeyPatch, client: OrisClient, serve: Serve, thread: str, reason: str
) -> None:
    monkeypatch.setattr(pacing, "HISTORY_EVENTS", 40)
    if reason == "child workflows":

        async def waits(state: Logged, ctx: Context) -> dict:
            return {"log": [await ctx.wait_signal("never")]}

        child = StateGraph(Logged).add_node("waits", waits).add_edge(START, "waits").add_edge("waits", END)
        graph = beside(looping("a", 20))
        outside = StateGraph(Logged).add_subgraph("loop", graph)
        outside.add_subgraph("child", child.compile(name="waiting"), run_as="child_workflow")
        outside.add_edge(START, "loop").add_edge(START, "child").add_edge("loop", END).add_edge("child", END)
        graph = outside.compile(name="endless")
    else:

        async def work(item: int) -> dict:
            return {"log": [str(item)]}

        fan = StateGraph(Logged).add_node("work", work).add_edge("work", END)
        fan.add_conditional_edges(START, lambda state: [Send("work", n) for n in range(30)], ["work"])
        fan.add_node("last", lambda state: {}).add_edge("work", "last").add_edge("last", END)
        graph = fan.compile(name="endless")
    async with serve(graph, max_cached_workflows=10):
        result = await client.run("endless", thread, {"log": ["kept"]})
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "history_too_long")
    assert reason in result.error["message"]
    assert result.values["log"][0] == "kept"


async def test_an_edit_that_waits_is_not_lost(client: OrisClient, serve: Serve, thread: str) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(state: Counting) -> dict:
        count = state.get("count", 0) + 1
        if count == 5:
            started.set()
            await go_on.wait()
        return {"count": count}

    graph = StateGraph(Counting).add_node("slow", slow).add_edge(START, "slow")
    graph.add_conditional_edges("slow", lambda state: END if state["count"] >= 8 else "slow", ["slow", END])
    async with serve(graph.compile(name="slowly")):
        await client.start("slowly", thread, {}, continue_as_new_after=30)
        await started.wait()
        editing = asyncio.ensure_future(client.update_state(thread, {"log": [100]}))

        async def accepted() -> bool:
            return (await event_counts(client, thread))["WORKFLOW_EXECUTION_UPDATE_ACCEPTED"] > 0

        await eventually(accepted)
        go_on.set()
        assert await editing
        done = await client.result(thread)
        assert len(await segments(client, thread)) >= 2
    assert done.values == {"count": 8, "log": [100]}


async def test_a_user_may_watch_a_run_while_it_continues_as_new(client: OrisClient, serve: Serve, thread: str) -> None:
    gate = asyncio.Event()

    async def gated(state: Counting) -> dict:
        await gate.wait()
        return {"count": state.get("count", 0) + 1}

    graph = StateGraph(Counting).add_node("gated", gated).add_edge(START, "gated")
    graph.add_conditional_edges("gated", lambda state: END if state["count"] >= 12 else "gated", ["gated", END])
    async with serve(graph.compile(name="watched")):
        await client.start("watched", thread, {}, continue_as_new_after=20)

        async def watch() -> list[int]:
            return [chunk.data["gated"]["count"] async for chunk in client.stream(thread)]

        watching = asyncio.ensure_future(watch())
        gate.set()
        assert (await client.result(thread)).status == "completed"
        assert len(await segments(client, thread)) >= 2
        assert await watching == list(range(1, 13))


async def test_a_run_listens_to_the_server_when_it_suggests_to_continue(thread: str) -> None:
    """As in production: no limit of the run's own, but the server's, here of 40 events instead of 4,096."""
    async with DevServer(ui=False, dynamic_config={"limit.historyCount.suggestContinueAsNew": 40}) as server:
        client = OrisClient(await server.connect())
        async with ReplayingWorker(client, [counting]) as worker:
            done = await client.run("counting", thread, {})
            assert done.values["log"] == list(range(1, 21))
            assert len(await segments(client, thread)) >= 3
            assert await worker.check_replay() >= 3


async def test_questions_that_were_answered_weigh_on_a_run_no_more(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    """Thirty questions of 100 kB each would not fit into what a run can carry over."""

    async def asks(state: Counting, ctx: Context) -> dict[str, int]:
        count = state.get("count", 0)
        await ctx.interrupt({"number": count, "text": "x" * 100_000})
        return {"count": count + 1}

    graph = StateGraph(Counting).add_node("asks", asks).add_edge(START, "asks")
    graph.add_conditional_edges("asks", lambda state: END if state["count"] >= 30 else "asks", ["asks", END])
    async with serve(graph.compile(name="long_questions")):
        result = await client.run("long_questions", thread, {}, continue_as_new_after=20)
        first = result.interrupts[0].id
        while result.status == "interrupted":
            result = await client.resume(thread, "yes")
            if result.values.get("count") == 20:  # the same answer again is no error, however long ago
                assert (await client.resume(thread, "yes", interrupt_id=first)).interrupts == result.interrupts
                with pytest.raises(InterruptConflictError):
                    await client.resume(thread, "no", interrupt_id=first)
        assert result.status == "completed"
        assert len(await segments(client, thread)) >= 8
        asked = await client.interrupts(thread, all=True)
        assert [item.value["number"] for item in asked] == list(range(29, -1, -1))
        assert {item.status for item in asked} == {"resumed"}
        assert (await client.resume(thread, "yes", interrupt_id=first)).status == "completed"
        with pytest.raises(InterruptConflictError):
            await client.resume(thread, "no", interrupt_id=first)


async def test_many_edits_do_not_reach_the_servers_limit_of_updates(
    client: OrisClient, thread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server refuses more than 2,000 updates of one history."""
    monkeypatch.setattr("oris_temporal.workflows.pacing.CONTINUE_AFTER_UPDATES", 10)
    async with ReplayingWorker(client, [asking("left")]) as worker:
        await client.run("asking", thread, {"answers": []})
        for number in range(35):
            await client.update_state(thread, {"answers": [str(number)]})
        assert len(await segments(client, thread)) >= 3
        done = await client.resume(thread, "yes")
        assert await worker.check_replay() >= 3
    assert done.values == {"answers": [*map(str, range(35)), "left=yes"]}
