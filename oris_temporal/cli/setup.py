"""``setup``: registering the search attributes on an existing cluster."""

from __future__ import annotations

from dataclasses import dataclass, field

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from oris_temporal.client import OrisClient
from oris_temporal.client.failures import typed
from oris_temporal.graph.errors import NotSetUpError, OrisError
from oris_temporal.workflows.search_attributes import SEARCH_ATTRIBUTES, type_name

from .call import Call, online
from .exit_codes import Exit
from .parser import Commands, add_command, connection
from .style import table


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    add_command(
        commands,
        "setup",
        online(set_up),
        "register the search attributes of this package in a namespace",
        "It may be repeated: what is there stays as it is.",
        options=[connection],
    )


@dataclass(slots=True)
class SetupReport:
    """What ``setup`` did.

    Attributes:
        namespace: The namespace.
        added: Search attributes that were registered now: name and type.
        present: Search attributes that were there already: name and type.
    """

    namespace: str
    added: dict[str, str] = field(default_factory=dict)
    present: dict[str, str] = field(default_factory=dict)


async def set_up(call: Call, client: OrisClient) -> int:
    """``setup``."""
    report = await register(client.temporal)
    rows = [[name, kind, "added"] for name, kind in report.added.items()]
    rows += [[name, kind, "was there"] for name, kind in report.present.items()]
    call.out.answer(report, table(["SEARCH ATTRIBUTE", "TYPE", "RESULT"], rows))
    if report.added:
        call.out.note(f"Namespace {report.namespace} is set up. The servers may take up to a minute to take notice.")
    return Exit.OK


async def register(client: Client) -> SetupReport:
    """Register the search attributes that a namespace lacks.

    Raises:
        NotSetUpError: The server refuses, or has one of them under another type; the message says what to do.
    """
    namespace = client.namespace
    try:
        listed = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
        report = _compare(namespace, dict(listed.custom_attributes))
        if report.added:
            missing = {name: SEARCH_ATTRIBUTES[name].indexed_value_type.value for name in report.added}
            request = AddSearchAttributesRequest(namespace=namespace)
            for name, kind in missing.items():
                request.search_attributes[name] = IndexedValueType.ValueType(kind)
            await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        raise _explain(error, namespace) from error
    return report


def _compare(namespace: str, there: dict[str, IndexedValueType.ValueType]) -> SetupReport:
    report = SetupReport(namespace)
    for name, key in SEARCH_ATTRIBUTES.items():
        if name not in there:
            report.added[name] = type_name(key)
        elif there[name] == key.indexed_value_type.value:
            report.present[name] = type_name(key)
        else:
            raise NotSetUpError(
                f"Namespace '{namespace}' has a search attribute '{name}' of another type "
                f"({IndexedValueType.Name(there[name])}); it must be {type_name(key)}. Remove or rename that one, or use "
                "another namespace.",
                attribute=name,
            )
    return report


def _explain(error: RPCError, namespace: str) -> OrisError:
    if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED):
        wanted = ", ".join(f"{name} ({type_name(key)})" for name, key in SEARCH_ATTRIBUTES.items())
        return NotSetUpError(
            f"The server does not let this client register search attributes in namespace '{namespace}' "
            f"({error.message}). Ask an operator of the cluster; on Temporal Cloud add them to the namespace with its web "
            f"console, tcld or Terraform. They are: {wanted}.",
            namespace=namespace,
        )
    return typed(error, f"register search attributes in namespace '{namespace}'")
