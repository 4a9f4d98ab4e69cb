"""State: three kinds of schema, how updates are merged, and what is refused."""

from __future__ import annotations

import dataclasses
import operator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, field_validator

from oris_temporal import END, START, CompiledGraph, InvokeResult, StateGraph
from oris_temporal.graph.errors import EmptyInputError, InvalidUpdateError, SerializationError


def one_node(schema: type, fn: Any, name: str = "shop") -> CompiledGraph:
    graph = StateGraph(schema).add_node("step", fn).add_edge(START, "step").add_edge("step", END)
    return graph.compile(name=name)


async def run(schema: type, fn: Any, given: Any) -> InvokeResult:
    return await one_node(schema, fn).invoke(given)


# --- schemas, at module level ----------------------------------------------------------------------------------------


class Plain(TypedDict, total=False):
    n: int
    text: Required[str]
    maybe: int | None


class Reduced(TypedDict):
    items: Annotated[list[int], operator.add]
    best: Annotated[int, max]
    seen: Annotated[set[str], operator.or_]
    last: NotRequired[str]


@dataclass
class Data:
    text: str
    n: int = 1
    tags: Annotated[list[str], operator.add] = field(default_factory=list)


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


class Model(BaseModel):
    text: str
    n: int = Field(default=1, ge=0)
    tags: Annotated[list[str], operator.add] = Field(default_factory=list)
    point: Point | None = None


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Rich(TypedDict):
    when: NotRequired[datetime]
    wait: NotRequired[timedelta]
    price: NotRequired[Decimal]
    key: NotRequired[UUID]
    colour: NotRequired[Colour]
    points: NotRequired[list[Point]]
    pair: NotRequired[tuple[int, str]]
    raw: NotRequired[bytes]
    kind: NotRequired[Literal["a", "b"]]


def join_words(present: str, update: list[str]) -> str:
    """A reducer whose update has a type of its own."""
    return " ".join([present, *update]).strip()


class Words(TypedDict):
    text: Annotated[str, join_words]


def extend(present: list[int], update: list[int]) -> list[int]:
    present.extend(update)
    return present


def collect(present: dict[str, list[int]], update: dict[str, int]) -> dict[str, list[int]]:
    for name, number in update.items():
        present.setdefault(name, []).append(number)
    return present


class InPlace(TypedDict):
    items: Annotated[list[int], extend]
    groups: Annotated[dict[str, Any], collect]


def refuse(present: int, update: int) -> int:
    raise RuntimeError("cannot add")


class Refusing(TypedDict):
    n: Annotated[int, refuse]


class TestTypedDict:
    async def test_nodes_see_only_fields_that_have_a_value(self) -> None:
        seen: list[dict[str, Any]] = []
        await run(Plain, seen.append, {"text": "a"})
        assert seen == [{"text": "a"}]

    async def test_the_last_value_wins(self) -> None:
        result = await run(Plain, lambda state: {"n": state["n"] + 1}, {"text": "a", "n": 1})
        assert result.state == {"text": "a", "n": 2}

    async def test_none_is_a_value(self) -> None:
        result = await run(Plain, lambda state: {"maybe": None}, {"text": "a", "maybe": 1})
        assert result.values == {"text": "a", "maybe": None}

    async def test_fields_with_a_reducer_begin_empty(self) -> None:
        seen: list[Any] = []
        await run(Reduced, lambda state: seen.append(dict(state)), {"items": [1]})
        assert seen[0]["items"] == [1]
        assert seen[0]["seen"] == set()

    async def test_the_input_goes_through_the_reducers(self) -> None:
        result = await run(
            Reduced, lambda state: {"items": [2], "best": 5, "seen": {"b"}}, {"items": [1], "best": 7, "seen": ["a"]}
        )
        assert result.state == {"items": [1, 2], "best": 7, "seen": {"a", "b"}}


class TestDataclass:
    async def test_nodes_get_an_instance_with_defaults(self) -> None:
        seen: list[Any] = []
        await run(Data, seen.append, {"text": "a"})
        assert seen == [Data("a", 1, [])]

    async def test_the_result_is_an_instance(self) -> None:
        result = await run(Data, lambda state: {"n": state.n + 1, "tags": ["x"]}, Data("a", 2, ["in"]))
        assert result.state == Data("a", 3, ["in", "x"])
        assert result.values == {"text": "a", "n": 3, "tags": ["in", "x"]}

    async def test_an_update_may_be_an_instance(self) -> None:
        result = await run(
            Data, lambda state: dataclasses.replace(state, n=9, tags=["x"]), {"text": "a", "tags": ["in"]}
        )
        assert result.state == Data("a", 9, ["in", "x"])

    async def test_defaults_are_not_shared_between_runs(self) -> None:
        def add(state: Data) -> dict[str, Any]:
            state.tags.append("leak")
            return {}

        graph = one_node(Data, add)
        assert (await graph.invoke({"text": "a"})).state == Data("a")
        assert (await graph.invoke({"text": "a"})).state == Data("a")

    async def test_a_required_field_without_a_value(self) -> None:
        with pytest.raises(InvalidUpdateError, match="Data cannot be built"):
            await run(Data, lambda state: {}, {"n": 1})


