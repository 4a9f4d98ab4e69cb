"""Commands: only those that are allowed, without a shell, with nothing left running."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tool_support import call

from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.tools import Tool
from oris_temporal.tools.builtin import shell_tool


def sh(**options: object) -> Tool:
    """A shell, to write programs for tests in."""
    return shell_tool(["sh -c"], **options)  # type: ignore[arg-type]


async def gone(pid_file: Path) -> None:
    """Wait until the process is gone whose id a file has."""
    pid = int(pid_file.read_text())
    async with asyncio.timeout(10):
        while True:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return
            if state == "Z":  # killed; nobody has asked for its status yet
                return
            await asyncio.sleep(0.02)


async def there(path: Path) -> None:
    async with asyncio.timeout(10):
        while not (path.exists() and path.read_text().strip()):
            await asyncio.sleep(0.02)


async def test_a_command_says_how_it_ended_and_what_it_wrote(tmp_path: Path) -> None:
    assert await call(sh(), command=["sh", "-c", "echo out; echo err >&2"]) == "exit code 0\nout\nerr\n"
    assert await call(sh(), command=["sh", "-c", "exit 3"]) == "exit code 3\n"
    assert await call(sh(cwd=tmp_path), command=["sh", "-c", "pwd"]) == f"exit code 0\n{tmp_path}\n"


async def test_nothing_is_expanded() -> None:
    told = await call(shell_tool(["echo"]), command=["echo", "$HOME", "*", "a; ls", "| cat"])
    assert told == "exit code 0\n$HOME * a; ls | cat\n"


@pytest.mark.parametrize(
    "command",
    [["ls"], ["echo2"], ["/bin/echo", "x"], ["git", "push"], ["git"], ["./echo"], ["sh", "-c", "ls"], [" echo"]],
)
async def test_what_is_not_allowed_is_refused(command: list[str]) -> None:
    with pytest.raises(ToolError, match=r"is not allowed\. Allowed: echo, git status") as raised:
        await call(shell_tool(["echo", "git status"]), command=command)
    assert raised.value.kind == "permission"


async def test_a_program_that_the_worker_does_not_have() -> None:
    with pytest.raises(ToolError, match="The worker has no program 'no-such-program'"):
        await call(shell_tool(["no-such-program"]), command=["no-such-program"])


async def test_programs_see_little_of_the_workers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
    monkeypatch.setenv("MY_TOKEN", "hunter3")
    told = await call(shell_tool(["env"], env={"TOKEN": "env:MY_TOKEN"}), command=["env"])
    assert {line.partition("=")[0] for line in told.split("\n")[1:-1]} == {"PATH", "HOME", "LANG", "TOKEN"}


async def test_programs_get_secrets_and_models_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter3")
    secret = shell_tool(["sh"], env={"TOKEN": "env:MY_TOKEN"})
    told = await call(secret, command=["sh", "-c", "test $TOKEN = hunter3 && echo it is $TOKEN"])
    assert "hunter3" not in told
    assert "it is ***" in told


async def test_it_has_no_input_to_wait_for() -> None:
    assert await call(shell_tool(["cat"]), command=["cat"]) == "exit code 0\n"


async def test_long_output_keeps_its_beginning_and_its_end() -> None:
    told = await call(sh(max_output=20), command=["sh", "-c", "seq 1 100000; echo the end"])
    assert told == "exit code 0\n1\n2\n3\n4\n5\n\n(... 588,883 bytes are left out here ...)\n0\nthe end\n"


async def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    command = ["sh", "-c", f"echo begun; sleep 100 & echo $! > {tmp_path}/pid; wait"]
    with pytest.raises(ToolError, match=r"did not end within 0:00:01 and was killed. Its output:\nbegun") as raised:
        await call(sh(timeout="1s"), command=command)
    assert raised.value.kind == "timeout"
    await gone(tmp_path / "pid")


async def test_a_call_that_is_cancelled_kills_it_with_all_that_it_started(tmp_path: Path) -> None:
    command = ["sh", "-c", f"sleep 100 & echo $! > {tmp_path}/pid; wait"]
    calling = asyncio.create_task(call(sh(), command=command))
    await there(tmp_path / "pid")
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await gone(tmp_path / "pid")


async def test_what_a_command_leaves_running_is_killed(tmp_path: Path) -> None:
    command = ["sh", "-c", f"sleep 100 & echo $! > {tmp_path}/pid; echo done"]
    assert await call(sh(), command=command) == "exit code 0\ndone\n"
    await gone(tmp_path / "pid")


async def test_a_program_killed_by_a_signal() -> None:
    assert await call(sh(), command=["sh", "-c", "kill -9 $$"]) == "killed by signal 9\n"


def test_models_are_told_what_is_allowed() -> None:
    tool = shell_tool(["ls", "git status"])
    assert tool.description.endswith("Allowed: ls, git status.")
    assert tool.spec.parameters["required"] == ["command"]
    assert tool.retry.maximum_attempts == 1


@pytest.mark.parametrize("allow", [[], [""], ["ls", " "]])
def test_an_empty_allow_list_is_refused(allow: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="allow needs the programs"):
        shell_tool(allow)
