"""A tool that runs commands: an allow-list of programs, no shell."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from datetime import timedelta
from typing import Annotated, BinaryIO

from pydantic import Field

from oris_temporal.graph.duration import Duration, to_timedelta
from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.graph.options import NO_RETRY
from oris_temporal.tools.secrets import check_no_secrets, with_secrets, without_secrets
from oris_temporal.tools.tool import Tool, tool

PATH = "/usr/local/bin:/usr/bin:/bin"

_SECRET = 6
"""Characters of a secret at least: blotting out shorter values would hide numbers and words."""

_GRACE = timedelta(seconds=10)
"""Time the tool has beyond the command's, to say that it took too long."""


def shell_tool(
    allow: Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None = None,
    timeout: Duration = "1m",
    max_output: int = 50_000,
    env: Mapping[str, str] | None = None,
    name: str = "run_command",
    task_queue: str | None = None,
) -> Tool:
    """A tool that runs a program with its arguments. There is no shell: nothing is expanded, piped or redirected.

    The allow-list says which programs may be started, not what they do: one that starts others (``sh``, ``env``, ``find -exec``, ``git``
    with its aliases) allows those as well, and so does one that obeys files which the model may write: ``git`` runs what the
    ``.git/config`` of its directory says, even for ``git status``. Give the worker itself no more rights than the commands may use. A
    command is run once; it is not tried again where its worker was lost.

    Args:
        allow: Programs, by name or absolute path, each with arguments that it must begin with if there are any: ``["ls", "wc -l"]``.
        cwd: Directory it runs in; by default the worker's.
        timeout: Longest time; the program and what it started are killed then, as they are when the call is cancelled.
        max_output: Characters of its output that are kept, half of them from the end.
        env: Environment variables besides ``PATH``, ``HOME`` and ``LANG``. ``env:NAME`` in a value stands for a variable of the worker;
            secrets must be given so.
        name: Name of the tool.
        task_queue: Task queue of the workers that run it.

    Raises:
        ConfigurationError: Nothing is allowed, or a variable looks like a secret.
    """
    allowed = [shlex.split(item) for item in allow]
    if not allowed or not all(allowed):
        raise ConfigurationError("shell_tool: allow needs the programs that may run, such as ['ls', 'wc -l'].")
    check_no_secrets("shell_tool: env", env or {})
    limit = to_timedelta(timeout)
    listed = ", ".join(shlex.join(item) for item in allowed)

    async def run_command(command: Annotated[list[str], Field(min_length=1)]) -> str:
        if not any(command[: len(item)] == item for item in allowed):
            raise ToolError(f"{shlex.join(command):.200} is not allowed. Allowed: {listed}.", kind="permission")
        if any("\0" in part for part in command):
            raise ToolError("A command must not have null characters.", kind="invalid_input")
        variables = {"PATH": PATH, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
        secrets: list[str] = []
        variables.update(with_secrets(f"Tool {name}", env or {}, secrets))
        program = shutil.which(command[0], path=variables["PATH"])
        if program is None:
            raise ToolError(f"The worker has no program {command[0]!r}.", kind="not_found")
        told = await _run([program, *command[1:]], cwd, variables, limit, max_output)
        return without_secrets(told, [secret for secret in secrets if len(secret) >= _SECRET])

    description = f"Run a program and read what it writes. There is no shell: no pipes, no wildcards, no redirection. Allowed: {listed}."
    made = tool(name=name, description=description, timeout=limit + _GRACE, retry=NO_RETRY, task_queue=task_queue)
    run_command.__doc__ = """Run a program.

    Args:
        command: The program and its arguments, each an item of the list.
    """
    return made(run_command)


async def _run(
    command: list[str],
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str],
    limit: timedelta,
    max_output: int,
) -> str:
    output = _Output(max_output)
    # A pipe of our own: asyncio's would make us wait for all that have it open, and not only for the program.
    readable, writable = os.pipe()
    with os.fdopen(readable, "rb") as source:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=cwd,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writable,
                stderr=writable,
                start_new_session=True,  # a group of its own, to be killed with all that it started
            )
        except OSError as error:
            raise ToolError(f"{command[0]} cannot be started: {error.strerror}.") from None
        finally:
            os.close(writable)
        reading = asyncio.create_task(output.read(source))
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await process.wait()
                _kill(process.pid)  # what it left running would keep the output open
                await reading
        except TimeoutError:
            raise ToolError(
                f"It did not end within {limit} and was killed. Its output:\n{output}", kind="timeout"
            ) from None
        finally:
            _kill(process.pid)
            reading.cancel()
            await asyncio.wait({reading})
    status = process.returncode or 0
    ended = f"exit code {status}" if status >= 0 else f"killed by signal {-status}"
    return f"{ended}\n{output}"


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


class _Output:
    """The first and the last bytes that a program writes."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._first = b""
        self._last = b""
        self._size = 0

    async def read(self, source: BinaryIO) -> None:
        """Read a pipe to its end."""
        stream = asyncio.StreamReader()
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), source
        )
        with closing(pipe):
            while data := await stream.read(65_536):
                self._size += len(data)
                room = self._half - len(self._first)
                self._first += data[:room]
                self._last = (self._last + data[room:])[-self._half :]

    def __str__(self) -> str:
        missing = self._size - len(self._first) - len(self._last)
        if missing:
            first, last = (part.decode(errors="replace") for part in (self._first, self._last))
            return f"{first}\n(... {missing:,} bytes are left out here ...)\n{last}"
        return (self._first + self._last).decode(errors="replace")
