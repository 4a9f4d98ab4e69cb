"""Ending: in order when asked to (Ctrl-C, SIGTERM, a closed terminal), and always with this program's own exit code."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from .exit_codes import Exit

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that is set when this process is asked to end.

    Asked a second time, the process ends at once, and its `ChildProcess` children with it.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set():
            leave(Exit.STOPPED)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, asked)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def leave(code: int) -> NoReturn:
    """End this process at once with an exit code, after what is registered with `atexit`.

    The interpreter is not taken down: a process that ran a Temporal worker may crash then (CPython 3.11 aborts one time in
    five), and would report that in place of its own code.
    """
    with suppress(Exception):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
