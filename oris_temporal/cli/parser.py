"""The parser: the commands in the order of the help, and the options they share."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from typing import Any, NoReturn, TypeAlias

from .call import Handler
from .exit_codes import TABLE
from .values import UsageError, duration, thread_id

_MODULES = ("dev", "worker", "runs", "reading", "streaming", "graphs", "verify", "setup", "keys", "db", "demo")

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""What a module's ``add_commands`` adds its commands to."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help with the lines of descriptions as they are written, in columns wide enough for our options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=min(110, shutil.get_terminal_size((110, 24)).columns))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        filled = []
        for line in text.splitlines():
            behind = re.match(r" *(\d+ +)?", line)  # an exit code
            hanging = " " * (behind.end() if behind else 0)
            filled.append(textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent + hanging))
        return "\n".join(filled)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are `UsageError`."""

    def error(self, message: str) -> NoReturn:
        """Report a wrong command line."""
        sentence = message[:1].upper() + message[1:].rstrip(".")
        raise UsageError(f"{sentence}. See: {self.prog} --help")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; arguments that nobody knows are reported by the command that was given them."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            parsed.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed


def build_parser() -> Parser:
    """The whole parser."""
    parser = Parser(
        prog="oris-temporal",
        description="Run Oris graphs as durable Temporal workflows.",
        epilog=TABLE,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"oris-temporal {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for name in _MODULES:
        import_module(f".{name}", __package__).add_commands(commands)
    return parser


def add_command(
    commands: Commands,
    name: str,
    handler: Handler,
    summary: str,
    description: str = "",
    *,
    options: Sequence[Callable[[argparse.ArgumentParser], None]] = (),
) -> Parser:
    """Add a command with the options that every command has.

    Args:
        commands: The commands so far.
        name: Its name.
        handler: What it does.
        summary: Its line in the list of commands.
        description: What its own help says beyond that.
        options: Groups of shared options to add, see below.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. {description}".strip(),
        epilog=TABLE,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.set_defaults(handler=handler, parser=parser, address=None, namespace=None, task_queue=None, graphs=None)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--quiet", action="store_true", help="print no progress and no notes")
    parser.add_argument("--debug", action="store_true", help="log everything, and show where an error comes from")
    for add in options:
        add(parser)
    return parser


def add_group(commands: Commands, name: str, summary: str, description: str) -> Commands:
    """Add a command that has commands of its own; returns what these are added to."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. {description}".strip(),
        formatter_class=_Help,
        allow_abbrev=False,
    )
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)


def connection(parser: argparse.ArgumentParser) -> None:
    """Where Temporal is."""
    group = parser.add_argument_group("connection, in place of Temporal's own configuration")
    group.add_argument("--address", metavar="HOST:PORT", help="Temporal server (TEMPORAL_ADDRESS)")
    group.add_argument("--namespace", metavar="NAME", help="Temporal namespace (TEMPORAL_NAMESPACE)")


def queue(parser: argparse.ArgumentParser) -> None:
    """Where the workers are."""
    parser.add_argument("--task-queue", metavar="NAME", help="task queue of the workers (ORIS_TASK_QUEUE, else 'oris')")


def graphs(parser: argparse.ArgumentParser) -> None:
    """Which graphs."""
    parser.add_argument(
        "--graphs",
        action="append",
        metavar="MODULE:NAME",
        help="graphs, as package.module:name, also several or with commas (ORIS_GRAPHS)",
    )


def thread(parser: argparse.ArgumentParser) -> None:
    """Which thread."""
    parser.add_argument("thread", type=thread_id, metavar="THREAD", help="thread id")


def wait(parser: argparse.ArgumentParser) -> None:
    """How long to wait."""
    parser.add_argument(
        "--wait", type=duration, metavar="TIME", help="longest wait, such as 30s; then exit with 7 (default: no limit)"
    )


def _version() -> str:
    try:
        return metadata.version("oris-temporal")
    except metadata.PackageNotFoundError:
        return "(not installed)"
