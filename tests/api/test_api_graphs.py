"""Graphs over HTTP: which there are, and what they look like."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest
from facade_graphs import all_graphs
from facade_probe import error_of


def data(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()["data"]
    return result


def test_the_graphs_of_a_facade_that_knows_them(knowing_facade: httpx.Client) -> None:
    graphs = data(knowing_facade.get("/v1/graphs"))["graphs"]
    assert [graph["name"] for graph in graphs] == [graph.name for graph in all_graphs()]
    assert [graph["name"] for graph in graphs if graph["is_default"]] == ["int"]


def test_a_facade_that_leaves_them_to_its_workers_shows_none(facade: httpx.Client) -> None:
    assert data(facade.get("/v1/graphs")) == {"graphs": []}
    assert error_of(facade.get("/v1/graphs/int"))["message"] == "graph not found: int"


def test_a_graph_in_full(knowing_facade: httpx.Client) -> None:
    graph = data(knowing_facade.get("/v1/graphs/eff"))
    assert (graph["name"], graph["is_default"]) == ("eff", False)
    assert graph["nodes"] == [
        {"name": "prepare", "runs_as": "activity", "graph": None},
        {"name": "effect", "runs_as": "activity", "graph": None},
        {"name": "wait", "runs_as": "workflow", "graph": None},
    ]
    assert graph["edges"][0] == {"sources": ["__start__"], "targets": ["prepare"], "conditional": False}
    assert graph["mermaid"].startswith("flowchart TD")
    assert len(graph["digest"]) == 64
    assert graph["context_schema"] is None


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("report", {"topic": "tides"}, {"topc": "tides"}),
        ("report", {}, {"topic": 1}),
        ("plain", "a text", 1),
        ("plain", {"messages": [{"content": "hi", "message_type": "human"}]}, {"messages": [{"message_type": 5}]}),
    ],
)
def test_the_input_schema_says_what_a_job_takes(knowing_facade: httpx.Client, name: str, good: Any, bad: Any) -> None:
    validator = jsonschema.Draft202012Validator(data(knowing_facade.get(f"/v1/graphs/{name}"))["input_schema"])
    assert list(validator.iter_errors(good)) == []
    assert list(validator.iter_errors(bad))


def test_states_fit_the_output_schema(knowing_facade: httpx.Client) -> None:
    for graph in ("plain", "report"):
        job = {"thread_id": f"fits-{graph}", "graph": graph, "input": "hi" if graph == "plain" else {"topic": "tides"}}
        data(knowing_facade.post("/v1/jobs", json=job))
        values = data(knowing_facade.get(f"/v1/jobs/fits-{graph}/state"))["values"]
        shape = data(knowing_facade.get(f"/v1/graphs/{graph}"))
        for schema in (shape["output_schema"], shape["state_schema"]):
            jsonschema.Draft202012Validator(schema).validate(values)


def test_every_graph_can_be_shown(knowing_facade: httpx.Client) -> None:
    for graph in all_graphs():
        shape = data(knowing_facade.get(f"/v1/graphs/{graph.name}"))
        for schema in ("input_schema", "state_schema", "output_schema"):
            jsonschema.Draft202012Validator.check_schema(shape[schema])


def test_an_unknown_graph_is_404(knowing_facade: httpx.Client) -> None:
    error = error_of(knowing_facade.get("/v1/graphs/no%2Fsuch"))
    assert error["code"] == "not_found"
    assert error["message"].startswith("graph not found: no/such; it has plain, int, ")


def test_a_blank_name_is_400(knowing_facade: httpx.Client) -> None:
    assert error_of(knowing_facade.get("/v1/graphs/%20"))["message"] == "graph must not be empty"
