"""Backends of file tools besides directories: the state, a store, and several of them under one root."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tool_support import RUNTIME, call

from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.store import InMemoryStore
from oris_temporal.tools import CompositeBackend, FileBackend, Runtime, StateBackend, StoreBackend, WorkspaceBackend
from oris_temporal.tools.builtin import file_tools
from oris_temporal.tools.files.state import merge_files


class Files:
    """File tools over a backend, with a state that takes over what they write."""

    def __init__(self, backend: FileBackend, store: InMemoryStore | None = None, context: Any = None) -> None:
        self._tools = {tool.name: tool for tool in file_tools(backend)}
        self.state: dict[str, Any] = {"files": {}}
        self._runtime = replace(RUNTIME, store=store, context=context)

    async def __call__(self, name: str, **args: Any) -> str:
        tool = self._tools[name]
        output = await tool.call(tool.check(args), replace(self._runtime, state=self.state))
        if output.update:
            self.state["files"] = merge_files(self.state["files"], output.update["files"])
        return output.content


def composite(tmp_path: Path) -> CompositeBackend:
    routes = {"/memories/": StoreBackend(), "repo": WorkspaceBackend(tmp_path), "repo/notes": StoreBackend(("notes",))}
    return CompositeBackend(StateBackend(), routes)


@pytest.fixture(params=["workspace", "state", "store", "composite"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    backends: dict[str, FileBackend] = {
        "workspace": WorkspaceBackend(tmp_path),
        "state": StateBackend(),
        "store": StoreBackend(),
        "composite": composite(tmp_path),
    }
    return Files(backends[request.param], InMemoryStore())


class TestAllAlike:
    async def test_b17_write_read_edit_grep_round_trip(self, files: Files) -> None:
        assert await files("write_file", path="notes/plan.md", content="# Plan\n- buy milk\n") == (
            "notes/plan.md has 2 lines now."
        )
        assert await files("read_file", path="/notes/plan.md") == "     1\t# Plan\n     2\t- buy milk"
        edit = [{"old_string": "milk", "new_string": "bread"}]
        assert (
            await files("edit_file", path="notes/plan.md", replacements=edit) == "1 replacement made in notes/plan.md."
        )
        assert await files("grep", query="bread", mode="content") == "notes/plan.md:2: - buy bread"
        assert await files("grep", query="bread", path="notes/plan.md", mode="count") == "notes/plan.md: 1"
        assert "notes/" in (await files("ls")).split("\n")
        assert await files("ls", path="notes") == "notes/plan.md (19 bytes)"
        assert await files("glob", pattern="*.md") == "notes/plan.md"
        assert await files("glob", pattern="*.md", path="notes") == "notes/plan.md"

    @pytest.mark.parametrize(
        ("name", "args", "told"),
        [
            ("read_file", {"path": "none.md"}, "There is no none.md"),
            ("read_file", {"path": "notes"}, "notes is a directory"),
            ("ls", {"path": "elsewhere"}, "There is no elsewhere"),
            ("grep", {"query": "x", "path": "elsewhere"}, "There is no elsewhere"),
            ("write_file", {"path": "notes", "content": "x"}, "notes is a directory"),
            ("write_file", {"path": "", "content": "x"}, "is a directory"),
            ("write_file", {"path": "../x", "content": "x"}, "is not allowed"),
            ("edit_file", {"path": "none.md", "replacements": [{"old_string": "a", "new_string": "b"}]}, "There is no"),
        ],
    )
    async def test_what_cannot_be_is_told(self, files: Files, name: str, args: dict[str, Any], told: str) -> None:
        await files("write_file", path="notes/plan.md", content="x")
        with pytest.raises(ToolError, match=told):
            await files(name, **args)

    async def test_nothing_lies_in_a_file(self, files: Files) -> None:
        await files("write_file", path="a", content="x")
        with pytest.raises(ToolError, match="a file"):
            await files("write_file", path="a/b", content="x")


class TestState:
    async def test_all_files_together_have_a_largest_size(self) -> None:
        files = Files(StateBackend(max_bytes=10))
        await files("write_file", path="a", content="123456")
        with pytest.raises(ToolError, match="the others have 6, and this one would have 5"):
            await files("write_file", path="b", content="12345")
        await files("write_file", path="a", content="1234567890")

    def test_files_are_merged_one_by_one_and_removed_by_none(self) -> None:
        before = {"a": "1", "b": "2"}
        assert merge_files(before, {"/b": "3", "c": "4", "a": None}) == {"b": "3", "c": "4"}


class TestStore:
    async def test_each_user_may_have_files_of_their_own(self) -> None:
        store = InMemoryStore()
        backend = StoreBackend(lambda runtime: ("files", runtime.context["user"]), ttl="1d")
        ada, bob = (Files(backend, store, {"user": user}) for user in ("ada", "bob"))
        await ada("write_file", path="notes/me.md", content="Ada")
        assert await bob("ls") == "The directory is empty."
        assert await ada("read_file", path="notes/me.md") == "     1\tAda"
        [item] = await store.search(("files", "ada", "notes"))
        assert (item.key, item.value) == ("me.md", {"text": "Ada"})
        assert item.expires_at is not None

    async def test_without_a_store_the_mistake_is_named(self) -> None:
        with pytest.raises(ConfigurationError, match="store="):
            await Files(StoreBackend())("ls")


class TestComposite:
    async def test_the_longest_prefix_says_where_a_file_is(self, tmp_path: Path) -> None:
        store = InMemoryStore()
        files = Files(composite(tmp_path), store)
        for path in ("plan.md", "memories/ada.md", "repo/src/main.py", "repo/notes/todo.md", "repository.md"):
            await files("write_file", path=path, content=f"in {path}")
        assert set(files.state["files"]) == {"plan.md", "repository.md"}
        assert (tmp_path / "src/main.py").read_text() == "in repo/src/main.py"
        assert {(item.namespace, item.key) for item in await store.search()} == {
            (("files",), "ada.md"),
            (("notes",), "todo.md"),
        }
        assert await files("glob", pattern="**") == (
            "memories/ada.md\nplan.md\nrepo/notes/todo.md\nrepo/src/main.py\nrepository.md"
        )
        assert await files("ls", path="repo") == "repo/notes/\nrepo/src/"
        assert await files("grep", query="in repo/") == "repo/notes/todo.md\nrepo/src/main.py"
        assert await files("read_file", path="repo/notes/todo.md") == "     1\tin repo/notes/todo.md"

    async def test_errors_say_where(self, tmp_path: Path) -> None:
        with pytest.raises(ToolError, match=r"In memories/: There is no x\.md"):
            await Files(composite(tmp_path), InMemoryStore())("read_file", path="memories/x.md")

    async def test_directories_of_backends_are_there_before_their_files(self, tmp_path: Path) -> None:
        files = Files(composite(tmp_path), InMemoryStore())
        assert await files("ls") == "memories/\nrepo/"
        assert await files("ls", path="memories") == "The directory is empty."

    @pytest.mark.parametrize(
        "routes", [{"": StateBackend()}, {"a": StateBackend()}, {"b": StoreBackend(), "/b/": StoreBackend()}]
    )
    def test_routes_that_cannot_be(self, routes: dict[str, FileBackend]) -> None:
        with pytest.raises(ConfigurationError):
            CompositeBackend(StateBackend(), routes)


class TestWhereCallsRun:
    def runs(self, backend: FileBackend, name: str, **args: Any) -> tuple[bool, bool]:
        [tool] = [item for item in file_tools(backend) if item.name == name]
        checked = tool.check(args)
        return tool.runs_here(checked), tool.waits(checked)

    def test_about_the_state_in_the_workflow_and_in_order(self) -> None:
        assert self.runs(StateBackend(), "read_file", path="a") == (True, True)

    def test_a_directory_is_an_activity_for_workers_without_the_graph(self, tmp_path: Path) -> None:
        tools = file_tools(tmp_path)
        assert [tool.wants_run for tool in tools] == [False] * 6
        assert self.runs(
            WorkspaceBackend(tmp_path), "edit_file", path="a", replacements=[{"old_string": "a", "new_string": "b"}]
        ) == (
            False,
            False,
        )

    def test_writers_of_a_store_wait_for_each_other(self) -> None:
        assert self.runs(StoreBackend(), "write_file", path="a", content="") == (False, True)
        assert self.runs(StoreBackend(), "read_file", path="a") == (False, False)

    @pytest.mark.parametrize(
        ("path", "here"), [("plan.md", True), ("memories/a", False), ("repo/a", False), ("", False), ("../x", True)]
    )
    def test_of_several_backends_by_the_path(self, tmp_path: Path, path: str, here: bool) -> None:
        assert self.runs(composite(tmp_path), "grep", query="x", path=path)[0] is here

    def test_tools_of_a_backend_are_the_same_each_time(self, tmp_path: Path) -> None:
        assert file_tools(tmp_path) == file_tools(str(tmp_path))
        assert file_tools(StoreBackend()) != file_tools(StoreBackend())


async def test_a_runtime_is_no_parameter_that_models_see() -> None:
    [ls] = [tool for tool in file_tools(StateBackend()) if tool.name == "ls"]
    assert list(ls.spec.parameters["properties"]) == ["path"]
    runtime = Runtime(state={"files": {"a": "x"}}, config=RUNTIME.config, tool_call_id="", thread_id="t", write=print)
    assert await call(ls, runtime=runtime) == "a (1 bytes)"
