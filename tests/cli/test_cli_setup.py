"""`setup` makes an existing cluster ready for runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cli_harness import Answer, eventually
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.service import RPCError

from oris_temporal.client import OrisClient
from oris_temporal.workflows.search_attributes import SEARCH_ATTRIBUTES

Cli = Callable[..., Answer]
Connected = Callable[[Callable[[OrisClient], Any]], Any]


@pytest.fixture
def namespace(connected: Connected, thread: str) -> str:
    """A namespace that nobody has set up."""
    name = f"bare-{thread}"

    async def make(client: OrisClient) -> None:
        retention = Duration(seconds=86_400)
        request = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=retention)
        await client.temporal.workflow_service.register_namespace(request)

    async def is_there(client: OrisClient) -> bool:
        request = ListSearchAttributesRequest(namespace=name)
        try:
            await client.temporal.operator_service.list_search_attributes(request)
        except RPCError:
            return False
        return True

    connected(make)
    eventually(lambda: connected(is_there))
    return name


def test_it_registers_what_is_missing_once(cli: Cli, namespace: str) -> None:
    before = cli("run", "review", "--input", "x", "--namespace", namespace, "--wait", "5s", "--json")
    assert (before.code, before.error["code"]) == (6, "not_set_up")

    first = cli("setup", "--namespace", namespace, "--json")
    assert first.code == 0
    assert sorted(first.json["added"]) == sorted(SEARCH_ATTRIBUTES)
    assert first.json["added"]["OrisInterrupts"] == "KeywordList"
    assert first.json["present"] == {}

    second = cli("setup", "--namespace", namespace, "--json")
    assert second.code == 0
    assert second.json["added"] == {}
    assert sorted(second.json["present"]) == sorted(SEARCH_ATTRIBUTES)

    table = cli("setup", "--namespace", namespace)
    assert "OrisGraph         Keyword      was there" in table.out


def test_it_says_what_is_in_the_way(cli: Cli, connected: Connected, namespace: str) -> None:
    async def take_the_name(client: OrisClient) -> None:
        request = AddSearchAttributesRequest(namespace=namespace)
        request.search_attributes["OrisGraph"] = IndexedValueType.INDEXED_VALUE_TYPE_INT
        await client.temporal.operator_service.add_search_attributes(request)

    connected(take_the_name)
    answer = cli("setup", "--namespace", namespace, "--json")
    assert answer.code == 6
    assert "OrisGraph" in answer.error["message"]
    assert "Keyword" in answer.error["message"]


def test_an_unknown_namespace_exits_with_5(cli: Cli) -> None:
    for command in ("setup", "list"):
        answer = cli(command, "--namespace", "no-such-namespace")
        assert answer.code == 5
        assert "no-such-namespace" in answer.err