class TestPydantic:
    async def test_a_required_field_without_a_value(self) -> None:
        with pytest.raises(InvalidUpdateError, match=r"text: Field required\. Give the other fields defaults"):
            await run(Model, lambda state: {}, {"n": 1})

    async def test_what_a_validator_of_the_model_refuses(self) -> None:
        class Small(BaseModel):
            n: int = 0

            @field_validator("n")
            @classmethod
            def check(cls, n: int) -> int:
                if n > 1:
                    raise ValueError("too large")
                return n

        with pytest.raises(InvalidUpdateError, match=r"\(n\): n: Value error, too large\.$"):
            await run(Small, lambda state: {}, {"n": 2})

    async def test_nodes_get_a_model(self) -> None:
        seen: list[Any] = []
        await run(Model, seen.append, {"text": "a", "point": {"x": 1}})
        assert seen == [Model(text="a", point=Point(1))]

    async def test_an_update_of_one_field(self) -> None:
        result = await run(Model, lambda state: {"n": 5}, {"text": "a"})
        assert result.state == Model(text="a", n=5)

    async def test_an_update_may_be_a_model_of_what_was_set(self) -> None:
        """Fields left at their default are not part of the update."""
        result = await run(Model, lambda state: Model(text="b", tags=["x"]), {"text": "a", "n": 7, "tags": ["in"]})
        assert result.state == Model(text="b", n=7, tags=["in", "x"])

    async def test_constraints_of_fields_hold(self) -> None:
        with pytest.raises(InvalidUpdateError, match=r"shop\.step.*'n'.*greater than or equal to 0"):
            await run(Model, lambda state: {"n": -1}, {"text": "a"})

    async def test_a_missing_required_field_of_the_input(self) -> None:
        with pytest.raises(InvalidUpdateError, match="text"):
            await run(Model, lambda state: {}, {"n": 1})


class TestJsonForm:
    async def test_types_beyond_json_survive(self) -> None:
        """They are written as JSON on the way to a node and read back as what the schema declares."""
        given: dict[str, Any] = {
            "when": datetime(2026, 1, 2, tzinfo=UTC),
            "wait": timedelta(minutes=5),
            "price": Decimal("1.10"),
            "key": UUID(int=7),
            "colour": Colour.BLUE,
            "points": [Point(1, 2)],
            "pair": (1, "x"),
            "kind": "b",
        }
        seen: list[Any] = []
        result = await run(Rich, seen.append, given)
        assert seen == [given]
        assert result.state == given
        assert result.values["colour"] == "blue"
        assert result.values["when"] == "2026-01-02T00:00:00Z"
        assert result.values["points"] == [{"x": 1, "y": 2}]

    async def test_bytes_survive(self) -> None:
        seen: list[Any] = []
        await run(Rich, seen.append, {"raw": b"abc"})
        assert seen == [{"raw": b"abc"}]

    async def test_a_value_without_a_json_form_names_the_node(self) -> None:
        with pytest.raises(SerializationError, match=r"shop\.step"):
            await run(Plain, lambda state: {"maybe": object()}, {"text": "a"})

    async def test_an_input_without_a_json_form(self) -> None:
        with pytest.raises(SerializationError, match="input of shop"):
            await run(Plain, lambda state: {}, {"text": object()})


class TestReducers:
    async def test_an_update_type_of_its_own(self) -> None:
        result = await run(Words, lambda state: {"text": ["and", "more"]}, {"text": ["some"]})
        assert result.state == {"text": "some and more"}

    async def test_one_that_raises_is_named_with_its_node(self) -> None:
        with pytest.raises(InvalidUpdateError, match=r"shop\.step.*reducer.*'n'.*RuntimeError: cannot add"):
            await run(Refusing, lambda state: {"n": 1}, {})

    async def test_one_that_adds_in_place_changes_no_earlier_checkpoint(self) -> None:
        graph = one_node(InPlace, lambda state: {"items": [2], "groups": {"a": 2}})
        thread = {"configurable": {"thread_id": "t"}}
        result = await graph.invoke({"items": [1], "groups": {"a": 1}}, thread)
        assert result.values == {"items": [1, 2], "groups": {"a": [1, 2]}}
        values = [item.values for item in await graph.get_state_history(thread, order="oldest")]
        assert values[0] == {"items": [1], "groups": {"a": [1]}}
        assert values[-1] == result.values

    async def test_writers_are_merged_in_task_order(self) -> None:
        graph = StateGraph(Reduced)
        for i in range(3):
            graph.add_node(f"n{i}", lambda state, i=i: {"items": [i]}).add_edge(f"n{i}", END)
        graph.add_edge(START, "n2").add_edge(START, "n0").add_edge(START, "n1")
        result = await graph.compile(name="shop").invoke({"items": []})
        assert result.values["items"] == [2, 0, 1]

    async def test_two_writers_of_a_plain_field_are_both_named(self) -> None:
        graph = StateGraph(Plain)
        for name in ("one", "two"):
            graph.add_node(name, lambda state: {"n": 1}).add_edge(START, name).add_edge(name, END)
        with pytest.raises(InvalidUpdateError, match=r"shop\.one and shop\.two both wrote field 'n'.*reducer"):
            await graph.compile(name="shop").invoke({"text": "a"})


