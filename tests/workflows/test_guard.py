"""The runtime guard, on a real server: what workflow-side code may not do, may do, and who is affected."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import importlib
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request
import uuid
import warnings
import zoneinfo
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from oris_temporal.graph.errors import DeterminismError, GraphError
from oris_temporal.workflows.guard import guarded, unguarded

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUEUE = "guard-test"
LOGGER = logging.getLogger("tests.guard")
Scenario = Callable[[str], Any]


# --- what guarded code may not do -----------------------------------------------------------------------

FORBIDDEN: dict[str, tuple[Scenario, str]] = {
    "open": (lambda d: open(f"{d}/new", "w"), "opened the file"),  # noqa: SIM115
    "read_text": (lambda d: Path(d, "old").read_text(), "opened the file"),
    "low_level_open": (lambda d: os.open(f"{d}/new", os.O_CREAT), "opened the file"),
    "listdir": (os.listdir, "listed the directory"),
    "glob": (lambda d: list(Path(d).glob("*")), "listed the directory"),
    "remove": (lambda d: os.remove(f"{d}/old"), "removed the file"),
    "rename": (lambda d: os.rename(f"{d}/old", f"{d}/new"), "renamed the file"),
    "mkdir": (lambda d: os.mkdir(f"{d}/new"), "made the directory"),
    "rmtree": (shutil.rmtree, "removed the directory"),
    "mkstemp": (lambda d: tempfile.mkstemp(dir=d), "made a temporary file"),
    "sqlite": (lambda d: sqlite3.connect(f"{d}/new"), "opened a database"),
    "getaddrinfo": (lambda _: socket.getaddrinfo("localhost", 1), "looked up the host 'localhost'"),
    "connect": (lambda _: socket.create_connection(("127.0.0.1", 1)), "looked up the host '127.0.0.1'"),
    "connect_ip": (lambda _: socket.socket().connect(("127.0.0.1", 1)), "opened a network connection"),
    "bind": (lambda _: socket.socket().bind(("127.0.0.1", 0)), "bound a network socket"),
    "urlopen": (lambda _: urllib.request.urlopen("http://localhost:1/?key=secret"), "request to 'localhost'"),
    "subprocess": (lambda _: subprocess.run(["touch", "secret"], check=False), "started the program 'touch'"),
    "system": (lambda _: os.system("echo secret"), "ran a shell command"),
}
if sys.version_info >= (3, 12):
    FORBIDDEN["thread"] = (lambda _: threading.Thread(target=print).start(), "started a thread")
    FORBIDDEN["executor"] = (lambda _: ThreadPoolExecutor().submit(print), "started a thread")
if sys.version_info >= (3, 13):
    FORBIDDEN["sleep"] = (lambda _: time.sleep(0), "put the thread to sleep")

# --- what guarded code may do ---------------------------------------------------------------------------


def import_module(directory: str) -> str:
    """Import a module that is new, and that reads a file of its own when it is imported."""
    name = f"guard_module_{uuid.uuid4().hex}"
    with unguarded():
        Path(directory, f"{name}.py").write_text("TEXT = open(__file__).read()\nimport json.tool\n")
        sys.modules.pop("json.tool", None)
    sys.path.insert(0, directory)
    importlib.invalidate_caches()
    try:
        exec(f"import {name}")
        return str(importlib.import_module(name).TEXT)
    finally:
        sys.path.remove(directory)


def log_to_file(directory: str) -> None:
    """Log to a handler that opens its file with the first record."""
    handler = logging.FileHandler(f"{directory}/log", delay=True)
    LOGGER.addHandler(handler)
    try:
        LOGGER.warning("from the workflow")
        workflow.logger.warning("with the SDK's logger")
    finally:
        LOGGER.removeHandler(handler)
        handler.close()


def report_an_error(_: str) -> str:
    import linecache

    linecache.clearcache()
    try:
        raise ValueError("with source lines")
    except ValueError:
        warnings.warn("a warning reads source lines as well", stacklevel=1)
        return traceback.format_exc()


def finalize_garbage(directory: str) -> None:
    """Collect an object of somebody else whose finalizer removes a directory."""
    with unguarded():
        holder = [tempfile.TemporaryDirectory(dir=directory)]
        holder.append(holder)  # type: ignore[arg-type]
    del holder
    gc.collect()


def time_zone(_: str) -> str:
    zoneinfo.ZoneInfo.clear_cache()
    return str(zoneinfo.ZoneInfo("Europe/Berlin").utcoffset(workflow.now()))


def read_unguarded(directory: str) -> str:
    with unguarded():
        return Path(directory, "old").read_text()


ALLOWED: dict[str, Scenario] = {
    "import": import_module,
    "logging": log_to_file,
    "traceback": report_an_error,
    "finalizer": finalize_garbage,
    "time_zone": time_zone,
    "print": lambda _: print("printed by a workflow"),
    "environment": lambda _: os.environ.get("HOME", ""),  # not seen; the lint finds it
    "unguarded": read_unguarded,
}


# --- who is affected ------------------------------------------------------------------------------------


async def before_and_after(directory: str) -> list[str]:
    file = Path(directory, "old")
    texts = [file.read_text()]
    with guarded("review.approve"):
        await asyncio.sleep(0.01)
        with pytest.raises(DeterminismError):
            file.read_text()
    return [*texts, file.read_text()]


async def other_tasks(directory: str) -> list[str]:
    """An engine's task reads while a node waits inside of its guard."""
    file = Path(directory, "old")
    inside, read = asyncio.Event(), asyncio.Event()

    async def node(name: str) -> str:
        with guarded(f"review.{name}"):
            inside.set()
            await read.wait()
            return _attempt(file)

    async def engine() -> str:
        await inside.wait()
        text = file.read_text()
        read.set()
        return text

    return list(await asyncio.gather(node("one"), engine(), node("two"), asyncio.sleep(0.01, "slept")))


