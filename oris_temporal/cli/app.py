"""The program: parsing the command line, running a command, leaving with its exit code."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from temporalio.service import RPCError

from oris_temporal.client.failures import typed
from oris_temporal.config import Settings
from oris_temporal.graph.errors import OrisError

from .call import Call
from .exit_codes import Exit, exit_of_error
from .logs import BriefFormatter
from .output import Output
from .parser import build_parser
from .stopping import leave


def main() -> NoReturn:
    """Run the command line of this process and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    leave(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Run one command.

    Args:
        argv: Arguments, without the program's name.

    Returns:
        The exit code, see `Exit`.
    """
    out = Output(json="--json" in argv)
    debug = "--debug" in argv
    call: Call | None = None
    try:
        args = build_parser().parse_args(argv or ["--help"])
        out = Output(json=args.json, quiet=args.quiet)
        _configure_logging(args)
        call = Call(args, Settings.from_env(), out)
        return int(args.handler(call))
    except SystemExit:  # --help and --version
        return Exit.OK if argv else Exit.USAGE
    except KeyboardInterrupt:
        if call is not None and call.goes_on:
            out.note(f"\n{call.goes_on}")
        return Exit.STOPPED
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:
        if debug:
            traceback.print_exc()
        known = _as_known(error)
        out.error(known)
        return exit_of_error(known)


def _as_known(error: Exception) -> OrisError:
    if isinstance(error, OrisError):
        return error
    if isinstance(error, RPCError):
        return typed(error, "finish the command")
    detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return OrisError(f"Unexpected {detail}. Run the same command with --debug to see where it comes from.")


def _configure_logging(args: argparse.Namespace) -> None:
    level = "DEBUG" if args.debug else getattr(args, "log_level", "WARNING")
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(form) if args.debug else BriefFormatter(form))
    logging.basicConfig(level=level, handlers=[handler])
    # asyncio complains of answers that nobody waits for any more, as after Ctrl-C; that helps only those who work on us.
    logging.getLogger("asyncio").setLevel(logging.INFO if args.debug else logging.CRITICAL)
