"""``stream``: what happens in a run, as it happens."""

from __future__ import annotations

from oris_temporal.client import OrisClient
from oris_temporal.graph.errors import RunFailedError
from oris_temporal.graph.results import StreamChunk
from oris_temporal.graph.streaming import MODES, read_cursor

from .call import Call, online
from .exit_codes import Exit
from .parser import Commands, add_command, connection, thread
from .render import compact
from .style import paint


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = add_command(
        commands,
        "stream",
        online(stream),
        "print what happens in a thread's latest run, as it happens",
        "As JSON, one chunk a line. It ends when the run settles, with --follow when the run ends; if it failed, with its error.",
        options=[thread, connection],
    )
    parser.add_argument(
        "--mode",
        action="append",
        metavar="MODE",
        help=f"{', '.join(MODES)}; also several or with commas (default: updates)",
    )
    parser.add_argument(
        "--cursor", metavar="CURSOR", help="go on after this chunk (default: from the start of the run)"
    )
    parser.add_argument("--subgraphs", action="store_true", help="include what happens inside subgraphs")
    parser.add_argument("--follow", action="store_true", help="go on while the run waits for people")


async def stream(call: Call, client: OrisClient) -> int:
    """``stream``."""
    args = call.args
    modes = [mode.strip() for item in args.mode or ["updates"] for mode in item.split(",") if mode.strip()]
    call.goes_on = f"The run of thread {args.thread} is not affected."
    chunks = client.stream(args.thread, mode=modes, cursor=args.cursor, subgraphs=args.subgraphs, follow=args.follow)
    before = read_cursor(args.cursor).run
    async for chunk in chunks:
        ordinal = read_cursor(chunk.cursor).run
        if before not in (0, ordinal):
            call.out.note(f"The cursor is one of run {before}; this is run {ordinal} of the thread, from its start.")
        before = ordinal
        call.out.item(chunk, _text(chunk))
    run = await client.inspect(args.thread)
    if run.error is None:
        return Exit.OK
    code = str(run.error.get("code", "unknown"))
    call.out.error(RunFailedError(str(run.error.get("message", "The run failed.")), failure=code))
    return Exit.FAILED


def _text(chunk: StreamChunk) -> str:
    where = f"{chunk.namespace}  " if chunk.namespace else ""
    return f"{paint(f'{chunk.cursor:<6} {chunk.mode:<8}', 'dim')} {where}{compact(chunk.data)}"