async def child_tasks(directory: str) -> list[str]:
    """Tasks that a node creates are guarded; what the engine starts for it is not."""
    file = Path(directory, "old")

    async def attempt() -> str:
        await asyncio.sleep(0.01)
        return _attempt(file)

    with guarded("review.approve"):
        own = asyncio.create_task(attempt())
        with unguarded():
            engines = asyncio.create_task(attempt())
    return [await own, await engines, _attempt(file)]


async def nested(directory: str) -> list[str]:
    file = Path(directory, "old")
    with guarded("review.outer"):
        with guarded("review.inner"):
            first = _attempt(file)
        return [first, _attempt(file)]


async def activity_meanwhile(directory: str) -> list[str]:
    """An activity in the same process reads while the node waits for it."""
    with guarded("review.approve"):
        text = await workflow.execute_activity(read_file, directory, start_to_close_timeout=timedelta(seconds=5))
        return [text, _attempt(Path(directory, "old"))]


async def dropped_coroutine(directory: str) -> list[str]:
    """A coroutine that is closed in another context neither fails nor lifts the guard of that context."""

    async def node() -> None:
        with guarded("review.dropped"):
            await asyncio.Event().wait()

    coroutine = node()
    contextvars.copy_context().run(coroutine.send, None)
    with guarded("review.approve"):
        coroutine.close()
        return [_attempt(Path(directory, "old"))]


def _attempt(file: Path) -> str:
    try:
        return file.read_text()
    except DeterminismError as error:
        return str(error.details["node"])


AFFECTED: dict[str, tuple[Callable[[str], Any], list[str]]] = {
    "before_and_after": (before_and_after, ["text", "text"]),
    "other_tasks": (other_tasks, ["review.one", "text", "review.two", "slept"]),
    "child_tasks": (child_tasks, ["review.approve", "text", "text"]),
    "nested": (nested, ["review.inner", "review.outer"]),
    "activity_meanwhile": (activity_meanwhile, ["text", "review.approve"]),
    "dropped_coroutine": (dropped_coroutine, ["review.approve"]),
}


