"""File tools: a round trip of a model's work on files, in a directory that they do not get out of."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tool_support import Calls

from oris_temporal.graph.errors import ToolError
from oris_temporal.tools.builtin import file_tools
from oris_temporal.tools.files import FileBackend, FileEntry, WorkspaceBackend


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with files, beside one that is none of a model's business."""
    (tmp_path / "secret.txt").write_text("hunter2")
    root = tmp_path / "root"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "a.txt").write_text("one\ntwo\nthree\n")
    (root / "src" / "main.py").write_text("print('two')\n")
    (root / "src" / "deep" / "test_main.py").write_text("two = 2\ntwo += two\n")
    (root / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    return root


@pytest.fixture
def files(root: Path) -> Calls:
    return Calls(file_tools(root))


async def test_write_read_edit_grep_round_trip(tmp_path: Path) -> None:
    files = Calls(file_tools(tmp_path / "new"))
    assert (
        await files.write_file(path="notes/plan.md", content="# Plan\n- buy milk\n") == "notes/plan.md has 2 lines now."
    )
    assert await files.read_file(path="notes/plan.md") == "     1\t# Plan\n     2\t- buy milk"
    edit = [{"old_string": "milk", "new_string": "bread"}]
    assert await files.edit_file(path="/notes/plan.md", replacements=edit) == "1 replacement made in notes/plan.md."
    assert await files.grep(query="bread", mode="content") == "notes/plan.md:2: - buy bread"
    assert await files.ls() == "notes/"
    assert await files.glob(pattern="*.md") == "notes/plan.md"


async def test_lines_are_read_from_an_offset_to_a_limit(files: Calls) -> None:
    assert await files.read_file(path="a.txt", offset=2, limit=1) == "     2\ttwo\n(of 3 lines; go on with offset=3)"
    with pytest.raises(ToolError, match="has 3 lines; offset=4 is beyond"):
        await files.read_file(path="a.txt", offset=4)
    with pytest.raises(ToolError, match="greater than or equal to 1"):
        await files.read_file(path="a.txt", offset=0)


async def test_long_files_are_shown_in_parts(files: Calls, root: Path) -> None:
    (root / "long.txt").write_text(f"{'x' * 3_000}\n" + "y" * 100 + "\n" + f"{'z' * 1_500}\n" * 100)
    shown = await files.read_file(path="long.txt")
    assert "... (cut, of 3,000 characters)" in shown
    assert len(shown) < 70_000
    assert "go on with offset=" in shown


async def test_directories_are_listed(files: Calls, root: Path) -> None:
    (root / "link").symlink_to(root / "a.txt")
    assert await files.ls() == "a.txt (14 bytes)\nlink (link)\npicture.png (6 bytes)\nsrc/"
    assert await files.ls(path="src") == "src/deep/\nsrc/main.py (13 bytes)"


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("*.py", "", ["src/deep/test_main.py", "src/main.py"]),
        ("src/*.py", "", ["src/main.py"]),
        ("src/**/*.py", "", ["src/deep/test_main.py", "src/main.py"]),
        ("**/test_*", "", ["src/deep/test_main.py"]),
        ("deep/*", "src", ["src/deep/test_main.py"]),
        ("[am].txt", "", ["a.txt"]),
        ("[!a].txt", "", []),
        ("?.txt", "", ["a.txt"]),
        ("a.t[xt", "", []),
        ("src/**", "", ["src/deep/test_main.py", "src/main.py"]),
        ("[^a].txt", "", []),
        ("*a" * 40 + "b", "", []),  # a regular expression would take years for this one
        ("**/a/" * 20 + "b", "", []),
    ],
)
async def test_files_are_found_by_name(files: Calls, root: Path, pattern: str, path: str, found: list[str]) -> None:
    (root / ("a" * 200)).write_text("")
    told = await files.glob(pattern=pattern, path=path)
    assert set(told.split("\n")) == set(found or ["No file matches."])


async def test_files_are_found_by_what_they_say(files: Calls) -> None:
    assert set((await files.grep(query="two")).split("\n")) == {"a.txt", "src/main.py", "src/deep/test_main.py"}
    assert await files.grep(query="two", pattern="*.txt", mode="content") == "a.txt:2: two"
    assert await files.grep(query="two", path="src/deep", mode="count") == "src/deep/test_main.py: 2"
    assert await files.grep(query="two", path="src/main.py") == "src/main.py"
    assert await files.grep(query="t.o") == "Nothing has 't.o'."


async def test_what_is_replaced_must_be_there_once(files: Calls, root: Path) -> None:
    before = (root / "src/deep/test_main.py").read_text()
    edits = [{"old_string": "2", "new_string": "3"}, {"old_string": "two", "new_string": "three"}]
    with pytest.raises(
        ToolError, match=r"Replacement 2 of src/deep/test_main.py: .* 3 times, in lines 1, 2, 2, so nothing"
    ):
        await files.edit_file(path="src/deep/test_main.py", replacements=edits)
    with pytest.raises(ToolError, match="does not have its old_string"):
        await files.edit_file(path="src/deep/test_main.py", replacements=[{"old_string": "four", "new_string": "5"}])
    assert (root / "src/deep/test_main.py").read_text() == before
    edits[1]["replace_all"] = True  # type: ignore[assignment]
    assert await files.edit_file(path="src/deep/test_main.py", replacements=edits) == (
        "4 replacements made in src/deep/test_main.py."
    )
    assert (root / "src/deep/test_main.py").read_text() == "three = 3\nthree += three\n"


