"""Runtime guard of workflow-side user code: stops effects that a replay would repeat or could not repeat.

Graph code reaches the worker as objects, outside of the SDK's sandbox. While it runs in a workflow task, an
audit hook (`sys.addaudithook`) watches what the interpreter does, and raises `DeterminismError` before a file
is opened, a connection is made, a program or thread is started or the thread is put to sleep.

What the interpreter does not audit is invisible here: clocks, random numbers, `uuid`, reading `os.environ`,
the order of sets, system calls of C extensions; threads before CPython 3.12, `time.sleep` before 3.13. The
lint of `graph.lint` and replay tests cover those.
"""

from __future__ import annotations

import sys
import threading
import zoneinfo
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from temporalio import workflow

from oris_temporal.graph.errors import DeterminismError

_ACTIVITY = "do it in an activity node, or through ctx.activity()"
_SLEEP = "use await ctx.sleep()"

# Audit event -> what the code did, and the remedy. `{}` is the first argument of the event, where it may be
# shown: command lines and full URLs may carry secrets.
_EFFECTS: Mapping[str, tuple[str, str]] = {
    "open": ("opened the file {}", _ACTIVITY),
    "os.listdir": ("listed the directory {}", _ACTIVITY),
    "os.scandir": ("listed the directory {}", _ACTIVITY),
    "os.remove": ("removed the file {}", _ACTIVITY),
    "os.rename": ("renamed the file {}", _ACTIVITY),
    "os.mkdir": ("made the directory {}", _ACTIVITY),
    "os.rmdir": ("removed the directory {}", _ACTIVITY),
    "os.link": ("linked the file {}", _ACTIVITY),
    "os.symlink": ("linked the file {}", _ACTIVITY),
    "os.truncate": ("truncated the file {}", _ACTIVITY),
    "os.chmod": ("changed the mode of {}", _ACTIVITY),
    "os.chown": ("changed the owner of {}", _ACTIVITY),
    "os.utime": ("changed the times of {}", _ACTIVITY),
    "os.chdir": ("changed the working directory", _ACTIVITY),
    "os.putenv": ("changed the environment of the process", _ACTIVITY),
    "os.unsetenv": ("changed the environment of the process", _ACTIVITY),
    "shutil.copyfile": ("copied the file {}", _ACTIVITY),
    "shutil.copytree": ("copied the directory {}", _ACTIVITY),
    "shutil.move": ("moved the file {}", _ACTIVITY),
    "shutil.rmtree": ("removed the directory {}", _ACTIVITY),
    "shutil.make_archive": ("made the archive {}", _ACTIVITY),
    "shutil.unpack_archive": ("unpacked the archive {}", _ACTIVITY),
    "tempfile.mkstemp": ("made a temporary file", _ACTIVITY),
    "tempfile.mkdtemp": ("made a temporary directory", _ACTIVITY),
    "sqlite3.connect": ("opened a database", _ACTIVITY),
    "socket.connect": ("opened a network connection", _ACTIVITY),
    "socket.bind": ("bound a network socket", _ACTIVITY),
    "socket.sendto": ("sent to the network", _ACTIVITY),
    "socket.sendmsg": ("sent to the network", _ACTIVITY),
    "socket.getaddrinfo": ("looked up the host {}", _ACTIVITY),
    "socket.gethostbyname": ("looked up the host {}", _ACTIVITY),
    "socket.gethostbyaddr": ("looked up the address {}", _ACTIVITY),
    "socket.gethostname": ("asked for the name of the machine", _ACTIVITY),
    "urllib.Request": ("sent an HTTP request to {}", _ACTIVITY),
    "http.client.connect": ("opened a network connection", _ACTIVITY),
    "subprocess.Popen": ("started the program {}", _ACTIVITY),
    "os.system": ("ran a shell command", _ACTIVITY),
    "os.exec": ("started the program {}", _ACTIVITY),
    "os.posix_spawn": ("started the program {}", _ACTIVITY),
    "os.spawn": ("started a program", _ACTIVITY),
    "os.startfile": ("started the program for {}", _ACTIVITY),
    "os.fork": ("forked the process", _ACTIVITY),
    "os.forkpty": ("forked the process", _ACTIVITY),
    "pty.spawn": ("started a program", _ACTIVITY),
    "os.kill": ("sent a signal to a process", _ACTIVITY),
    "_thread.start_new_thread": ("started a thread", _ACTIVITY),
    "_thread.start_joinable_thread": ("started a thread", _ACTIVITY),
    "time.sleep": ("put the thread to sleep", _SLEEP),
}

