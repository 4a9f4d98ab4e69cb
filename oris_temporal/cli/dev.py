"""``dev``: server, worker and facade for work on graphs, with reload on change."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from oris_temporal.config import Address
from oris_temporal.devserver import ChildProcess, DevServer
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.errors import ConfigurationError, ServerUnreachableError, UnavailableError

from . import parser as options
from .call import Call, set_runtime
from .exit_codes import Exit
from .parser import Commands, add_command
from .stack import (
    Facade,
    choose_address,
    embedded_environment,
    require_facade,
    require_package,
    start_worker,
    stop_all,
)
from .stopping import stop_signals
from .style import fields, paint
from .values import existing_directory, file_to_make, port

_USUAL_PORT, _USUAL_UI_PORT = 7233, 8233


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = add_command(
        commands,
        "dev",
        dev,
        "run a Temporal server, a worker and the REST facade for work on graphs",
        "Worker and facade start again when a Python file changes. With --address or TEMPORAL_ADDRESS that server is used. "
        "The facade's control store ends with it, or is beside --db; ORIS_SQLITE_DB and ORIS_POSTGRES_DSN say where it is instead. "
        "Ctrl-C stops everything and exits with 0.",
        options=[options.graphs, options.connection, options.queue],
    )
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--db", type=file_to_make, metavar="FILE", help="SQLite file that keeps runs over restarts (default: in memory)"
    )
    parser.add_argument("--port", type=port, metavar="N", help="port of the server (default: 7233, or a free one)")
    parser.add_argument("--ui-port", type=port, metavar="N", help="port of the Web UI (default: 8233, or a free one)")
    parser.add_argument(
        "--server-addr", metavar="HOST:PORT", help="where the facade listens (ORIS_SERVER_ADDR, else 127.0.0.1:8080)"
    )
    parser.add_argument("--no-reload", action="store_true", help="do not watch for changes")
    parser.add_argument(
        "--watch",
        action="append",
        type=existing_directory,
        metavar="DIR",
        help="directory to watch (default: those the graphs' modules are in)",
    )


@dataclass(frozen=True, slots=True)
class Links:
    """Where everything is.

    Attributes:
        graphs: Names of the graphs.
        address: The Temporal server.
        namespace: The namespace.
        task_queue: The task queue.
        ui: The Web UI; ``None`` if ``dev`` did not start the server and ``ORIS_TEMPORAL_UI`` is not set.
        api: The REST facade.
        docs: Its documentation.
    """

    graphs: list[str]
    address: str
    namespace: str
    task_queue: str
    ui: str | None
    api: str
    docs: str


def dev(call: Call) -> int:
    """``dev``."""
    require_facade()
    if not call.args.no_reload:
        require_package("watchfiles", extra="dev-server", purpose="Reload on change (else pass --no-reload)")
    names = call.graph_names()
    graphs = call.load_graphs()
    set_runtime()
    return asyncio.run(_Dev(call, names, graphs).run())


class _Dev:
    """One ``dev``: its processes, and what to do when something happens to them."""

    def __init__(self, call: Call, names: Sequence[str], graphs: Sequence[CompiledGraph]) -> None:
        self._call = call
        self._names = names
        self._graphs = graphs
        self._out = call.out
        self._server: DevServer | None = None
        self._facade: Facade | None = None
        self._worker: ChildProcess | None = None
        self._env: dict[str, str] = dict(os.environ)
        self._reloading = False
        self._started, self._watching = asyncio.Event(), asyncio.Event()

    async def run(self) -> int:
        with stop_signals() as stop:
            async with AsyncExitStack() as cleanup:
                cleanup.push_async_callback(self._stop)
                work = asyncio.create_task(self._work())
                stopped = asyncio.create_task(stop.wait())
                done, _ = await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if stopped in done:
                    self._out.note("Stopping.")
                for task in (work, stopped):
                    task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await work
        return Exit.OK

    async def _work(self) -> None:
        """Start everything, then look after it until cancelled.

        Raises:
            UnavailableError: The server or the facade ended.
        """
        where = choose_address(self._call.args.server_addr or self._call.settings.server_addr, strict=True)
        changes = asyncio.create_task(self._reload_on_change())
        try:
            links = await self._start(where)
            await asyncio.wait(
                {changes, asyncio.create_task(self._watching.wait())}, return_when=asyncio.FIRST_COMPLETED
            )
            self._started.set()
            if not self._out.quiet:
                self._out.item(links, self._welcome(links))
            await self._look_after(changes)
        finally:
            changes.cancel()
            await asyncio.wait({changes})

    async def _start(self, where: Address) -> Links:
        args, settings = self._call.args, self._call.settings
        ui = settings.ui_url
        if not (args.address or os.environ.get("TEMPORAL_ADDRESS")):
            self._server = DevServer(
                db_filename=args.db,
                namespace=args.namespace or "default",
                port=args.port or _if_free(_USUAL_PORT),
                ui_port=args.ui_port or _if_free(_USUAL_UI_PORT),
            )
            await self._server.start()
            self._env, ui = embedded_environment(self._server), self._server.ui_url
        else:
            self._env |= {"TEMPORAL_ADDRESS": args.address} if args.address else {}
            self._env |= {"TEMPORAL_NAMESPACE": args.namespace} if args.namespace else {}
            await self._check_server()
        self._env |= {"ORIS_TASK_QUEUE": self._call.task_queue, "ORIS_GRAPHS": ",".join(self._names)}
        if ui:
            self._env["ORIS_TEMPORAL_UI"] = ui
        self._start_worker()
        self._facade = Facade(where, self._env, sys.stderr.buffer, store=_beside(args.db))
        await self._facade.until_ready()
        return Links(
            graphs=[graph.name for graph in self._graphs],
            address=self._env.get("TEMPORAL_ADDRESS", ""),
            namespace=self._env.get("TEMPORAL_NAMESPACE", "default"),
            task_queue=self._call.task_queue,
            ui=ui,
            api=self._facade.url,
            docs=f"{self._facade.url}/docs",
        )

    async def _check_server(self) -> None:
        """Tell a wrong address before anything starts."""
        try:
            await self._call.connect()
        except ServerUnreachableError as error:
            message = error.message.partition(" Set TEMPORAL_ADDRESS")[0]
            raise ServerUnreachableError(
                f"{message} Without --address and TEMPORAL_ADDRESS, dev starts a server of its own."
            ) from error

    def _start_worker(self) -> None:
        arguments = ["--quiet", "--grace", "2s"]
        for name in self._names:
            arguments += ["--graphs", name]
        if self._call.args.debug:
            arguments.append("--debug")
        self._worker = start_worker(arguments, self._env, sys.stderr.buffer)

    async def _stop(self) -> None:
        await stop_all(self._worker, self._facade)
        if self._server is not None:
            await self._server.stop()

    # --- while it runs -------------------------------------------------------------------------------------------

    async def _look_after(self, changes: asyncio.Task[None]) -> None:
        told: set[ChildProcess] = set()
        while True:
            await asyncio.sleep(0.2)
            if changes.done():
                changes.result()
            if self._server is not None and not self._server.running:
                raise ServerUnreachableError("The embedded Temporal server has ended.")
            facade = self._facade.child if self._facade is not None else None
            for name, child in (("REST facade", facade), ("worker", self._worker)):
                if child is None or child.running or child in told or self._reloading:
                    continue
                told.add(child)
                ended = f"The {name} has ended with exit code {child.returncode}"
                if self._call.args.no_reload:
                    raise UnavailableError(f"{ended}.")
                self._out.note(f"{ended}; it starts again on a change.")

    async def _reload_on_change(self) -> None:
        """Start worker and facade again whenever a Python file changes, also if that was while they started."""
        if self._call.args.no_reload:
            return
        async for changed in _python_changes(self._call.args.watch or _directories(self._names)):
            self._watching.set()
            if not changed:
                continue
            await self._started.wait()
            self._out.note(f"{', '.join(changed)} changed; worker and facade start again.")
            self._reloading = True
            facade = [] if self._facade is None else [self._facade.restart()]
            await asyncio.gather(self._restart_worker(), *facade)
            self._reloading = False

    async def _restart_worker(self) -> None:
        await stop_all(self._worker)
        self._start_worker()

    def _welcome(self, links: Links) -> str:
        graph = self._graphs[0]
        given = '--input "hello"' if "messages" in graph.schema.fields else "--input-json '{...}'"
        command = f"oris-temporal run {graph.name} {given}"
        if links.address not in ("", f"127.0.0.1:{_USUAL_PORT}", f"localhost:{_USUAL_PORT}"):
            command = f"TEMPORAL_ADDRESS={links.address} {command}"
        shown = fields(
            [
                ("Graphs", ", ".join(links.graphs)),
                ("Web UI", links.ui or ""),
                ("REST docs", links.docs),
                ("Temporal", f"{links.address or 'as configured'}, namespace {links.namespace}"),
                ("Run it", command),
                ("Over REST", self._graph_over_rest()),
            ]
        )
        end = "" if self._call.args.no_reload else "Worker and facade start again when a file changes. "
        return f"\n{shown}\n\n{paint(f'{end}Ctrl-C stops everything.', 'dim')}\n"

    def _graph_over_rest(self) -> str:
        """What a request has to say that starts a run, where the facade has no default graph."""
        if len(self._graphs) == 1 or self._call.settings.default_graph is not None:
            return ""
        return f'name the graph: "graph": "{self._graphs[0].name}" (or set ORIS_DEFAULT_GRAPH)'


def _beside(file: Path | str | None) -> Path | None:
    """The control store's file beside the server's, so that both last equally long."""
    return None if file is None else Path(file).with_suffix(".control.db")


def _if_free(number: int) -> int | None:
    try:
        return choose_address(f"127.0.0.1:{number}", strict=True).port
    except ConfigurationError:
        return None


def _directories(names: Sequence[str]) -> list[str]:
    """The directories of the modules that the graphs are in, each with all that is below it."""
    found: dict[str, None] = {}
    for name in names:
        top = sys.modules[name.partition(":")[0].partition(".")[0]]
        file = getattr(top, "__file__", None)
        places: Mapping[str, None] | list[str] = (
            [str(Path(file).parent)] if file else list(getattr(top, "__path__", []))
        )
        found.update(dict.fromkeys(places))
    return list(found)


async def _python_changes(directories: Sequence[str]) -> AsyncIterator[list[str]]:
    """Names of changed Python files, as they change; an empty list now and then, and so once no change can be missed."""
    from watchfiles import PythonFilter, awatch

    watch = awatch(
        *directories, watch_filter=PythonFilter(), debounce=300, step=50, rust_timeout=500, yield_on_timeout=True
    )
    async for changes in watch:
        yield sorted({Path(path).name for _, path in changes})
