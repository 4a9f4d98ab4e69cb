"""Web pages: only from hosts that are allowed, never from where only this machine or its network gets to."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tool_support import call

from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.tools import Tool
from oris_temporal.tools.builtin import web_fetch

HTML = """<html><head><title>Storks</title><script>alert(1)</script><style>p {}</style></head>
<body><h1>White stork</h1><p>It is <b>large</b>, see <a href="/more">more</a>.</p><script>steal()</script></body></html>"""


class WebServer:
    """Answers by path; everything it is asked is in `requests`."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._server.close()

    def url(self, path: str, host: str = "localhost") -> str:
        return f"http://{host}:{self.port}{path}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        path = first.split()[1]
        self.requests.append(
            (path, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)})
        )
        status, headers, body = self._page(path)
        length = 100 if path == "/slow" else len(body)
        writer.write(f"HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n".encode())
        writer.write(body)
        if path == "/slow":
            await reader.read()  # until the other side gives up
        writer.close()

    def _page(self, path: str) -> tuple[str, str, bytes]:
        html, text = "content-type: text/html; charset=utf-8\r\n", "content-type: text/plain\r\n"
        if path.startswith("/to?"):
            return "302 Found", f"location: {path[4:]}\r\n", b""
        match path:
            case "/html":
                return "200 OK", html, HTML.encode()
            case "/latin":
                return "200 OK", "content-type: text/plain; charset=latin-1\r\n", "é".encode("latin-1")
            case "/json":
                return "200 OK", "content-type: application/problem+json\r\n", b'{"a": 1}'
            case "/bomb":
                return "200 OK", f"{text}content-encoding: gzip\r\n", gzip.compress(b"x" * 50_000_000)
            case "/deep":
                return "200 OK", html, b"<div>" * 20_000 + b"inside"
            case "/blanks":
                return "200 OK", html, b"<pre>" + b" " * 1_500_000 + b"x</pre>"
            case "/picture":
                return "200 OK", "content-type: image/png\r\n", b"\x89PNG"
            case "/missing":
                return "404 Not Found", text, b"no such page"
            case "/busy":
                return "503 Service Unavailable", text, b"later"
            case "/loop":
                return "302 Found", "location: /loop\r\n", b""
            case "/slow":
                return "200 OK", text, b""
        return "200 OK", text, b"hello"


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    server = WebServer()
    await server.start()
    yield server
    server.stop()


def local(*more: str, **options: Any) -> Tool:
    """A tool that may reach this machine."""
    return web_fetch(["localhost:*", "127.0.0.1:*", *more], allow_private=True, **options)


async def test_html_becomes_markdown_without_scripts(web: WebServer) -> None:
    told = await call(local(), url=web.url("/html"))
    assert told == f"{web.url('/html')} (text/html)\n\n# Storks\n\n# White stork\n\nIt is **large**, see [more](/more)."


async def test_other_text_stays_as_it_is(web: WebServer) -> None:
    assert (await call(local(), url=web.url("/json"))).endswith('(application/problem+json)\n\n{"a": 1}')
    assert (await call(local(), url=web.url("/latin"))).endswith("\n\né")


async def test_what_is_no_text_is_refused(web: WebServer) -> None:
    with pytest.raises(ToolError, match="is image/png, which cannot be read as text"):
        await call(local(), url=web.url("/picture"))


async def test_the_server_is_asked_for_the_host_and_told_nothing_else(web: WebServer) -> None:
    await call(local(), url=web.url("/a?b=c#d"))
    [(path, headers)] = web.requests
    assert path == "/a?b=c"
    assert headers["host"] == f"localhost:{web.port}"
    assert headers.keys() <= {"host", "user-agent", "accept", "accept-encoding", "connection"}


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        (["example.com"], "https://example.com/x", True),
        (["example.com"], "https://EXAMPLE.com./x", True),
        (["example.com"], "https://www.example.com/", False),
        (["*.example.com"], "https://www.example.com/", True),
        (["*.example.com"], "https://example.com/", False),
        (["*.example.com"], "https://evilexample.com/", False),
        (["example.com"], "https://example.com.evil.org/", False),
        (["example.com"], "https://example.com@evil.org/", False),
        (["example.com"], "https://me:pw@example.com/", False),
        (["example.com"], "http://example.com:8080/", False),
        (["example.com:8080"], "http://example.com:8080/", True),
        (["example.com:8080"], "http://example.com/", False),
        (["*"], "ftp://example.com/", False),
        (["*"], "file:///etc/passwd", False),
        (["*"], "example.com", False),
        (["*"], "https://", False),
    ],
)
async def test_hosts_that_are_allowed(
    hosts: list[str], url: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nowhere(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    with pytest.raises(ToolError) as raised:
        await call(web_fetch(hosts), url=url)
    assert raised.value.kind == ("not_found" if allowed else "permission")


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let names have these addresses, one after the other; returns the names that were looked up."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **kwargs: Any) -> Any:
        asked.append(host)
        address = answers[min(len(asked), len(answers)) - 1]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "168.63.129.16",
        "192.0.0.192",
        "fec0::1",
    ],
)
async def test_addresses_that_are_not_public_are_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, address)
    with pytest.raises(ToolError, match="which is no public address, so it is not allowed") as raised:
        await call(web_fetch(["*"]), url="http://rebind.example.com/")
    assert raised.value.kind == "permission"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:7f00:1]"])
