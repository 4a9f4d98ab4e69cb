"""``@tool``: what a model is told follows from the function; what it sends is checked before anything is called."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json, computed_field
from pydantic.alias_generators import to_camel

from oris_temporal import Command, Message
from oris_temporal.graph.errors import ConfigurationError, GraphCompileError, SerializationError, ToolError
from oris_temporal.graph.messages import Image
from oris_temporal.tools import Runtime, Tool, ToolOutput, tool
from oris_temporal.tools.arguments import SchemaArguments

RUNTIME = Runtime(state={"n": 1}, config={"configurable": {}}, tool_call_id="c-1", thread_id="t", write=print)


class Unit(Enum):
    C = "celsius"
    F = "fahrenheit"


class Place(BaseModel):
    city: str
    country: str = "CH"


@dataclass
class Range:
    first: int
    last: int


@tool
async def weather(
    place: Place,
    days: Annotated[int, Field(ge=1, le=7)] = 1,
    unit: Unit = Unit.C,
    detail: Literal["short", "long"] = "short",
    title: str | None = None,
) -> str:
    """The weather forecast
    of a place.

    Args:
        place: Where.
        days (int): How many days
            ahead.
        unit: Of the temperatures.

    Returns:
        Text.
    """
    return f"{place.city} {place.country} {days} {unit.name} {detail} {title}"


def test_the_name_the_description_and_the_parameters_follow_from_the_function() -> None:
    assert (weather.name, weather.description) == ("weather", "The weather forecast\nof a place.")
    schema = weather.spec.parameters
    assert schema["type"] == "object"
    assert schema["required"] == ["place"]
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert list(properties) == ["place", "days", "unit", "detail", "title"]
    assert properties["place"]["description"] == "Where."
    days = properties["days"]
    assert (days["description"], days["minimum"], days["maximum"], days["default"]) == ("How many days ahead.", 1, 7, 1)
    assert properties["detail"]["enum"] == ["short", "long"]
    assert "'title': 'Place'" not in str(schema)  # Pydantic's titles are noise


async def test_arguments_arrive_as_their_types_with_defaults() -> None:
    args = weather.check({"place": {"city": "Bern"}, "unit": "fahrenheit"})
    assert args == {"place": {"city": "Bern"}, "unit": "fahrenheit"}
    assert (await weather.call(args, RUNTIME)).content == "Bern CH 1 F short None"


class Shop(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    shop_name: str

    @computed_field
    def size(self) -> int:
        return len(self.shop_name)


@tool
def order(
    shop: Shop,
    start: Annotated[str, Field(alias="from")],
    share: Annotated[float, AfterValidator(lambda percent: percent / 100)],
    more: Json[list[int]],
) -> str:
    """Order."""
    return f"{shop.size} {start} {share} {more}"


async def test_arguments_are_read_once_whatever_their_types_make_of_them() -> None:
    args = order.check({"shop": {"shopName": "Bo"}, "from": "here", "share": 50, "more": "[1, 2]"})
    assert (await order.call(args, RUNTIME)).content == "2 here 0.5 [1, 2]"


def test_parameters_may_be_called_what_pydantic_calls_its_own(recwarn: pytest.WarningsRecorder) -> None:
    @tool
    def convert(json: str, schema: str, model_dump: bool, copy: bool = False) -> str:
        """Convert."""
        return json

    assert list(convert.spec.parameters["properties"]) == ["json", "schema", "model_dump", "copy"]
    assert not recwarn


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "place: Field required"),
        ({"place": {"city": "Bern"}, "days": 9}, "days: Input should be less than or equal to 7"),
        ({"place": {"city": "Bern"}, "when": "now"}, "when: Extra inputs are not permitted"),
        ("Bern", "arguments: Input should be a valid dictionary"),
    ],
)
def test_what_does_not_fit_is_told_in_words_for_the_model(args: Any, said: str) -> None:
    with pytest.raises(ToolError) as raised:
        weather.check(args)
    assert said in raised.value.message
    assert (raised.value.kind, raised.value.tool) == ("invalid_input", "weather")


async def test_a_runtime_may_be_optional() -> None:
    @tool
    def look(runtime: Runtime | None = None) -> str:
        """Look."""
        return "" if runtime is None else runtime.tool_call_id

    assert look.spec.parameters["properties"] == {}
    assert (await look.call({}, RUNTIME)).content == "c-1"


async def test_a_runtime_is_filled_in_and_not_shown() -> None:
    @tool
    def look(runtime: Runtime, span: Range) -> str:
        """Look."""
        return f"{runtime.state['n']} {runtime.tool_call_id} {span.last}"

    assert list(look.spec.parameters["properties"]) == ["span"]
    assert (await look.call({"span": {"first": 1, "last": 2}}, RUNTIME)).content == "1 c-1 2"


@pytest.mark.parametrize(
    ("returned", "content"),
    [
        ("text", "text"),
        (None, ""),
        (7, "7"),
        ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
        (Place(city="Bern"), '{"city": "Bern", "country": "CH"}'),
        (Message.ai("said"), "said"),
        (Unit.F, "fahrenheit"),
    ],
)
async def test_whatever_it_returns_becomes_something_a_model_can_read(returned: Any, content: str) -> None:
    @tool
    def give() -> Any:
        """Give."""
        return returned

    assert (await give.call({}, RUNTIME)).content == content


async def test_images_go_along() -> None:
    picture = Image("data:image/png;base64,AAAA")
    output = ToolOutput.of(["a chart", picture], "draw")
    assert output.content == "a chart"
    message = output.message("c-1", "draw")
    assert message.images == [picture]
    assert (message.id, message.message_type) == ("c-1", "tool")


def test_a_command_asks_for_an_update_and_a_way() -> None:
    command = Command(update={"n": 2, "messages": [Message.tool("done", "c-1")]}, goto="next")
    output = ToolOutput.of(command, "move")
    assert (output.content, output.update, output.goto) == ("done", {"n": 2}, ["next"])
    assert ToolOutput.from_wire(output.to_wire()) == output


def test_a_result_without_a_json_form_is_refused() -> None:
    with pytest.raises(SerializationError, match="result of tool give"):
        ToolOutput.of(object(), "give")


def test_options_and_another_name() -> None:
    @tool(name="search-web", description="Search.", timeout="5s", run_as="local", strict=True)
    def search(query: str) -> str:
        return query

    assert isinstance(search, Tool)
    assert (search.name, search.description, search.run_as) == ("search-web", "Search.", "local")
    assert search.spec.strict
    assert search.activity_type == "tool.search-web"


async def test_it_can_still_be_called_as_the_function_it_is() -> None:
    assert await weather(Place(city="Bern")) == "Bern CH 1 C short None"


def no_docs(query: str) -> None:
    pass


def untyped(query) -> None:  # type: ignore[no-untyped-def]
    """Search."""


def private(_query: str) -> None:
    """Search."""


def reserved(model_config: str) -> None:
    """Search."""


def positional(*queries: str) -> None:
    """Search."""


def odd(query: print) -> None:  # type: ignore[valid-type]
    """Search."""


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (no_docs, "needs a docstring"),
        (untyped, "'query' has no type"),
        (positional, "'queries' cannot be given by name"),
        (odd, "have no JSON schema"),
        (private, "leading underscores"),
        (reserved, "cannot be called model_config"),
        (lambda: None, "is no tool name"),
    ],
)
def test_what_cannot_be_a_tool_says_why(fn: Any, said: str) -> None:
    with pytest.raises(GraphCompileError, match=said):
        tool(fn)


@pytest.mark.parametrize("option", ["timeout", "heartbeat"])
def test_a_time_limit_that_is_none_is_refused(option: str) -> None:
    def search(query: str) -> str:
        """Search."""
        return query

    with pytest.raises(GraphCompileError, match=f"Tool search: {option}: 'soon' is not a duration"):
        tool(**{option: "soon"})(search)


def test_a_given_json_schema_is_told_as_it_is_and_checked() -> None:
    arguments = SchemaArguments(
        {"type": "object", "properties": {"n": {"type": "integer", "maximum": 3}}, "required": ["n"], "title": "Kept"}
    )
    counted = Tool("count", "Count.", lambda **args: args, arguments)
    assert counted.spec.parameters["title"] == "Kept"
    assert counted.check({"n": 3}) == {"n": 3}
    with pytest.raises(
        ToolError, match=r"The arguments of tool count do not fit: n: 4 is greater than the maximum of 3\."
    ):
        counted.check({"n": 4})
    with pytest.raises(ToolError, match="arguments: 'four' is not of type 'object'"):
        counted.check("four")


def test_a_schema_elsewhere_is_not_downloaded() -> None:
    arguments = SchemaArguments({"type": "object", "properties": {"n": {"$ref": "http://127.0.0.1:1/schema"}}})
    assert arguments.check({"n": 4}) == {"n": 4}


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="it is no JSON schema"):
        SchemaArguments({"type": "thing"})


def test_what_only_some_tools_need_is_not_imported_by_all() -> None:
    code = "import sys, oris_temporal; print(sorted({'mcp', 'jsonschema', 'httpx2', 'markdownify'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
