"""Skills: instructions in files, which a model reads when it needs them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oris_temporal.graph.errors import GraphCompileError, ToolError
from oris_temporal.tools import Tool, tool

from .base import Middleware

SKILL_FILE = "SKILL.md"
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_ENTRY = re.compile(r"^(\w[\w-]*):[ \t]*(.*(?:\n[ \t]+.*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Skill:
    """One skill.

    Attributes:
        name: Its name.
        description: When to use it.
        body: The instructions.
        folder: Where its files are.
    """

    name: str
    description: str
    body: str
    folder: Path


class SkillsMiddleware(Middleware):
    """Tells the model which skills there are, and gives it a tool ``load_skill`` to read one.

    A skill is a folder with a file ``SKILL.md`` that begins with front matter, ``name:`` and ``description:`` between two lines
    ``---``; the instructions follow. They may name other files of the folder, which the tool reads as well; it reads nothing else.
    The list is read when the agent is made, a skill when it is loaded, by an activity: its workers need the directory too.

    Args:
        directory: Has the folders of the skills, at any depth.
        tool_name: Name of the tool.

    Raises:
        GraphCompileError: There is no such directory, it has no skills, or one of them has no name or description.
    """

    def __init__(self, directory: str | Path, *, tool_name: str = "load_skill") -> None:
        root = Path(directory).resolve()
        if not root.is_dir():
            raise GraphCompileError(f"SkillsMiddleware: there is no directory {str(directory)!r}.")
        try:
            found = read_skills(root)
        except ValueError as error:
            raise GraphCompileError(f"SkillsMiddleware: {error}") from None
        if not found:
            raise GraphCompileError(f"SkillsMiddleware: no folder in {str(directory)!r} has a {SKILL_FILE}.")
        listed = "\n".join(f"- {skill.name}: {skill.description}" for skill in found.values())
        self.system_prompt = f"You have skills. Before you do what one is for, read it with {tool_name}:\n{listed}"
        self.tools = (_loader(root, tool_name),)


def read_skills(root: Path) -> Mapping[str, Skill]:
    """The skills of a directory, by name and in the order of their names.

    Raises:
        ValueError: One cannot be read, or two have the same name.
    """
    skills: dict[str, Skill] = {}
    for path in sorted(root.rglob(SKILL_FILE)):
        if not path.resolve().is_relative_to(root):
            continue
        skill = _read(path)
        if skill.name in skills:
            raise ValueError(f"{path} and {skills[skill.name].folder / SKILL_FILE} are both called {skill.name!r}.")
        skills[skill.name] = skill
    return dict(sorted(skills.items()))


def _read(path: Path) -> Skill:
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    front = _FRONT_MATTER.match(text)
    entries = {name: _value(value) for name, value in _ENTRY.findall(front[1] if front else "")}
    for name in ("name", "description"):
        if not entries.get(name):
            raise ValueError(
                f"{path} needs a {name}: it begins with front matter, '---', 'name: ...', 'description: ...', '---'."
            )
    assert front is not None
    return Skill(entries["name"], entries["description"], text[front.end() :].strip(), path.parent)


def _value(text: str) -> str:
    """A value of the front matter: plain, in quotes, or folded over several lines."""
    words = " ".join(text.split())
    words = re.sub(r"^[>|][+-]?\s", "", words)
    return words[1:-1] if len(words) > 1 and words[0] == words[-1] and words[0] in "\"'" else words


@functools.cache  # agents with the same skills have the same tool
def _loader(root: Path, tool_name: str) -> Tool:
    @tool(name=tool_name)
    def load_skill(name: str, file: str = SKILL_FILE) -> str:
        """Read a skill.

        Args:
            name: Name of the skill.
            file: Another file of the skill, if its instructions name one.
        """
        skills = read_skills(root)
        if (skill := skills.get(name)) is None:
            raise ToolError(f"There is no skill {name!r}; there are {', '.join(skills)}.", kind="not_found")
        if file == SKILL_FILE:
            return skill.body
        folder = skill.folder.resolve()
        path = (folder / file.replace("\0", "")).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            raise ToolError(f"Skill {name!r} has no file {file!r}.", kind="not_found")
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ToolError(f"File {file!r} of skill {name!r} is no text.", kind="invalid_input") from None

    return load_skill
