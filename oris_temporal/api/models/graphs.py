"""Answers that show graphs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .base import ResponseModel


class GraphSummary(ResponseModel):
    """A graph that jobs can run."""

    name: str = Field(examples=["review"])
    is_default: bool = Field(description="Whether jobs that name no graph run it.", examples=[True])


class GraphList(ResponseModel):
    """The graphs, in the order in which the server was given them."""

    graphs: list[GraphSummary]


class GraphNode(ResponseModel):
    """One node."""

    name: str = Field(examples=["approve"])
    runs_as: Literal["activity", "workflow", "local", "remote", "inline", "child_workflow"] = Field(
        description="Where it runs; `inline` and `child_workflow` are subgraphs.", examples=["workflow"]
    )
    graph: str | None = Field(description="The graph of a subgraph.", examples=[None])


class GraphEdge(ResponseModel):
    """What may run after what."""

    sources: list[str] = Field(
        description="Several are a join: all of them have to be through.", examples=[["research"]]
    )
    targets: list[str] | None = Field(description="`null` where a router may choose any node.", examples=[["approve"]])
    conditional: bool = Field(description="Whether a router chooses among the targets.", examples=[False])


class Graph(GraphSummary):
    """A graph in full."""

    digest: str = Field(description="Changes with the graph's shape.", examples=["9f86d081884c7d65..."])
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    input_schema: dict[str, Any] = Field(description="JSON schema of the `input` of jobs.")
    state_schema: dict[str, Any] = Field(description="JSON schema of the state.")
    output_schema: dict[str, Any] = Field(description="JSON schema of the state in answers.")
    context_schema: dict[str, Any] | None = Field(description="JSON schema of the context of runs, if it has one.")
    mermaid: str = Field(description="Mermaid flowchart.", examples=["flowchart TD\n    START([START]) --> approve"])
