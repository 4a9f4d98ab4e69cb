"""``keys`` and ``db``: who may call the facade, made and taken back from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_harness import Answer


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Answer]) -> Callable[..., Answer]:
    monkeypatch.setenv("ORIS_SQLITE_DB", str(tmp_path / "control.db"))
    return cli


def test_a_key_from_its_making_to_its_end(here: Callable[..., Answer]) -> None:
    made = here("keys", "create", "ops-1", "--role", "admin", "--tenant", "acme", "--json").json
    assert {**made, "secret": ""} == {
        "key_id": "ops-1",
        "role": "admin",
        "tenant": "acme",
        "status": "active",
        "secret": "",
    }
    rotated = here("keys", "rotate", "ops-1", "--json").json
    assert len({made["secret"], rotated["secret"]}) == 2
    assert here("keys", "disable", "ops-1").out == "Key ops-1 is disabled.\n"
    listed = here("keys", "list").out
    assert listed.split("\n")[1].split() == ["ops-1", "admin", "acme", "disabled"]
    assert made["secret"] not in listed
    here("keys", "enable", "ops-1")
    assert here("keys", "list", "--json").json[0]["status"] == "active"


def test_the_secret_alone_is_the_answer(here: Callable[..., Answer], tmp_path: Path) -> None:
    made = here("keys", "create", "ops-1")
    assert len(made.out.split()) == 1
    assert f"x-api-key: {made.out}" in made.err
    assert f"(operator, in {tmp_path / 'control.db'})" in made.err


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["create", "taken"], 1, "oris-temporal keys rotate taken"),
        (["create", "two words"], 2, "The id of an API key has"),
        (["create", "x", "--role", "boss"], 2, "invalid choice: 'boss'"),
        (["rotate", "nobody"], 5, "No API key has the id 'nobody'"),
        (["disable", "nobody"], 5, "No API key has the id 'nobody'"),
        ([], 2, "oris-temporal keys --help"),
    ],
)
def test_mistakes(here: Callable[..., Answer], arguments: list[str], code: int, part: str) -> None:
    here("keys", "create", "taken")
    answer = here("keys", *arguments)
    assert answer.code == code
    assert part in answer.err


def test_upgrading(here: Callable[..., Answer], tmp_path: Path) -> None:
    first, second = here("db", "upgrade", "--json").json, here("db", "upgrade", "--json").json
    assert first["before"] is None
    assert first["after"] == second["before"] == second["after"]
    assert (tmp_path / "control.db").exists()


def test_where_there_are_no_keys_the_store_is_named(here: Callable[..., Answer], tmp_path: Path) -> None:
    assert here("keys", "list").out == f"There are no API keys in {tmp_path / 'control.db'}.\n"