# --- the workflow ---------------------------------------------------------------------------------------


@activity.defn
def read_file(directory: str) -> str:
    time.sleep(0.01)
    return Path(directory, "old").read_text()


@workflow.defn(sandboxed=False, failure_exception_types=[GraphError])
class GuardWorkflow:
    @workflow.run
    async def run(self, scenario: str, directory: str) -> Any:
        if scenario in AFFECTED:
            return await AFFECTED[scenario][0](directory)
        code = FORBIDDEN[scenario][0] if scenario in FORBIDDEN else ALLOWED[scenario]
        with guarded("review.approve"):
            await asyncio.sleep(0)
            code(directory)
        return "done"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[Client]:
    async with (
        await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
            dev_server_extra_args=["--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000"],
        ) as env,
        Worker(
            env.client,
            task_queue=QUEUE,
            workflows=[GuardWorkflow],
            activities=[read_file],
            activity_executor=ThreadPoolExecutor(2),
            max_cached_workflows=0,  # every workflow task replays
            max_concurrent_workflow_task_polls=1,
        ),
    ):
        yield env.client


@pytest.fixture
def directory(tmp_path: Path) -> str:
    (tmp_path / "old").write_text("text")
    return str(tmp_path)


async def start(client: Client, scenario: str, directory: str) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(
        GuardWorkflow.run,
        args=[scenario, directory],
        id=f"guard-{uuid.uuid4()}",
        task_queue=QUEUE,
        execution_timeout=timedelta(seconds=20),
    )


@pytest.mark.parametrize("scenario", FORBIDDEN)
async def test_an_effect_fails_the_run_at_once(client: Client, scenario: str, directory: str) -> None:
    handle = await start(client, scenario, directory)
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "DeterminismError"
    assert cause.message.startswith("review.approve ")
    assert FORBIDDEN[scenario][1] in cause.message
    assert " in workflow code, which a replay cannot repeat; " in cause.message
    assert "ctx." in cause.message
    assert "secret" not in cause.message
    assert os.listdir(directory) == ["old"]
    events = [event.event_type for event in (await handle.fetch_history()).events]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in events
    assert len(events) == 5


@pytest.mark.filterwarnings("ignore:a warning reads source lines")
@pytest.mark.parametrize("scenario", ALLOWED)
async def test_what_a_run_does_not_depend_on_is_fine(client: Client, scenario: str, directory: str) -> None:
    handle = await start(client, scenario, directory)
    assert await handle.result() == "done"
    if scenario == "logging":
        assert Path(directory, "log").read_text() == "from the workflow\n"
    if scenario == "finalizer":
        assert os.listdir(directory) == ["old"]


@pytest.mark.parametrize("scenario", AFFECTED)
async def test_only_the_guarded_code_is_affected(client: Client, scenario: str, directory: str) -> None:
    handle = await start(client, scenario, directory)
    assert await handle.result() == AFFECTED[scenario][1]


async def test_outside_of_a_workflow_the_mark_changes_nothing(directory: str) -> None:
    file = Path(directory, "old")
    with guarded("review.approve"):
        assert file.read_text() == "text"
        assert await asyncio.to_thread(file.read_text) == "text"
        time.sleep(0)
        await asyncio.sleep(0)
    context = contextvars.copy_context()
    assert context.run(file.read_text) == "text"


async def test_a_process_that_used_the_guard_exits_cleanly(directory: str) -> None:
    program = """
import atexit, threading
from oris_temporal.workflows.guard import guarded

PATH = __file__

class Late:
    def __del__(self, path=__file__, open=open):
        open(path).close()

late = Late()
atexit.register(lambda: open(PATH).close())
mark = guarded("review.approve")
mark.__enter__()
threading.Thread(target=lambda: open(PATH).close()).start()
print("ran")
"""
    script = Path(directory, "program.py")
    script.write_text(program)
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")