async def test_other_ways_to_write_this_machine(web: WebServer, host: str) -> None:
    with pytest.raises(ToolError) as raised:
        await call(web_fetch(["*:*"]), url=web.url("/", host))
    assert raised.value.kind == "permission"
    assert not web.requests


async def test_the_connection_goes_to_the_address_that_was_checked(
    web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving(monkeypatch, "127.0.0.1", "127.0.0.99")  # the second answer would lead elsewhere
    told = await call(local("pinned.test:*"), url=web.url("/x", "pinned.test"))
    assert told.endswith("hello")
    assert asked == ["pinned.test"]
    assert web.requests[0][1]["host"] == f"pinned.test:{web.port}"


async def test_redirects_are_followed_and_told(web: WebServer) -> None:
    told = await call(local(), url=web.url("/to?/html"))
    assert told.startswith(f"{web.url('/html')} (text/html)")


@pytest.mark.parametrize(
    "target",
    ["http://evil.example.com/", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "//evil.org/"],
)
async def test_each_redirect_is_checked(web: WebServer, target: str) -> None:
    with pytest.raises(ToolError) as raised:
        await call(local(), url=web.url(f"/to?{target}"))
    assert raised.value.kind == "permission"
    assert len(web.requests) == 1


async def test_a_redirect_to_an_address_that_is_not_public(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = web_fetch(["*:*"])
    resolving(monkeypatch, "169.254.169.254")
    with pytest.raises(ToolError, match=r"169\.254\.169\.254, which is no public address"):
        await call(tool, url="http://metadata.example.com/")


async def test_redirects_come_to_an_end(web: WebServer) -> None:
    with pytest.raises(ToolError, match="more than 5 redirects"):
        await call(local(), url=web.url("/loop"))


async def test_a_page_that_unpacks_to_much_is_cut(web: WebServer) -> None:
    told = await call(local(max_bytes=1_000), url=web.url("/bomb"))
    assert told.endswith(f"{'x' * 1_000}\n\n(cut: there is more)")
    told = await call(local(max_characters=10), url=web.url("/bomb"))
    assert told.endswith(f"\n\n{'x' * 10}\n\n(cut: there is more)")


async def test_a_page_that_takes_hours_to_read_does_not_hold_the_worker(web: WebServer) -> None:
    slow = asyncio.create_task(call(local(timeout="1s"), url=web.url("/blanks")))
    beats = 0
    while not slow.done():
        await asyncio.sleep(0.05)
        beats += 1
    with pytest.raises(ToolError, match="did not answer within 1 s"):
        await slow
    assert beats > 10


async def test_a_page_nested_very_deeply(web: WebServer) -> None:
    assert "inside" in await call(local(), url=web.url("/deep"))


@pytest.mark.parametrize(("path", "kind", "retryable"), [("/missing", "not_found", False), ("/busy", "network", True)])
async def test_errors_of_the_server(web: WebServer, path: str, kind: str, retryable: bool) -> None:
    with pytest.raises(ToolError, match="answered with HTTP status") as raised:
        await call(local(), url=web.url(path))
    assert (raised.value.kind, raised.value.is_retryable) == (kind, retryable)


async def test_a_server_that_is_slow(web: WebServer) -> None:
    with pytest.raises(ToolError, match=r"did not answer within 0\.2 s") as raised:
        await call(local(timeout="200ms"), url=web.url("/slow"))
    assert (raised.value.kind, raised.value.is_retryable) == ("timeout", True)


async def test_a_server_that_is_not_there(web: WebServer) -> None:
    web.stop()
    with pytest.raises(ToolError, match="cannot be fetched: ConnectError") as raised:
        await call(local(), url=web.url("/"))
    assert raised.value.is_retryable


@pytest.mark.parametrize("hosts", [[], [""], ["https://example.com"], ["example.com/path"]])
def test_patterns_that_are_no_hosts_are_refused(hosts: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="hosts needs names"):
        web_fetch(hosts)


def test_models_are_told_where_they_may_go() -> None:
    assert web_fetch(["*.example.com", "docs.python.org"]).description == (
        "Fetch a web page and read its text. Hosts that may be reached: *.example.com, docs.python.org."
    )
