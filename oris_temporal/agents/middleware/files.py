"""Files that an agent works with."""

from __future__ import annotations

import os

from oris_temporal.tools.builtin import file_tools
from oris_temporal.tools.files import FileBackend, open_files

from .base import Middleware


class FilesMiddleware(Middleware):
    """Gives the agent files: ``ls``, ``read_file``, ``write_file``, ``edit_file``, ``glob`` and ``grep``.

    Args:
        backend: Where they are: a `FileBackend`, or a directory of the worker. Files in the state are the state field ``files``.
        read_only: Leave out the tools that write.
        system_prompt: What the model is told about them.
    """

    def __init__(
        self,
        backend: FileBackend | str | os.PathLike[str],
        *,
        read_only: bool = False,
        system_prompt: str = (
            "You have files; paths begin at the root, as in notes/plan.md. Keep in files what is long or is needed later, and read a file "
            "before you change it. Calls of one turn on the same file are made in their order."
        ),
    ) -> None:
        files = open_files(backend)
        self.tools = file_tools(files, read_only=read_only)
        self.state_schema = files.state_schema
        self.system_prompt = system_prompt