class TestInvalidUpdates:
    @pytest.mark.parametrize("returned", [42, "text", [1], object])
    async def test_a_node_returns_an_update(self, returned: Any) -> None:
        with pytest.raises(InvalidUpdateError, match=r"shop\.step returned"):
            await run(Plain, lambda state: returned, {"text": "a"})

    async def test_an_unknown_field_names_node_and_fields(self) -> None:
        with pytest.raises(InvalidUpdateError, match=r"shop\.step wrote field 'txt'.*Plain.*n, text, maybe"):
            await run(Plain, lambda state: {"txt": "b"}, {"text": "a"})

    async def test_a_value_of_the_wrong_type_names_node_and_field(self) -> None:
        with pytest.raises(InvalidUpdateError, match=r"shop\.step.*field 'n'.*valid integer.*'many'"):
            await run(Plain, lambda state: {"n": "many"}, {"text": "a"})

    async def test_the_state_stays_as_it_was(self) -> None:
        """All updates of a superstep are merged, or none."""
        graph = StateGraph(Reduced)
        graph.add_node("good", lambda state: {"items": [1]}).add_edge(START, "good").add_edge("good", END)
        graph.add_node("bad", lambda state: {"best": "x"}).add_edge(START, "bad").add_edge("bad", END)
        compiled = graph.compile(name="shop")
        config = {"configurable": {"thread_id": "t"}}
        with pytest.raises(InvalidUpdateError):
            await compiled.invoke({"items": []}, config)
        assert (await compiled.get_state(config)).values["items"] == []


class TestInput:
    async def test_none_without_a_thread(self) -> None:
        with pytest.raises(EmptyInputError, match="Graph shop"):
            await run(Plain, lambda state: {}, None)

    async def test_an_empty_object_is_an_input(self) -> None:
        assert (await run(Reduced, lambda state: {"items": [1]}, {})).values["items"] == [1]

    async def test_text_needs_messages(self) -> None:
        with pytest.raises(InvalidUpdateError, match="no field 'messages'"):
            await run(Plain, lambda state: {}, "hello")

    async def test_an_unknown_field(self) -> None:
        with pytest.raises(InvalidUpdateError, match=r"input of shop wrote field 'txt'"):
            await run(Plain, lambda state: {}, {"txt": "a"})

    async def test_a_value_of_the_wrong_type(self) -> None:
        with pytest.raises(InvalidUpdateError, match=r"input of shop.*field 'n'"):
            await run(Plain, lambda state: {}, {"text": "a", "n": "many"})

    async def test_the_callers_object_is_not_changed(self) -> None:
        given = {"items": [1]}
        await run(Reduced, lambda state: {"items": [2]}, given)
        assert given == {"items": [1]}


class TestViews:
    async def test_a_node_declares_what_it_reads_by_annotation(self) -> None:
        seen: list[Any] = []

        def step(state: OnlyN) -> None:
            seen.append(state)

        await run(Plain, step, {"text": "a", "n": 1})
        assert seen == [{"n": 1}]

    async def test_or_by_option(self) -> None:
        seen: list[Any] = []
        graph = StateGraph(Plain).add_node("step", seen.append, reads=["n"])
        await graph.add_edge(START, "step").add_edge("step", END).compile(name="shop").invoke({"text": "a", "n": 1})
        assert seen == [{"n": 1}]

    @pytest.mark.parametrize("side", ["activity", "workflow"])
    async def test_changes_to_the_argument_go_nowhere(self, side: Any) -> None:
        def scribble(state: Model) -> dict[str, Any]:
            state.tags.append("scribble")
            state.n = 99
            return {"text": "b"}

        graph = StateGraph(Model).add_node("step", scribble, run_as=side).add_edge(START, "step").add_edge("step", END)
        result = await graph.compile(name="shop").invoke({"text": "a", "tags": ["in"]})
        assert result.state == Model(text="b", tags=["in"])

    async def test_parallel_nodes_do_not_see_each_others_changes(self) -> None:
        seen: list[list[int]] = []

        def step(state: Reduced) -> dict[str, Any]:
            seen.append(list(state["items"]))
            state["items"].append(99)
            return {"items": [2]}

        graph = StateGraph(Reduced)
        for name in ("a", "b"):
            graph.add_node(name, step, run_as="workflow").add_edge(START, name).add_edge(name, END)
        result = await graph.compile(name="shop").invoke({"items": [1]})
        assert seen == [[1], [1]]
        assert result.values["items"] == [1, 2, 2]


class OnlyN(TypedDict):
    n: int
