"""`graph` needs no server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cli_harness import Answer, Start, clean_environment


def test_it_prints_mermaid(launch: Start) -> None:
    answer = launch("graph", "--graphs", "cli_graphs:make_review", env=clean_environment()).ends()
    assert answer.code == 0
    assert answer.out.startswith("flowchart TD\n")
    assert "research(research) --> approve" in answer.out


def test_it_prints_the_shape_as_json(cli: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORIS_GRAPHS", "cli_graphs:make_review, cli_graphs:make_pair")
    answer = cli("graph", "--json")
    review, pair = answer.json
    assert (review["name"], pair["name"]) == ("review", "pair")
    assert [(node["name"], node["runs_as"]) for node in review["nodes"]] == [
        ("research", "activity"),
        ("approve", "workflow"),
    ]
    assert review["edges"][1] == {"sources": ["research"], "targets": ["approve"], "conditional": False}
    assert review["mermaid"].startswith("flowchart TD")
    assert len(review["digest"]) == 64
    assert "messages" in review["state_schema"]["properties"]
