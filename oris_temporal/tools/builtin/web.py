"""A tool that fetches web pages from hosts that are allowed."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from oris_temporal.graph.duration import Duration, to_timedelta
from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.tools.tool import Tool, tool

if TYPE_CHECKING:
    from httpx2 import URL, AsyncClient, Response

REDIRECTS = 5

_GRACE = timedelta(seconds=10)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's machines reach its management there
        "192.0.0.0/24",  # of protocols; Oracle's machines read their metadata there
        "192.88.99.0/24",
        "fec0::/10",
        "3fff::/20",
    )
)
"""Networks that the standard library, or an older version of it, takes for public."""

_TEXT = re.compile(r"text/|application/(.*[+/])?(json|xml|javascript|x-ndjson|yaml|x-yaml)$")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class _Limits:
    hosts: tuple[str, ...]
    allow_private: bool
    seconds: float
    max_bytes: int
    max_characters: int


def web_fetch(
    hosts: Sequence[str],
    *,
    allow_private: bool = False,
    timeout: Duration = "30s",
    max_bytes: int = 2_000_000,
    max_characters: int = 50_000,
    name: str = "web_fetch",
    task_queue: str | None = None,
) -> Tool:
    """A tool that fetches a page by http or https and returns its text; HTML becomes Markdown.

    A host's addresses are looked up once and the connection goes to those, so what was checked is what is connected to. Each redirect
    is checked anew. No proxy, cookie or credential is used.

    Args:
        hosts: Hosts that may be reached: ``docs.python.org``, ``*.example.com`` (its subdomains), ``*`` (all). A port other than the
            default ones is named, ``localhost:8080`` or ``localhost:*``.
        allow_private: Allow addresses that are not public: private and shared networks, this machine, link-local ones with the metadata
            services of clouds.
        timeout: Longest time for a page with all its redirects.
        max_bytes: Largest page, uncompressed; the rest is not read.
        max_characters: Characters of text that are returned.
        name: Name of the tool.
        task_queue: Task queue of the workers that may reach the hosts.

    Raises:
        ConfigurationError: No host is allowed, or a pattern cannot be a host.
    """
    allowed = tuple(item.lower().strip() for item in hosts)
    if not allowed or any(not item or "/" in item for item in allowed):
        raise ConfigurationError(
            "web_fetch: hosts needs names such as 'docs.python.org', '*.example.com' or 'localhost:8080'."
        )
    limit = to_timedelta(timeout)
    limits = _Limits(allowed, allow_private, limit.total_seconds(), max_bytes, max_characters)

    async def fetch(url: str) -> str:
        return await _fetch(url, limits)

    fetch.__doc__ = f"""Fetch a web page and read its text. Hosts that may be reached: {", ".join(allowed)}.

    Args:
        url: Address that starts with http:// or https://.
    """
    return tool(name=name, timeout=limit + _GRACE, task_queue=task_queue)(fetch)


async def _fetch(address: str, limits: _Limits) -> str:
    try:
        import httpx2
    except ImportError as error:
        raise ConfigurationError(
            f"web_fetch needs package {error.name!r}: pip install 'oris-temporal[web]'."
        ) from error
    try:
        url = httpx2.URL(address.strip())
        async with (
            asyncio.timeout(limits.seconds),
            httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=None) as client,
        ):
            for _ in range(REDIRECTS + 1):
                response = await _get(client, url, limits)
                if not response.has_redirect_location:
                    return await _read(url, response, limits)
                location = response.headers["location"]
                await response.aclose()
                url = url.join(location)
            raise ToolError(f"{address} leads to more than {REDIRECTS} redirects.", kind="network")
    except httpx2.InvalidURL as error:
        raise ToolError(f"{address!r:.200} is no address: {error}.", kind="invalid_input") from None
    except TimeoutError:
        raise ToolError(
            f"{address} did not answer within {limits.seconds:g} s.", kind="timeout", retryable=True
        ) from None
    except httpx2.HTTPError as error:
        text = f"{address} cannot be fetched: {type(error).__name__}: {error}."
        raise ToolError(text, kind="network", retryable=True) from None


async def _get(client: AsyncClient, url: URL, limits: _Limits) -> Response:
    """The response of a server, not read yet. The connection goes to an address that was checked."""
    import httpx2

    _check_url(url, limits)
    host = url.raw_host.decode("ascii")
    port = url.port or _DEFAULT_PORTS[url.scheme]
    addresses = await _resolve(host, port, limits)
    headers = {
        "Host": url.netloc.decode("ascii"),
        "User-Agent": "oris-temporal",
        "Accept": "text/html,text/*,application/json,*/*;q=0.5",
    }
    for place, address in enumerate(addresses, 1):
        pinned = url.copy_with(host=str(address), fragment=None)
        request = client.build_request("GET", pinned, headers=headers, extensions={"sni_hostname": host})
        try:
            return await client.send(request, stream=True)
        except httpx2.ConnectError:
            if place == len(addresses):
                raise
    raise AssertionError("a host has an address")


def _check_url(url: URL, limits: _Limits) -> None:
    if url.scheme not in _DEFAULT_PORTS or not url.host:
        raise ToolError(f"{url} is not allowed: it must start with http:// or https://.", kind="permission")
    if url.userinfo:
        raise ToolError(f"An address must not have a user name or password: {url.host}.", kind="permission")
    host = url.raw_host.decode("ascii").lower().rstrip(".")
    port = url.port or _DEFAULT_PORTS[url.scheme]
    if not any(_allows(pattern, host, port) for pattern in limits.hosts):
        raise ToolError(f"{host}:{port} is not allowed. Allowed: {', '.join(limits.hosts)}.", kind="permission")


def _allows(pattern: str, host: str, port: int) -> bool:
    name, colon, ports = pattern.rpartition(":")
    if not colon or (":" in name and not name.endswith("]")):  # no port; an IPv6 address with one stands in brackets
        name, ports = pattern, ""
    named = fnmatchcase(host, name.strip("[]"))
    return named and (port in _DEFAULT_PORTS.values() if not ports else ports in ("*", str(port)))


async def _resolve(host: str, port: int, limits: _Limits) -> list[Address]:
    """Addresses of a host, checked."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ToolError(f"There is no host {host}.", kind="not_found") from None
    addresses = list(dict.fromkeys(ipaddress.ip_address(str(item[4][0]).partition("%")[0]) for item in found))
    refused = next((item for item in addresses if not _is_public(item)), None)
    if refused is not None and not limits.allow_private:
        raise ToolError(f"{host} is at {refused}, which is no public address, so it is not allowed.", kind="permission")
    return addresses


