"""`ChildProcess`: a process that never outlives this one."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO

_POLL_SECONDS = 0.02

_LAUNCHER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(*map(ctypes.c_ulong, (1, 9, 0, 0, 0)))
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Asks for SIGKILL when the parent dies (PR_SET_PDEATHSIG, which exec keeps), then becomes the real program.

A program of its own because code between fork and exec is unsafe in a process with threads. The check of the
parent's id covers one that died before the request took effect.
"""


class ChildProcess:
    """A process that ends when this one ends, however this one ends.

    It gets its own session: Ctrl-C at the terminal reaches only the parent, which then stops it in order. On
    Linux the kernel kills it when the parent dies, even by SIGKILL; elsewhere it is killed when the
    interpreter exits.

    Args:
        args: Absolute path of the program, and arguments.
        env: Its whole environment; this process's own by default.
        output: Open file for its standard output and standard error; discarded by default.
        pass_fds: Open file descriptors that it inherits, under the same numbers.

    Raises:
        OSError: No process can be made. A program that cannot be executed ends at once with code 1 instead.
    """

    def __init__(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        output: IO[bytes] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._args = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *args]
        self._env = env
        self._output = output
        self._pass_fds = pass_fds
        self._process: subprocess.Popen[bytes]  # there as soon as it is spawned
        self._error: OSError | None = None
        self._spawned = threading.Event()
        self._exited = threading.Event()
        # Linux counts the *thread* that started a process as its parent, so one thread starts it and stays
        # until it has ended.
        threading.Thread(target=self._run, name=f"child:{Path(args[0]).name}", daemon=True).start()
        self._spawned.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._process = subprocess.Popen(
                self._args,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=self._output or subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self._pass_fds,
            )
            _children.add(self)
        except OSError as error:
            self._error = error
            return
        finally:
            self._spawned.set()
        self._process.wait()
        self._exited.set()
        _children.discard(self)

    @property
    def pid(self) -> int:
        """Process id; also the id of its process group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._exited.is_set()

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return None if self.running else self._process.returncode

    async def wait(self, timeout: timedelta | None = None) -> bool:
        """Wait until it has ended.

        Args:
            timeout: Longest time to wait; for ever by default.

        Returns:
            True if it has ended, False if the time ran out.
        """
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout.total_seconds()
        while self.running:
            if end is not None and loop.time() >= end:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def stop(self, grace: timedelta = timedelta(seconds=10)) -> None:
        """End it: SIGTERM, then SIGKILL if it is still there.

        Args:
            grace: Time it gets between the two signals.
        """
        try:
            if self.running:
                self._process.terminate()
            await self.wait(grace)
        finally:  # also when the waiting is cancelled
            self._kill()
        await self.wait()

    async def kill(self) -> None:
        """End it and everything it started with SIGKILL, and wait until it is gone."""
        self._kill()
        await self.wait()

    def _kill(self) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it has just ended
                os.killpg(self.pid, signal.SIGKILL)


_children: set[ChildProcess] = set()


@atexit.register
def _kill_children() -> None:
    for child in list(_children):
        child._kill()
