"""Ports of the loopback interface."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from pathlib import Path

from oris_temporal.graph.errors import ConfigurationError

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Find loopback ports that nothing listens on.

    They lie below the range from which the kernel takes ports for outgoing connections: a client that keeps
    trying to reconnect to a killed server could otherwise be given the server's own port and keep the server
    from coming back.

    Args:
        count: How many, all different.

    Returns:
        The ports. Nothing reserves them, so bind them soon.

    Raises:
        ConfigurationError: There are not so many.
    """
    candidates = random.SystemRandom().sample(range(10_240, max(_ephemeral_start(), 20_480)), k=50 * count)
    found = [port for port in candidates if _is_free(port)]
    if len(found) < count:
        raise ConfigurationError(f"There are not {count} free ports on {HOST}.")
    return found[:count]


def _ephemeral_start() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):  # not Linux: the range that IANA names starts here
        return 49_152


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does: closed connections do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def require_free(ports: Iterable[int]) -> None:
    """Refuse ports that another program listens on.

    Raises:
        ConfigurationError: One of them is in use.
    """
    for port in ports:
        if not _is_free(port):
            raise ConfigurationError(
                f"Port {port} on {HOST} is in use by another program, so the embedded Temporal server "
                "cannot listen on it. Stop that program or choose another port."
            )
