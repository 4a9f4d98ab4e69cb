"""Types of state fields: what comes back from JSON as it was, and what is refused because it would not."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

import pytest
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, Json, SecretStr, computed_field, field_serializer

from oris_temporal import END, START, StateGraph
from oris_temporal.graph.errors import GraphCompileError, InvalidUpdateError

NOT_TEXT = b"\xff\x00\xfe"


async def survive(schema: type, value: Any) -> Any:
    """A value after a node wrote it to field ``x``, as the next node sees it."""
    seen: list[Any] = []
    graph = StateGraph(schema).add_node("write", lambda state: {"x": value}).add_node("read", seen.append)
    graph.add_edge(START, "write").add_edge("write", "read").add_edge("read", END)
    await graph.compile(name="shop").invoke({})
    return seen[0]["x"]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date
    pair: tuple[int, int]
    tags: set[str] = set()


class StrictState(TypedDict):
    x: list[Strict]


@dataclass
class Attachment:
    data: bytes


class Photo(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    data: bytes


class Encoded(BaseModel):
    data: Base64Bytes


class BytesState(TypedDict):
    x: bytes


class BytesListState(TypedDict):
    x: Annotated[list[bytes], list.__add__]


class AttachmentState(TypedDict):
    x: Attachment


class PhotoState(TypedDict):
    x: list[Photo]


class EncodedState(TypedDict):
    x: Encoded


class Aliased(BaseModel):
    name: str = Field(alias="theName")
    size: int = Field(validation_alias="theSize", serialization_alias="itsSize")


class AliasedState(TypedDict):
    x: list[Aliased]


class Animal(BaseModel):
    name: str


class Dog(Animal):
    tricks: list[str]


class Puppy(Animal):
    pass


class AnimalState(TypedDict):
    x: list[Animal]


class DogState(TypedDict):
    x: list[Dog | Animal]


@dataclass
class Shape:
    name: str


@dataclass
class Circle(Shape):
    radius: int = 0


class Drawing(BaseModel):
    shape: Shape


class DrawingState(TypedDict):
    x: dict[str, Drawing]


class TestWhatSurvives:
    async def test_a_strict_model(self) -> None:
        value = [Strict(day=date(2026, 1, 2), pair=(1, 2), tags={"a"})]
        assert await survive(StrictState, value) == value

    @pytest.mark.parametrize(
        ("schema", "value"),
        [
            (BytesState, NOT_TEXT),
            (BytesListState, [NOT_TEXT, b"text"]),
            (AttachmentState, Attachment(NOT_TEXT)),
            (PhotoState, [Photo(data=NOT_TEXT)]),
            (EncodedState, Encoded(data="/wD+")),
        ],
    )
    async def test_bytes_that_are_no_text(self, schema: type, value: Any) -> None:
        assert await survive(schema, value) == value

    async def test_fields_with_aliases(self) -> None:
        value = [Aliased(theName="a", theSize=3)]
        assert await survive(AliasedState, value) == value

    async def test_aliases_of_an_input(self) -> None:
        assert await survive(AliasedState, [{"theName": "a", "theSize": 3}]) == [Aliased(theName="a", theSize=3)]

    @pytest.mark.parametrize("value", [[Dog(name="Rex", tricks=["sit"])], [Animal(name="Tom")]])
    async def test_subclasses_that_the_type_names(self, value: Any) -> None:
        assert await survive(DogState, value) == value

    async def test_a_subclass_that_adds_nothing(self) -> None:
        assert await survive(AnimalState, [Puppy(name="Rex")]) == [Animal(name="Rex")]


class TestSubclasses:
    async def test_of_models(self) -> None:
        with pytest.raises(InvalidUpdateError, match=r"shop\.write.*'x'.*a Dog where.*Animal.*tricks.*Animal \| Dog"):
            await survive(AnimalState, [Dog(name="Rex", tricks=["sit"])])

    async def test_deep_inside(self) -> None:
        with pytest.raises(InvalidUpdateError, match=r"shop\.write.*'x'.*a Circle where.*Shape.*radius"):
            await survive(DrawingState, {"a": Drawing(shape=Circle("c", 2))})

    async def test_in_an_input(self) -> None:
        graph = StateGraph(AnimalState).add_node("read", lambda state: None)
        graph.add_edge(START, "read").add_edge("read", END)
        with pytest.raises(InvalidUpdateError, match=r"input of shop.*a Dog"):
            await graph.compile(name="shop").invoke({"x": [Dog(name="Rex", tricks=[])]})


class Login(BaseModel):
    user: str
    password: SecretStr


class Shown(BaseModel):
    password: SecretStr

    @field_serializer("password")
    def show(self, value: SecretStr) -> str:
        return value.get_secret_value()


class Cached(BaseModel):
    text: str
    size: int = Field(default=0, exclude=True)


class Raw(BaseModel):
    data: bytes


class Level(Enum):
    LOW = 1


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    n: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return 2 * self.n


def one_field(annotation: Any) -> type:
    return dataclasses.make_dataclass("Order", [("x", annotation)])


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("annotation", "message"),
        [
            (SecretStr, r"its type is a secret"),
            (list[Login], r"Login\.password is a secret.*asterisks"),
            (Cached, r"Cached\.size has exclude=True"),
            (Raw | None, r"Raw\.data is bytes.*ConfigDict\(ser_json_bytes='base64', val_json_bytes='base64'\)"),
            (Base64Bytes, r"Annotate it as bytes"),
            (dict[tuple[int, int], str], r"keys of type tuple.*list of pairs"),
            (list[dict[str, dict[str | None, int]]], r"keys of type nullable"),
            (dict[Level, int], r"keys of type enum"),
            (dict[Literal[1, "a"], int], r"keys of type literal"),
            (Literal[Level.LOW], r"is a Literal of enum members.*the enum itself"),
            (Json[list[int]], r"is Json.*the type it holds"),
            (Closed, r"Closed has computed fields.*extra='forbid'"),
            (Callable[[int], int], r"is a function"),
            (type[int], r"is a class"),
            (Iterable[int], r"is an iterator"),
        ],
    )
    def test_types_that_do_not_come_back(self, annotation: Any, message: str) -> None:
        with pytest.raises(GraphCompileError, match=rf"State Order: field 'x'.*{message}"):
            StateGraph(one_field(annotation))

    def test_the_update_of_a_reducer_too(self) -> None:
        def reduce(present: list[str], update: Login) -> list[str]:
            return [*present, update.user]

        with pytest.raises(GraphCompileError, match=r"field 'x', update of its reducer: Login\.password is a secret"):
            StateGraph(one_field(Annotated[list[str], reduce]))

    def test_not_a_secret_that_its_class_writes(self) -> None:
        StateGraph(one_field(Shown))


def wrong(present: list[int], update: list[int]) -> Any:
    return {"sum": sum(present) + sum(update)}


class WrongReducer(TypedDict):
    x: Annotated[list[int], wrong]


def append(present: list[int], update: int) -> Any:
    return [*present, "7" if update == 7 else update]


class Appending(TypedDict):
    x: Annotated[list[int], append]


class UnionState(TypedDict):
    x: Annotated[set[int], set.union]


class TestReducers:
    async def test_a_result_of_another_type(self) -> None:
        graph = StateGraph(WrongReducer).add_node("add", lambda state: {"x": [1]})
        compiled = graph.add_edge(START, "add").add_edge("add", END).compile(name="shop")
        with pytest.raises(InvalidUpdateError, match=r"input of shop: what the reducer of field 'x' returned: .*list"):
            await compiled.invoke({"x": [0]})

    async def test_the_node_whose_write_it_was_is_named(self) -> None:
        def odd(present: list[int], update: int) -> Any:
            return [*present, update] if update < 8 else "many"

        graph = StateGraph(one_field(Annotated[list[int], odd])).add_node("add", lambda state: {"x": 8})
        compiled = graph.add_edge(START, "add").add_edge("add", END).compile(name="shop")
        with pytest.raises(InvalidUpdateError, match=r"shop\.add: what the reducer of field 'x' returned"):
            await compiled.invoke({"x": 1})

    async def test_new_items_of_a_list_are_brought_to_their_type(self) -> None:
        graph = StateGraph(Appending).add_node("add", lambda state: {"x": 7})
        compiled = graph.add_edge(START, "add").add_edge("add", END).compile(name="shop")
        assert (await compiled.invoke({"x": 1})).state == {"x": [1, 7]}

    async def test_a_method_of_a_builtin(self) -> None:
        graph = StateGraph(UnionState).add_node("add", lambda state: {"x": {2}})
        compiled = graph.add_edge(START, "add").add_edge("add", END).compile(name="shop")
        assert (await compiled.invoke({"x": {1}})).state == {"x": {1, 2}}

    async def test_one_with_more_parameters_that_have_defaults(self) -> None:
        def keep_last(present: list[int], update: list[int], most: int = 2) -> list[int]:
            return [*present, *update][-most:]

        graph = StateGraph(one_field(Annotated[list[int], keep_last])).add_node("add", lambda state: {"x": [3]})
        compiled = graph.add_edge(START, "add").add_edge("add", END).compile(name="shop")
        assert (await compiled.invoke({"x": [1, 2]})).values == {"x": [2, 3]}

    def test_a_callable_object_that_takes_no_update(self) -> None:
        class Odd:
            def __call__(self, present: int) -> int:
                return present

        with pytest.raises(GraphCompileError, match=r"field 'x' is annotated with Odd\(\), which cannot be a reducer"):
            StateGraph(one_field(Annotated[int, Odd()]))


_HASH_OF_A_SET = """
import asyncio
from dataclasses import dataclass
from typing import Any, TypedDict
from pydantic import BaseModel
from oris_temporal import END, START, StateGraph

