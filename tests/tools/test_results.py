"""Large results of tools leave the conversation: a preview and a pointer stay."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.store import SQLiteStore
from oris_temporal.tools import Runtime, StoreBackend, Tool, ToolOutput, ToolResultEviction, tool

RUNTIME = Runtime(state=None, config={"configurable": {}}, tool_call_id="c-1", thread_id="t", write=print)
TEXT = "".join(f"line {number}\n" for number in range(20_000))


@tool
async def dump(text: str) -> str:
    """Give a text back."""
    return text


async def run(item: Tool, runtime: Runtime = RUNTIME, **args: object) -> str:
    return (await item.call(item.check(args), runtime)).content


def key(told: str) -> str:
    found = re.search(r"result='(\w+)'", told)
    assert found is not None
    return found[1]


async def test_a_large_result_is_a_preview_with_a_pointer(tmp_path: Path) -> None:
    evict = ToolResultEviction(tmp_path)
    told = await run(evict.on([dump])[0], text=TEXT)
    assert TEXT[:1_500] in told
    assert TEXT[:1_510] not in told
    assert f"{len(TEXT):,} characters" in told
    assert len(told) < 2_000


async def test_a_result_at_the_limit_stays(tmp_path: Path) -> None:
    evicting = ToolResultEviction(tmp_path, max_tokens=1_000).on([dump])[0]
    assert await run(evicting, text="x" * 4_000) == "x" * 4_000
    assert await run(evicting, text="x" * 4_001) != "x" * 4_001
    assert (await run(evicting, text="é" * 2_001)).startswith("The result has 2,001 characters")


async def test_it_is_read_on_page_by_page_to_its_end(tmp_path: Path) -> None:
    evict = ToolResultEviction(tmp_path)
    told = await run(evict.on([dump])[0], text=TEXT)
    parts, offset = [TEXT[:1_500]], 1_500
    while True:
        page = await run(evict.reader, result=key(told), offset=offset)
        text, _, note = page.rpartition("\n\n[")
        parts.append(text)
        if "this is the end" in note:
            break
        offset = int(note.partition("offset=")[2].rstrip("]"))
    assert "".join(parts) == TEXT


async def test_pages_are_no_reason_for_another_eviction(tmp_path: Path) -> None:
    evict = ToolResultEviction(tmp_path)
    tools = evict.on([dump])
    assert tools[1] is evict.reader
    told = await run(tools[0], text="\N{GRINNING FACE}" * 100_000)
    page = await run(tools[1], result=key(told), limit=10**9)
    assert len(page.encode()) <= 80_100


async def test_a_text_is_found_in_it(tmp_path: Path) -> None:
    evict = ToolResultEviction(tmp_path)
    told = await run(evict.on([dump])[0], text=TEXT)
    assert (await run(evict.reader, result=key(told), find="line 7777\n", limit=9)).startswith("line 7777\n\n[")
    with pytest.raises(ToolError, match="has no 'line 99999'"):
        await run(evict.reader, result=key(told), find="line 99999")


@pytest.mark.parametrize("wrong", ["", "0" * 32, "../../etc/passwd", "0" * 31])
async def test_a_pointer_to_nothing_is_told_to_the_model(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ToolError, match="There is no result"):
        await run(ToolResultEviction(tmp_path).reader, result=wrong)


async def test_an_offset_beyond_the_end_is_told_to_the_model(tmp_path: Path) -> None:
    evict = ToolResultEviction(tmp_path)
    told = await run(evict.on([dump])[0], text=TEXT)
    with pytest.raises(ToolError, match="is beyond"):
        await run(evict.reader, result=key(told), offset=len(TEXT))


async def test_another_attempt_writes_nothing_new(tmp_path: Path) -> None:
    evicting = ToolResultEviction(tmp_path).on([dump])[0]
    first, second = await run(evicting, text=TEXT), await run(evicting, text=TEXT)
    assert first == second
    assert len(list((tmp_path / "large_results").iterdir())) == 1


async def test_call_ids_used_again_overwrite_nothing(tmp_path: Path) -> None:
    evict = ToolResultEviction(tmp_path)
    evicting = evict.on([dump])[0]
    first, second = await run(evicting, text=TEXT), await run(evicting, text=f"other {TEXT}")
    assert (await run(evict.reader, result=key(first))).startswith("line 0")
    assert (await run(evict.reader, result=key(second))).startswith("other line 0")


async def test_calls_with_the_same_result_have_their_own(tmp_path: Path) -> None:
    evicting = ToolResultEviction(tmp_path).on([dump])[0]
    told = {await run(evicting, replace(RUNTIME, thread_id=thread), text=TEXT) for thread in ("a", "b")}
    assert len(told) == 2


async def test_two_workers_share_a_directory(tmp_path: Path) -> None:
    one, other = ToolResultEviction(tmp_path / "shared"), ToolResultEviction(tmp_path / "shared")
    told = await asyncio.gather(*(run(item.on([dump])[0], text=TEXT) for item in (one, other, one, other)))
    assert len(set(told)) == 1
    assert (await run(other.reader, result=key(told[0]))).startswith("line 0")
    assert len(list((tmp_path / "shared" / "large_results").iterdir())) == 1


async def test_a_store_may_keep_them(tmp_path: Path) -> None:
    async with SQLiteStore(tmp_path / "store.db") as store:
        told = await run(
            ToolResultEviction(StoreBackend(("tool_results",), store=store, ttl="1d")).on([dump])[0], text=TEXT
        )
        [item] = await store.search(("tool_results",))
        assert item.expires_at is not None
    async with SQLiteStore(tmp_path / "store.db") as store:  # as another worker has it
        evict = ToolResultEviction(StoreBackend(("tool_results",), store=store))
        assert (await run(evict.reader, result=key(told), find="line 19999")).startswith("line 19999\n")
        with pytest.raises(ToolError, match="There is no result"):
            await run(evict.reader, result="0" * 32)


async def test_errors_and_updates_go_along(tmp_path: Path) -> None:
    evict = ToolResultEviction(tmp_path)
    output = await evict.apply(ToolOutput(TEXT, update={"n": 1}, is_error=True), "dump", RUNTIME)
    assert (output.update, output.is_error) == ({"n": 1}, True)


def test_a_tool_is_the_same_in_every_node(tmp_path: Path) -> None:
    evict = ToolResultEviction(tmp_path)
    assert evict.on([dump])[0] is evict.on([dump])[0]
    assert evict.on([dump]) == evict.on([*evict.on([dump])])


@pytest.mark.parametrize("options", [{"max_tokens": 0}, {"preview": 0}, {"max_tokens": 100, "preview": 300}])
def test_limits_that_cannot_be_are_refused(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        ToolResultEviction(tmp_path, **options)  # type: ignore[arg-type]