# Modules that may do all this in the name of guarded code, because the run does not depend on it.
_EXEMPT_MODULES = frozenset(
    {
        # imports, and data that is installed with Python
        *("importlib", "_frozen_importlib", "_frozen_importlib_external", "zipimport", "pkgutil", "zoneinfo"),
        # reports
        *("logging", "warnings", "_py_warnings", "linecache", "tokenize", "traceback", "tracemalloc"),
        # finalizers: any object may happen to be collected while guarded code runs
        "weakref",
        # tools that watch the program
        *("bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy", "coverage"),
    }
)

_MAX_SHOWN = 80

_owner: ContextVar[str | None] = ContextVar("oris_guarded_owner", default=None)
_hooks: list[Callable[[str, tuple[Any, ...]], None]] = []
_hooks_lock = threading.Lock()


def guarded(owner: str) -> AbstractContextManager[None]:
    """Mark that workflow-side user code of a node, router or reducer runs.

    Inside of a Temporal workflow task, the marked code gets a `DeterminismError` where it would touch files,
    the network, processes or threads, before anything happens. Anywhere else the mark changes nothing.

    The mark follows the code: it survives `await` and goes along to tasks that the code creates. It does not
    reach coroutines that run in between, if they run in tasks of their own that were created outside of the
    block. Do not use it around the `yield` of a generator, which runs in the context of whoever iterates.

    Args:
        owner: Full name to report, ``graph.node``.
    """
    return _Marked(owner)


def unguarded() -> AbstractContextManager[None]:
    """Lift the mark, for engine code that user code called into and for tasks that such code creates."""
    return _Marked(None)


class _Marked:
    """The mark, as a context manager: a class, because every workflow-side call enters one."""

    __slots__ = ("_owner", "_token")

    def __init__(self, owner: str | None) -> None:
        self._owner = owner

    def __enter__(self) -> None:
        _install()
        self._token = _owner.set(self._owner)

    def __exit__(self, *_: object) -> None:
        try:  # noqa: SIM105 - every node comes by here, and `suppress` costs more
            _owner.reset(self._token)
        except ValueError:  # a coroutine that was dropped is closed in the context of another
            pass


def _install() -> None:
    """Add the audit hook, once per process: hooks cannot be removed."""
    if _hooks:
        return
    with _hooks_lock:
        if not _hooks:
            hook = _make_hook()
            sys.addaudithook(hook)
            _hooks.append(hook)


def _make_hook() -> Callable[[str, tuple[Any, ...]], None]:
    # Bound to the closure, not read from the module: at interpreter shutdown the module may be emptied first.
    effects, owner_of_context, in_workflow = _EFFECTS, _owner.get, workflow.in_workflow

    def hook(event: str, args: tuple[Any, ...]) -> None:
        # Audit events are frequent, and most are none of these: leave as early as possible.
        if event not in effects:
            return
        owner = owner_of_context()
        if owner is None or not in_workflow():
            return
        if not _is_exempt(event, args):
            raise _violation(owner, event, args)

    return hook


def _is_exempt(event: str, args: tuple[Any, ...]) -> bool:
    # Opening a number wraps a descriptor that is open already.
    if event == "open" and (isinstance(args[0], int) or _is_time_zone(args[0])):
        return True
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if module == "asyncio.events":  # the loop runs a step of the task; below is nothing of the user's
            return False
        if frame.f_code.co_name == "__del__":  # a finalizer
            return True
        if isinstance(module, str) and module.partition(".")[0] in _EXEMPT_MODULES:
            return True
        frame = frame.f_back
    return False


def _is_time_zone(path: object) -> bool:
    # The C code of zoneinfo opens its files without a frame of its own.
    return isinstance(path, str) and path.startswith(tuple(zoneinfo.TZPATH))


def _violation(owner: str, event: str, args: tuple[Any, ...]) -> DeterminismError:
    did, remedy = _EFFECTS[event]
    if "{}" in did:
        did = did.format(_shown(event, args))
    return DeterminismError(
        f"{owner} {did} in workflow code, which a replay cannot repeat; {remedy}.", node=owner, event=event
    )


def _shown(event: str, args: tuple[Any, ...]) -> str:
    subject = args[0] if args else ""
    if event == "urllib.Request":
        subject = urlsplit(str(subject)).hostname or ""
    text = repr(subject)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