class Tagged(BaseModel):
    tags: set[str]
    pairs: frozenset[tuple[str, int]]

class State(TypedDict):
    words: set[str]
    tagged: list[Tagged]
    free: Any

words = {"one", "two", "three", "four"}
value = {"words": words, "tagged": [Tagged(tags=words, pairs={(word, 1) for word in words})], "free": {"in": words, "mix": {1, "a"}}}
graph = StateGraph(State).add_node("write", lambda state: value).add_edge(START, "write").add_edge("write", END)
compiled = graph.compile(name="shop")
config = {"configurable": {"thread_id": "t"}}

async def main():
    await compiled.invoke({}, config)
    print((await compiled.get_state(config)).state_hash)

asyncio.run(main())
"""


class TestSets:
    async def test_they_are_written_in_order(self) -> None:
        class State(TypedDict):
            x: set[int]

        graph = StateGraph(State).add_node("write", lambda state: {"x": {100, 9, -1, 33}})
        compiled = graph.add_edge(START, "write").add_edge("write", END).compile(name="shop")
        assert (await compiled.invoke({})).values == {"x": [-1, 9, 33, 100]}

    def test_the_hash_of_a_state_is_the_same_in_every_process(self) -> None:
        hashes = {
            subprocess.run(
                [sys.executable, "-c", _HASH_OF_A_SET],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in ("1", "2", "3")
        }
        assert len(hashes) == 1
