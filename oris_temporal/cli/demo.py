"""``demo``: a real graph on a real server, from the first node to the last, and what a crash does to it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TextIO

from oris_temporal.client import OrisClient, RunResult
from oris_temporal.config import load_graphs
from oris_temporal.demo.attempts import count_attempts, first_note, ran_again, read_attempts
from oris_temporal.demo.model import FAKE, VARIABLE, choose_model
from oris_temporal.devserver import ChildProcess, DevServer
from oris_temporal.graph.errors import ConflictError, OrisError, UnavailableError
from oris_temporal.models import init_chat_model

from .call import Call, run_path, set_runtime
from .demo_evidence import evidence, model_calls
from .demo_files import find_source, first_lines, make_directory, relative, text_of
from .demo_person import answered_elsewhere, prompt
from .exit_codes import Exit, exit_of_status
from .parser import Commands, add_command
from .progress import Follower, Progress
from .stack import Facade, choose_address, embedded_environment, require_facade, start_worker, stop_all
from .stopping import stop_signals
from .style import fields, is_terminal, one_line, paint, terminal_width
from .values import existing_file

_LOOK_SECONDS = 0.02
_MOMENT_SECONDS = 1.5
_GRAPH_PLACE = "oris_temporal.demo.report:report"


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = add_command(
        commands,
        "demo",
        demo,
        "run a graph before your eyes: an agent researches, a person approves, publish",
        "It starts its own Temporal server, worker and facade. The agent asks the model that a key is there for (OPENAI_API_KEY, "
        "ANTHROPIC_API_KEY; ORIS_DEMO_MODEL names another); without a key it asks none.",
    )
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--input", metavar="TEXT", help="Markdown text to report on (default: this project's README)")
    given.add_argument("--input-file", type=existing_file, metavar="FILE", help="file to report on")
    parser.add_argument(
        "--crash",
        action="store_true",
        default=os.environ.get("CRASH", "") not in ("", "0"),
        help="kill the worker with SIGKILL in the middle of a node (CRASH=1)",
    )
    parser.add_argument("--keep", action="store_true", help="leave the servers up until Ctrl-C, to look at the Web UI")
    parser.add_argument("--dir", default=".oris/demo", metavar="DIR", help="where the files go (default: .oris/demo)")


@dataclass(slots=True)
class DemoReport:
    """How the demo went.

    Attributes:
        status: Status of the run.
        thread_id: Its thread.
        model: The model that was asked.
        report: File that was published, or ``None``.
        directory: Where all files are.
        ui: This run in the Web UI, while the demo runs.
        docs: Documentation of the REST API, while the demo runs.
        attempts: For each node, tool call and model call, how often it started and how often it finished.
        crashed: What the worker was in the middle of when it was killed, or ``None``.
    """

    status: str
    thread_id: str
    model: str
    report: str | None
    directory: str
    ui: str
    docs: str
    attempts: dict[str, dict[str, int]] = field(default_factory=dict)
    crashed: str | None = None


def demo(call: Call) -> int:
    """``demo``."""
    require_facade()
    init_chat_model(choose_model().name)
    set_runtime()
    return asyncio.run(_until_stopped(_Demo(call)))


def _program() -> str:
    """This program, as it is called from here."""
    name = "oris-temporal"
    return name if shutil.which(name) else relative(Path(sys.executable).with_name(name))


async def _until_stopped(demo: _Demo) -> int:
    with stop_signals() as stop:
        async with AsyncExitStack() as cleanup:
            cleanup.push_async_callback(demo.stop)
            work, stopped = asyncio.create_task(demo.run(stop)), asyncio.create_task(stop.wait())
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if work.done():
                return work.result()
            demo.say("\nStopping.")
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, OrisError):
                return await work  # it was about to end
    return Exit.STOPPED


class _Demo:
    """One demo: its processes and its story."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._stream: TextIO = sys.stderr if call.out.json else sys.stdout
        self._directory = make_directory(Path(call.args.dir))
        self._model = choose_model()
        [self._graph] = load_graphs(_GRAPH_PLACE)
        self._thread_id = f"report-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        self._source = find_source(self._directory, text=call.args.input, file=call.args.input_file)
        shown = io.StringIO() if call.out.quiet else self._stream
        self._progress = Progress(shown, live=is_terminal(shown))
        self._log: IO[bytes] = (self._directory / "processes.log").open("ab")
        self._server = DevServer(db_filename=self._directory / "temporal.db", log_file=self._directory / "temporal.log")
        self._env: dict[str, str] = {}
        self._worker: ChildProcess | None = None
        self._facade: Facade | None = None
        self._killed: tuple[str, int] | None = None

    def say(self, text: str) -> None:
        """Tell the person."""
        self._progress.say(text)

    # --- the story -----------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> int:
        """Tell it from beginning to end; the exit code."""
        try:
            return await self._tell(stop)
        except OrisError:
            self.say(f"The logs are in {relative(self._directory)}.")
            raise

    async def _tell(self, stop: asyncio.Event) -> int:
        self.say(f"The agent's model is {self._model.name}, {self._model.reason}.")
        self.say("Starting a Temporal server, a worker and the REST facade ...")
        client = await self._start()
        handle = await client.start(self._graph, self._thread_id, self._input())
        link = f"{self._server.ui_url}{run_path('default', self._thread_id, handle.run_id)}"
        self._introduce(link)
        follower = Follower(client, self._thread_id, self._progress)
        async with follower.following("start"):
            result = await self._first_result(client)
        result = await self._answer(client, follower, result)
        proven = await self._conclude(client, result, link)
        if self._call.args.keep:
            self.say(f"\nThe servers stay up: {link}\nCtrl-C stops them.")
            await self._keep(stop)
        return exit_of_status(result.status) or (Exit.OK if proven else Exit.ERROR)

    async def _start(self) -> OrisClient:
        """Start server, worker and facade."""
        await self._server.start()
        self._env = {
            **embedded_environment(self._server),
            "ORIS_TASK_QUEUE": "oris",
            "ORIS_WORKFLOW_ID_PREFIX": "",
            "ORIS_GRAPHS": "",
            "ORIS_DEFAULT_GRAPH": self._graph.name,
            "ORIS_TEMPORAL_UI": self._server.ui_url or "",
        }
        self._worker = self._start_worker(stall=self._call.args.crash)
        self._facade = Facade(choose_address(self._call.settings.server_addr, strict=False), self._env, self._log)
        client = OrisClient(await self._server.connect())
        await self._facade.until_ready()
        return client

    def _input(self) -> dict[str, Any]:
        return {"source": str(self._source), "directory": str(self._directory)}

    def _introduce(self, link: str) -> None:
        facade = self._facade.url if self._facade is not None else ""
        self.say("")
        self.say(
            fields(
                [
                    ("reads", relative(self._source)),
                    ("this run", link),
                    ("REST docs", f"{facade}/docs"),
                    ("files", relative(self._directory)),
                ]
            )
        )
        self.say("")

    async def _answer(self, client: OrisClient, follower: Follower, result: RunResult) -> RunResult:
        """Answer what the run asks, for as long as it asks."""
        while result.status == "interrupted":
            answer, author = await self._ask(client, result)
            async with follower.following("start"):
                with contextlib.suppress(ConflictError):  # somebody was quicker, in the Web UI or over REST
                    if answer is not None:
                        await client.resume(self._thread_id, answer, author=author)
                result = await client.result(self._thread_id)
        return result

    async def _conclude(self, client: OrisClient, result: RunResult, link: str) -> bool:
        """Tell how it went; whether nothing ran again that had finished, and what was to be killed was."""
        assert self._facade is not None
        entries = [*read_attempts(self._directory), *await model_calls(client, self._thread_id)]
        published = result.values.get("report")
        self.say("")
        if result.error:
            self.say(f"{paint('failed', 'red', self._stream)}: {result.error.get('message')}")
            if result.error.get("code") == "model":
                self.say(
                    f"It asked {self._model.name}, {self._model.reason}. With {VARIABLE}={FAKE} it asks no provider."
                )
        elif published:
            self.say(f"{paint('completed', 'green', self._stream)}: {relative(Path(published))}\n")
            self._quote(text_of(published))
            self.say("")
        else:
            self.say(f"{result.status}: nothing was published.")
        for model, used in result.usage.items():
            self.say(f"{model}: {used}")
        proven = not ran_again(entries)
        if self._killed is not None:
            self.say(
                f"\nWhat ran, as nodes and tools noted it ({relative(self._directory)}/attempts.jsonl) and the history has it:\n"
            )
            self.say(f"{evidence(entries, self._killed[1])}\n")
        elif self._call.args.crash:
            self.say("No worker was killed: no tool was running before the run ended.")
            proven = False
        if not self._call.args.keep and not self._call.out.json:
            self.say(paint(f"To leave the Web UI up: {_program()} demo --keep", "dim", self._stream))
        answer = DemoReport(
            status=result.status,
            thread_id=self._thread_id,
            model=self._model.name,
            report=published,
            directory=str(self._directory),
            ui=link,
            docs=f"{self._facade.url}/docs",
            attempts=count_attempts(entries),
            crashed=self._killed[0] if self._killed is not None else None,
        )
        if self._call.out.json:
            self._call.out.answer(answer, "")
        return proven

    def _quote(self, text: str) -> None:
        """Show the first lines of a text."""
        width = terminal_width(self._stream)
        for line in first_lines(text):
            self.say(f"    {one_line(line, None if width is None else width - 5)}".rstrip())

    async def _keep(self, stop: asyncio.Event) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await stop.wait()

    # --- the person ----------------------------------------------------------------------------------------------

    async def _ask(self, client: OrisClient, result: RunResult) -> tuple[dict[str, Any] | None, str]:
        """The answer and who gave it; no answer if another gave it meanwhile."""
        if not (is_terminal(sys.stdin) and is_terminal(self._stream)) or self._call.out.json:
            self.say("  There is no terminal to ask at, so the demo says yes by itself.")
            await asyncio.sleep(_MOMENT_SECONDS)
            return {"ok": True, "comment": "approved by the demo itself"}, "demo"
        self.say("")
        self._quote(str(result.values.get("findings", "")))
        self.say("")
        asking = asyncio.create_task(prompt(str(result.interrupts[0].value["question"])))
        elsewhere = asyncio.create_task(answered_elsewhere(client, self._thread_id, result.interrupts[0].id))
        done, pending = await asyncio.wait({asking, elsewhere}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if asking not in done:
            self.say("\n  It was answered elsewhere.")
            return None, ""
        self.say("")
        return asking.result(), os.environ.get("USER", "somebody")

    # --- the crash -----------------------------------------------------------------------------------------------

    async def _first_result(self, client: OrisClient) -> RunResult:
        """How far the run gets by itself; if asked to, its worker is killed on the way."""
        result = asyncio.create_task(client.result(self._thread_id))
        crash = asyncio.create_task(self._crash())
        try:
            await asyncio.wait({result, crash}, return_when=asyncio.FIRST_COMPLETED)
            if crash.done():
                await crash
            return await result
        finally:
            result.cancel()
            crash.cancel()

    async def _crash(self) -> None:
        """If asked to, kill the worker once a tool says that it is halfway, and start another."""
        first = self._worker
        if first is None or not self._call.args.crash:
            return
        while (note := first_note(self._directory)) is None:
            if not first.running:
                raise UnavailableError(f"The worker ended by itself. Its log: {self._directory / 'processes.log'}")
            await asyncio.sleep(_LOOK_SECONDS)
        await first.kill()
        self._killed = note.node, first.pid
        skull = paint("✗", "red", self._stream)
        self.say(f"  {skull} worker {first.pid} was killed with SIGKILL in the middle of '{note.node}', {note.text}")
        self._worker = self._start_worker(stall=False)
        self.say(f"  {paint('▸', 'cyan', self._stream)} worker {self._worker.pid} starts in its place")

    def _start_worker(self, *, stall: bool) -> ChildProcess:
        stalling = {"ORIS_DEMO_STALL": "1"} if stall else {}
        return start_worker(
            ["--graphs", _GRAPH_PLACE, "--grace", "1s", "--takeover", "1s"], {**self._env, **stalling}, self._log
        )

    # --- the end -------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Stop everything that was started."""
        self._progress.clear()
        await stop_all(self._worker, self._facade)
        await self._server.stop()
        self._log.close()