def _is_public(address: Address) -> bool:
    """Whether an address, and the one that it may carry inside, is one of the Internet."""
    inner: Address | None = None
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


async def _read(url: URL, response: Response, limits: _Limits) -> str:
    kind = response.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    data = bytearray()
    async for chunk in response.aiter_bytes():
        data += chunk
        if len(data) > limits.max_bytes:
            break
    await response.aclose()
    cut = len(data) > limits.max_bytes
    status = response.status_code
    if not _TEXT.match(kind) and not kind.endswith("xhtml+xml"):
        raise ToolError(f"{url} is {kind}, which cannot be read as text.", kind="invalid_input")
    try:
        text = bytes(data[: limits.max_bytes]).decode(response.charset_encoding or "utf-8", errors="replace")
    except LookupError:  # an encoding that nobody knows
        text = bytes(data[: limits.max_bytes]).decode(errors="replace")
    if "html" in kind:
        text = await _markdown(text)
    if status >= 400:
        kinds = {401: "permission", 403: "permission", 404: "not_found", 410: "not_found", 429: "rate_limit"}
        retryable = status == 429 or status >= 500
        raise ToolError(
            f"{url} answered with HTTP status {status}: {text:.500}",
            kind=kinds.get(status, "network"),
            retryable=retryable,
        )
    if len(text) > limits.max_characters:
        text, cut = text[: limits.max_characters], True
    return f"{url} ({kind})\n\n{text}{chr(10) * 2 + '(cut: there is more)' if cut else ''}"


async def _markdown(html: str) -> str:
    """What a page says, as Markdown, made by a program of its own."""
    missing = next((name for name in ("bs4", "markdownify") if find_spec(name) is None), None)
    if missing is not None:
        raise ConfigurationError(f"web_fetch needs package {missing!r}: pip install 'oris-temporal[web]'.")
    program = str(Path(__file__).with_name("markdown.py"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        text, _ = await process.communicate(html.encode(errors="replace"))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    if process.returncode:
        raise ToolError("The page is HTML that cannot be read.", kind="invalid_input")
    return text.decode()
