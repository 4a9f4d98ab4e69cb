"""Types that answers must fit, on both hosts: a bad answer is refused before it is recorded, a good one comes typed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import uuid4

import pytest
from annotated_types import Len
from hosts import OrisHost
from pydantic import BaseModel, ConfigDict, Field
from states import Log
from typing_extensions import TypeAliasType

from oris_temporal import END, START, CompiledGraph, StateGraph, interrupt
from oris_temporal.graph.errors import InvalidAnswerError

Item = TypeVar("Item")


@dataclass
class Vote:
    stars: int


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date


class Box(BaseModel, Generic[Item]):
    item: Item


class Colour(Enum):
    RED = "red"


Short = TypeAliasType("Short", Annotated[str, Field(pattern="^.{1,3}$")])


def asking(schema: Any, side: Any) -> CompiledGraph:
    async def ask(state: Log) -> dict[str, Any]:
        return {"log": [repr(await interrupt("?", schema=schema))]}

    graph = StateGraph(Log).add_node("ask", ask, run_as=side).add_edge(START, "ask").add_edge("ask", END)
    return graph.compile(name="answer_types")


@pytest.mark.parametrize("side", ["activity", "workflow"])
@pytest.mark.parametrize(
    ("schema", "bad", "good", "value"),
    [
        (list[int], ["a"], [1], [1]),
        (dict[str, list[Vote]], {"a": [{}]}, {"a": [{"stars": 1}]}, {"a": [Vote(1)]}),
        (Literal["yes", "no", 3], "maybe", 3, 3),
        (Literal["yes"] | None, "no", None, None),
        (int | Vote, "x", {"stars": 2}, Vote(2)),
        (tuple[int, ...], [1, "x"], [1, 2], (1, 2)),
        (tuple[int, str], [1], [1, "x"], (1, "x")),
        (Annotated[int, Field(ge=1, le=5)], 6, 5, 5),
        (Annotated[list[str], Len(1)], [], ["a"], ["a"]),
        (Box[int], {"item": "x"}, {"item": 1}, Box[int](item=1)),
        (Colour, "blue", "red", Colour.RED),
        (Strict, {"day": "soon"}, {"day": "2026-01-02"}, Strict(day=date(2026, 1, 2))),
        (Short, "long", "abc", "abc"),
        (bool, "perhaps", True, True),
    ],
    ids=lambda item: None,
)
async def test_any_type(host: OrisHost, side: str, schema: Any, bad: Any, good: Any, value: Any) -> None:
    graph, thread = asking(schema, side), f"{host.name}-{uuid4().hex[:12]}"
    await host.start(graph, {"log": []}, thread)
    with pytest.raises(InvalidAnswerError, match=f"int-{thread}-0"):
        await host.resume(graph, thread, bad)
    done = await host.resume(graph, thread, good)
    assert done.values["log"] == [repr(value)]


@pytest.mark.parametrize("side", ["activity", "workflow"])
async def test_a_type_without_a_name_is_refused(host: OrisHost, side: str) -> None:
    class Local(BaseModel):
        ok: bool

    thread = f"{host.name}-{uuid4().hex[:12]}"
    record = await host.start(asking(list[Local], side), {"log": []}, thread)
    assert record.status == "failed"
    assert "Local" in record.message
    assert "top level of a module" in record.message