async def test_line_ends_stay_as_they_are(files: Calls, root: Path) -> None:
    (root / "dos.txt").write_bytes(b"one\r\ntwo\r\n")
    await files.edit_file(path="dos.txt", replacements=[{"old_string": "one\ntwo", "new_string": "1\n2"}])
    assert (root / "dos.txt").read_bytes() == b"1\r\n2\r\n"


async def test_edits_of_one_turn_do_not_undo_each_other(tmp_path: Path) -> None:
    files, others = Calls(file_tools(tmp_path)), Calls(file_tools(tmp_path))
    await files.write_file(path="f", content="abcdefgh")
    edits = [[{"old_string": letter, "new_string": letter.upper()}] for letter in "abcdefgh"]
    await asyncio.gather(
        *((files, others)[place % 2].edit_file(path="f", replacements=edit) for place, edit in enumerate(edits))
    )
    assert (tmp_path / "f").read_text() == "ABCDEFGH"


@pytest.mark.parametrize("path", ["../secret.txt", "src/../../secret.txt", "..", "src\\..\\..\\secret.txt", "a\0b"])
async def test_no_path_leads_out(files: Calls, path: str) -> None:
    for calling in (
        files.read_file(path=path),
        files.write_file(path=path, content="x"),
        files.ls(path=path),
        files.grep(query="hunter2", path=path),
        files.glob(pattern=path),
    ):
        with pytest.raises(ToolError) as raised:
            await calling
        assert raised.value.kind == "permission"


async def test_no_link_leads_out(files: Calls, root: Path) -> None:
    secret = root.parent / "secret.txt"
    (root / "file_link").symlink_to(secret)
    (root / "dir_link").symlink_to(root.parent)
    for calling in (
        files.read_file(path="file_link"),
        files.read_file(path="dir_link/secret.txt"),
        files.write_file(path="file_link", content="x"),
        files.write_file(path="dir_link/new.txt", content="x"),
        files.ls(path="dir_link"),
        files.glob(pattern="*", path="dir_link"),
    ):
        with pytest.raises(ToolError, match="link"):
            await calling
    assert await files.grep(query="hunter2") == "Nothing has 'hunter2'."
    assert secret.read_text() == "hunter2"
    assert not (root.parent / "new.txt").exists()


async def test_an_absolute_path_is_one_from_the_root(files: Calls) -> None:
    with pytest.raises(ToolError, match="There is no etc/passwd"):
        await files.read_file(path="/etc/passwd")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nothing.txt", "There is no nothing.txt. Look for it with ls or glob."),
        ("src", "src is "),
        ("picture.png", "picture.png is no text"),
        ("a.txt/b", "as if it were a directory"),
    ],
)
async def test_errors_tell_the_model_what_to_do(files: Calls, path: str, said: str) -> None:
    with pytest.raises(ToolError, match=said):
        await files.read_file(path=path)


async def test_a_pipe_does_not_keep_it_waiting(files: Calls, root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(ToolError, match="no file that can be read"):
        await files.read_file(path="pipe")
    assert await files.grep(query="hunter2") == "Nothing has 'hunter2'."


async def test_files_have_a_largest_size(tmp_path: Path) -> None:
    files = Calls(file_tools(WorkspaceBackend(tmp_path, max_bytes=10)))
    with pytest.raises(ToolError, match="has 11 bytes; at most 10 are allowed"):
        await files.write_file(path="f", content="x" * 11)
    (tmp_path / "f").write_text("x" * 12)
    with pytest.raises(ToolError, match="has 12 bytes"):
        await files.read_file(path="f")


async def test_a_replaced_file_keeps_its_permissions_and_leaves_nothing_behind(tmp_path: Path) -> None:
    files = Calls(file_tools(tmp_path))
    (tmp_path / "run.sh").write_text("one")
    (tmp_path / "run.sh").chmod(0o750)
    await files.write_file(path="run.sh", content="two")
    assert (tmp_path / "run.sh").stat().st_mode & 0o777 == 0o750
    assert [item.name for item in tmp_path.iterdir()] == ["run.sh"]


def test_tools_that_write_may_be_left_out_and_names_have_a_prefix(tmp_path: Path) -> None:
    names = [tool.name for tool in file_tools(tmp_path, read_only=True, prefix="docs_")]
    assert names == ["docs_ls", "docs_read_file", "docs_glob", "docs_grep"]


class Memory(FileBackend):
    """A backend of the test: a dict."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    async def ls(self, path: str) -> list[FileEntry]:
        return [FileEntry(name, size=len(text)) for name, text in sorted(self.files.items())]

    async def walk(self, path: str) -> list[str]:
        return sorted(self.files)

    async def read(self, path: str) -> str:
        return self.files[path]

    async def write(self, path: str, text: str, *, expected: str | None = None) -> None:
        self.files[path] = text


async def test_they_work_over_any_backend() -> None:
    backend: FileBackend = Memory()
    files = Calls(file_tools(backend))
    await files.write_file(path="/a.txt", content="hello")
    assert await files.grep(query="ell", mode="content") == "a.txt:1: hello"


def test_a_writer_that_is_killed_leaves_no_half_file(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\n"
        "from oris_temporal.tools import WorkspaceBackend\n"
        "os.replace = lambda *_, **__: (print('written', flush=True), sys.stdin.read())\n"
        "asyncio.run(WorkspaceBackend(sys.argv[1]).write('k', 'x' * 1_000_000))\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "written\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    files = WorkspaceBackend(tmp_path)
    assert asyncio.run(files.walk("")) == []
    asyncio.run(files.write("k", "y"))
    assert asyncio.run(files.read("k")) == "y"
