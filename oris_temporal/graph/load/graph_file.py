"""`GraphFile`: what a graph file may say."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, JsonValue, Tag, WithJsonSchema, model_validator

from ..duration import to_timedelta
from ..limits import Limits
from ..options import NodeOptions, RetryPolicy, RunAs
from .part import Part, by_key, form, one_of
from .state_types import REDUCERS, TYPES, read_type


def _check_duration(value: Any) -> Any:
    to_timedelta(value)
    return value


def _check_type(text: str) -> str:
    read_type(text)
    return text


Duration: TypeAlias = Annotated[
    Any,
    AfterValidator(_check_duration),
    WithJsonSchema({"type": ["string", "number"], "examples": ["2m", 30]}),
]
TypeName: TypeAlias = Annotated[str, AfterValidator(_check_type)]
FieldName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
NodeName: TypeAlias = Annotated[str, Field(description="Name of a node, START or END.")]
Reference: TypeAlias = Annotated[
    str, Field(description="module:attribute, or a name given in load_graph(functions=...).")
]

_OPTIONS = NodeOptions()
_RETRY = RetryPolicy()


class StateField(Part):
    """A field of the state. Without a default it has no value at first, or with a reducer an empty one."""

    type: TypeName = Field(description=f"{', '.join(TYPES)}, list[...], dict[str, ...] or ... | None.")
    reducer: str | None = Field(
        None,
        description=f"How updates are merged: {', '.join(REDUCERS)} or a reference. Default: last (the last "
        "value wins); for messages: messages.",
    )
    default: JsonValue = None


class Retry(Part):
    """Retry policy of a node."""

    maximum_attempts: int = Field(_RETRY.maximum_attempts, ge=0, description="0 is no limit.")
    initial_interval: Duration = _RETRY.initial_interval
    backoff_coefficient: float = Field(_RETRY.backoff_coefficient, ge=1)
    maximum_interval: Duration = _RETRY.maximum_interval
    retry_on: list[str] = Field([], description="Names of built-in exceptions, or references.")


class Options(Part):
    """Options of a node, as in ``StateGraph.add_node``."""

    run_as: RunAs | None = None
    retry: Retry = Retry()
    timeout: Duration = _OPTIONS.timeout
    total_timeout: Duration = _OPTIONS.total_timeout
    schedule_to_start: Duration = _OPTIONS.schedule_to_start
    heartbeat: Duration = _OPTIONS.heartbeat
    task_queue: str | None = None
    priority: int | None = Field(None, ge=1, le=5)
    fuse: bool = False
    reads: list[str] | None = None
    summary: str | None = None


class SubgraphOptions(Part):
    """Options of a node that is a graph, as in ``StateGraph.add_subgraph``."""

    run_as: Literal["inline", "child_workflow"] = "inline"
    task_queue: str | None = None


class FunctionNode(Part):
    """A node that is a function."""

    name: str
    function: Reference | None = Field(description="null: a remote node for which nothing stands in.")
    options: Options = Options()


class PluginNode(Part):
    """A node made by a node plugin."""

    name: str
    plugin: str = Field(description="Plugin type.")
    config: dict[str, JsonValue] = Field({})
    options: Options = Options()


class GraphNode(Part):
    """A node that is a graph: a file, a reference to a compiled graph, or a graph written in place."""

    name: str
    graph: Annotated[
        Annotated[str, Tag("<text>")] | Annotated[GraphFile, Tag("<object>")],
        one_of(form, "a file name, a reference or a graph"),
    ]
    input: Reference | None = None
    output: Reference | None = None
    options: SubgraphOptions = SubgraphOptions()


class FixedEdge(Part):
    """An edge. From a list it is a join: it waits for all of them."""

    source: Annotated[
        Annotated[NodeName, Tag("<text>")] | Annotated[list[NodeName], Tag("<list>")],
        one_of(form, "the name of a node, or a list of names"),
    ] = Field(alias="from")
    to: NodeName


class RouterEdge(Part):
    """An edge whose target a function chooses."""

    source: NodeName = Field(alias="from")
    router: Reference
    mapping: (
        Annotated[
            Annotated[dict[bool | int | str, NodeName], Tag("<object>")] | Annotated[list[NodeName], Tag("<list>")],
            one_of(form, "an object (what the router returns: node) or a list of the nodes it may return"),
        ]
        | None
    ) = None


class Condition(Part):
    """A comparison, and where to go if it holds.

    What is absent counts as null. Null is equal to null only, contains nothing, and is neither less nor
    greater than anything. ``exists`` means not null; ``truthy`` means neither null, false, 0 nor empty.
    """

    field: str = Field(description="State field; dots lead into it: order.items.0.price, messages.-1.content.")
    op: Literal["==", "!=", "<", "<=", ">", ">=", "in", "contains", "exists", "truthy"]
    value: JsonValue = Field(True, description="What to compare with. false negates exists and truthy.")
    to: NodeName

    @model_validator(mode="after")
    def _check_value(self) -> Condition:
        if self.op in ("exists", "truthy"):
            if not isinstance(self.value, bool):
                raise ValueError(f"the value for {self.op!r} is true (and may be left out) or false")
        elif "value" not in self.model_fields_set:
            raise ValueError(f"{self.op!r} needs a value to compare with")
        elif self.op == "in" and not isinstance(self.value, list):
            raise ValueError("the value for 'in' must be a list")
        return self

    def __str__(self) -> str:
        if self.op in ("exists", "truthy"):
            return f"{'' if self.value else 'not '}{self.field} {self.op}"
        return f"{self.field} {self.op} {json.dumps(self.value, ensure_ascii=False)}"


class WhenEdge(Part):
    """An edge whose target the state decides: the first condition that holds."""

    source: NodeName = Field(alias="from")
    when: list[Condition] = Field(min_length=1)
    otherwise: NodeName = Field(alias="else")


class GraphFile(Part):
    """A graph."""

    name: str | None = Field(None, description="Name of the graph. Only a graph inside of a node may leave it out.")
    state: Annotated[
        Annotated[str, Tag("<text>"), Field(description="messages, or a reference to a class.")]
        | Annotated[
            dict[
                FieldName,
                Annotated[
                    Annotated[TypeName, Tag("<text>")] | Annotated[StateField, Tag("<object>")],
                    one_of(form, "a type, or an object with type, reducer and default"),
                ],
            ],
            Tag("<object>"),
        ],
        one_of(form, "'messages', a reference to a class, or an object of fields"),
    ]
    nodes: list[
        Annotated[
            Annotated[FunctionNode, Tag("<function>")]
            | Annotated[PluginNode, Tag("<plugin>")]
            | Annotated[GraphNode, Tag("<graph>")],
            one_of(by_key("function", "plugin", "graph"), "a node: a name, and one of function, plugin, graph"),
        ]
    ]
    edges: list[
        Annotated[
            Annotated[FixedEdge, Tag("<to>")]
            | Annotated[RouterEdge, Tag("<router>")]
            | Annotated[WhenEdge, Tag("<when>")],
            one_of(by_key("to", "router", "when"), "an edge: from, and one of to, router, when"),
        ]
    ]
    interrupt_before: list[NodeName] = Field([])
    interrupt_after: list[NodeName] = Field([])
    recursion_limit: int = Field(1000, ge=1)
    limits: Limits = Field(Limits(), description="What a run may use: max_tokens, max_cost, max_turns, max_time.")
    continues: bool = Field(False, description="Whether a thread that runs again goes on from its last state.")


def graph_file_schema() -> dict[str, Any]:
    """JSON schema of graph files, for editors and other tools."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **GraphFile.model_json_schema()}
