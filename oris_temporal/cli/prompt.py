"""Asking a person at the terminal, without holding up anything else."""

from __future__ import annotations

import asyncio
import threading


async def ask_yes_or_no(question: str) -> bool:
    """A yes or a no; Ctrl-D is a no."""
    text = ""
    while text not in ("y", "yes", "n", "no"):
        text = (await ask_line(f"{question} [y/n] ", at_end="n")).strip().lower()
    return text.startswith("y")


async def ask_line(prompt: str, *, at_end: str = "") -> str:
    """A line from the terminal.

    Args:
        prompt: What to print first.
        at_end: The line if the person closes the input (Ctrl-D).
    """
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def deliver(text: str) -> None:
        if not line.done():
            line.set_result(text)

    def read() -> None:
        try:
            text = input(prompt)
        except EOFError:
            text = at_end
        loop.call_soon_threadsafe(deliver, text)

    # A thread that nobody waits for, unlike those of the loop's pool: the person may press Ctrl-C instead.
    threading.Thread(target=read, name="prompt", daemon=True).start()
    return await line
