"""Errors can always be kept, shown and sent, whatever a node raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

import pytest

from oris_temporal import END, START, Context, StateGraph, errors
from oris_temporal.errors import InvalidThreadIdError
from oris_temporal.graph.errors import NodeError, OrisError, ToolError, error_text


class State(TypedDict, total=False):
    count: int


class Mute(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise TypeError("no text")


class Own(BaseException):
    """No `Exception`."""


def failing_inside(error: BaseException) -> Callable[..., Any]:
    async def node(state: State, ctx: Context) -> dict:
        raise error

    return node


@pytest.mark.parametrize(
    "error", [ValueError("\ud800"), ValueError("x" * 3_000_000), Mute(), Own("own"), SystemExit(3), KeyboardInterrupt()]
)
async def test_a_node_of_the_workflow_side_fails_the_run_and_not_the_process(error: BaseException) -> None:
    graph = StateGraph(State).add_node("node", failing_inside(error)).add_edge(START, "node").add_edge("node", END)
    with pytest.raises(NodeError) as raised:
        await graph.compile(name="one").invoke({})
    assert raised.value.cause_type == type(error).__name__
    assert raised.value.message.encode()
    assert len(raised.value.message) < 11_000


@pytest.mark.parametrize("error", [ValueError(), ValueError("plain"), Mute(), ValueError("\udfff" * 50_000)])
def test_every_exception_has_a_text(error: BaseException) -> None:
    assert 0 < len(error_text(error).encode()) < 100_000


def test_details_that_cannot_be_sent_are_told_as_text() -> None:
    error = ToolError("no", thing=object(), large=["x" * 1_000] * 1_000, fine={"a": [1]})
    assert error.details["fine"] == {"a": [1]}
    assert error.details["thing"].startswith("<object object")
    assert len(error.details["large"]) < 11_000


def test_all_errors_are_in_one_module() -> None:
    def tree(cls: type[OrisError]) -> set[type[OrisError]]:
        return {cls}.union(*map(tree, cls.__subclasses__()))

    ours = {cls for cls in tree(OrisError) if cls.__module__ == OrisError.__module__}
    assert InvalidThreadIdError in ours
    assert {getattr(errors, name) for name in dir(errors) if name.endswith("Error")} == ours
