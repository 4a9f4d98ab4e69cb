"""Personal data is taken out of what an agent reads and writes."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from oris_temporal.graph.context import Context
from oris_temporal.graph.errors import ContentBlockedError, GraphCompileError, ToolError
from oris_temporal.graph.messages import Message, RemoveMessage
from oris_temporal.graph.wire import to_wire
from oris_temporal.tools import ToolOutput

from .base import Middleware, ModelCall, ModelHandler, State, ToolHandler, ToolRequest, calls_tools
from .words import LETTER, UNSPACED

PIIKind = Literal["email", "credit_card", "ip", "mac", "url"]
Strategy = Literal["redact", "mask", "hash", "block"]
Place = Literal["input", "output", "tool_results"]


def luhn(digits: str) -> bool:
    """Whether the last digit fits the others, as it does in card numbers."""
    numbers = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in numbers) % 10 == 0


Span = tuple[int, int]
Finder = Callable[[str], Iterable[Span]]


def _matches(pattern: str | re.Pattern[str], is_one: Callable[[str], bool] = bool) -> Finder:
    # What is text is compiled at first use, for whole alphabets take tens of milliseconds.
    return lambda text: [match.span() for match in re.finditer(pattern, text) if is_one(match[0])]


_DIGITS = re.compile(rf"(?<!{LETTER})\d{{3,}}(?:[ -]\d{{3,}})*")


def _cards(text: str) -> Iterator[Span]:
    """Groups of 13 to 19 digits in all; what stands beside them, such as a date, may look like more of them."""
    for run in _DIGITS.finditer(text):
        groups = [group.span() for group in re.compile(r"\d+").finditer(text, *run.span())]
        first = 0
        while first < len(groups):
            start, last = groups[first][0], len(groups) - 1
            while last >= first and not _is_card(text[start : groups[last][1]]):
                last -= 1
            if last >= first:
                yield start, groups[last][1]
            first = max(first, last) + 1


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and luhn(digits)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(character.isdigit() for character in text)  # or it is code: a::b


_V4 = rf"(?<!{LETTER})(?<!\.)\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?!\.?{LETTER})"
_V6 = (
    rf"(?<!{LETTER})(?<![.:])(?:[0-9a-f]{{0,4}}:){{2,7}}(?:\d{{1,3}}(?:\.\d{{1,3}}){{3}}|[0-9a-f]{{0,4}})(?!{LETTER}|:)"
)
_LOCAL = rf"(?:(?<!{LETTER})(?<![.+%-])(?:{LETTER}|[.+%-])+|[{UNSPACED}]+)"
_TOP = rf"(?:[^\W\d_{UNSPACED}]{{2,}}(?!{LETTER}|-)|[{UNSPACED}]{{2,}})"
_URL_END = r"\s<>\"'`\u3000-\u303f\uff00-\uff65"
_KINDS: Mapping[str, Finder] = {
    "email": _matches(rf"{_LOCAL}@[\w-]+(?:\.[\w-]+)*\.{_TOP}"),
    "credit_card": _cards,
    "ip": _matches(f"(?i:{_V4}|{_V6})", _is_ip),
    "mac": _matches(
        rf"(?i)(?<!{LETTER})(?<![:-])[0-9a-f]{{2}}([:-])(?:[0-9a-f]{{2}}\1){{4}}[0-9a-f]{{2}}(?!{LETTER}|[:-])"
    ),
    "url": _matches(rf"(?i)(?<!{LETTER})(?:https?://|www\.)[^{_URL_END}]*[^{_URL_END}.,;:!?)\]}}]"),
}


@dataclass(frozen=True)
class _Found:
    kind: str
    text: str
    start: int
    end: int


class PIIMiddleware(Middleware):
    """Finds personal data in the conversation and replaces it; all other text stays as it is.

    Input is rewritten in the state before the model sees it; answers and tool results are before they enter the state, and before
    watchers see them: an answer is not streamed while it is written. The arguments of tool calls are not touched, those of a structured
    answer are; a model's reasoning is as its provider wants it back. What goes through Temporal's history - the input of the run, the
    results of activities - is not rewritten: encrypt it.

    Args:
        kinds: What to look for: ``email``, ``credit_card`` (with a check digit that fits), ``ip``, ``mac``, ``url``.
        patterns: Kinds of your own: name to regular expression.
        strategy: ``redact`` (``[REDACTED_EMAIL]``), ``mask`` (the last four digits of a card, the domain of an address, ... remain),
            ``hash`` (``<email:4f2a...>``, the same for the same text), or ``block``: the run fails with `ContentBlockedError`.
        apply_to: Where to look: ``input`` (what humans say), ``output`` (answers), ``tool_results``.

    Raises:
        GraphCompileError: There is no such kind, strategy or place, or a pattern is no regular expression.
    """

    def __init__(
        self,
        kinds: Collection[PIIKind] = ("email", "credit_card", "ip", "mac", "url"),
        *,
        patterns: Mapping[str, str | re.Pattern[str]] | None = None,
        strategy: Strategy = "redact",
        apply_to: Collection[Place] = ("input", "output", "tool_results"),
    ) -> None:
        _check("kind", kinds, _KINDS)
        _check("strategy", [strategy], ("redact", "mask", "hash", "block"))
        _check("place", apply_to, ("input", "output", "tool_results"))
        self._finders: dict[str, Finder] = {kind: _KINDS[kind] for kind in kinds}
        for name, pattern in (patterns or {}).items():
            try:
                self._finders[name] = _matches(re.compile(pattern))
            except re.error as error:
                raise GraphCompileError(f"PIIMiddleware: pattern {name!r} is no regular expression: {error}.") from None
        self._strategy = strategy
        self._apply_to = apply_to
        self.holds_answers = "output" in apply_to

    async def before_model(self, state: State, ctx: Context) -> Any:
        """See `Middleware.before_model`."""
        if "input" not in self._apply_to:
            return None
        messages: list[Message] = state["messages"]
        clean = [
            self._clean_message(message, "the input") if message.message_type == "human" else message
            for message in messages
        ]
        if all(new is old for new, old in zip(clean, messages, strict=True)):
            return None
        return {"messages": [RemoveMessage.all(), *clean]}

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """See `Middleware.wrap_model_call`."""
        answer = await handler(call)
        if "output" not in self._apply_to:
            return answer
        clean = self._clean_message(answer, "the answer")
        if not isinstance(clean.tool_calls, list) or calls_tools(answer, call.tools):
            return clean
        return clean.model_copy(update={"tool_calls": [self._clean_call(item) for item in clean.tool_calls]})

    async def wrap_tool_call(self, request: ToolRequest, handler: ToolHandler) -> ToolOutput:
        """See `Middleware.wrap_tool_call`."""
        if "tool_results" not in self._apply_to:
            return await handler(request)
        where = f"the result of tool {request.call.name}"
        try:
            output = await handler(request)
        except ToolError as error:
            if (told := self.clean(error.message, where)) == error.message:
                raise
            raise ToolError(told, **error.details) from error
        update = output.update
        if update is not None and "messages" in update:
            besides = [Message.parse(item) for item in update["messages"]]
            clean = [self._clean_message(message, where) for message in besides]
            update = {**update, "messages": to_wire(clean, where)}
        return replace(output, content=self._clean_text(output.content, where), update=update)

    def clean(self, text: str, where: str = "the text") -> str:
        """A text without personal data.

        Args:
            text: The text.
            where: What it is, for the error.

        Raises:
            ContentBlockedError: There is some, and the strategy is ``block``.
        """
        parts: list[str] = []
        done = 0
        for found in self._find(text):
            if self._strategy == "block":
                raise ContentBlockedError(
                    f"PIIMiddleware: there is personal data in {where} ({found.kind}).", kind=found.kind, where=where
                )
            parts += [text[done : found.start], _REPLACE[self._strategy](found)]
            done = found.end
        return "".join([*parts, text[done:]])

    def _find(self, text: str) -> Iterator[_Found]:
        """What is found, from left to right; of what overlaps, the first and longest."""
        found = [
            _Found(kind, text[start:end], start, end)
            for kind, find in self._finders.items()
            for start, end in find(text)
        ]
        end = 0
        for item in sorted(found, key=lambda item: (item.start, -item.end)):
            if item.start >= end:
                yield item
                end = item.end

    def _clean_call(self, call: Any) -> Any:
        """A call that is a structured answer."""
        body = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(body, Mapping) or not isinstance(body.get("arguments"), str):
            return call
        return {**call, "function": {**body, "arguments": self._clean_text(body["arguments"], "the answer")}}

    def _clean_text(self, text: str, where: str) -> str:
        """A text, or the values in it if it is JSON: what stands there as an escape, such as that of a line end, is no part of a word."""
        if not text.lstrip().startswith(("{", "[")):
            return self.clean(text, where)
        try:
            data = json.loads(text)
        except ValueError:
            return self.clean(text, where)
        clean = self._clean_json(data, where)
        return text if clean == data else json.dumps(clean, ensure_ascii=False)

    def _clean_json(self, data: Any, where: str) -> Any:
        match data:
            case dict():
                return {self.clean(name, where): self._clean_json(value, where) for name, value in data.items()}
            case list():
                return [self._clean_json(item, where) for item in data]
            case str():
                return self.clean(data, where)
            case int() if not isinstance(data, bool):
                text = self.clean(str(data), where)
                return data if text == str(data) else text
        return data

    def _clean_message(self, message: Message, where: str) -> Message:
        text = self._clean_text(message.content, where)
        return message if text == message.content else message.model_copy(update={"content": text})


def _mask(found: _Found) -> str:
    text = found.text
    match found.kind:
        case "email":
            return f"{text[0]}***@{text.partition('@')[2]}"
        case "credit_card":
            return f"****-****-****-{text[-4:]}"
        case "ip" if "." in text and ":" not in text:
            return f"{text.partition('.')[0]}.*.*.*"
        case "ip":
            return f"{text.partition(':')[0]}:****"
        case "mac":
            return f"{text[:8]}{text[2]}**{text[2]}**{text[2]}**"
        case "url":
            return "[URL]"
    return "*" * len(text)


def _hash(found: _Found) -> str:
    return f"<{found.kind}:{hashlib.sha256(found.text.encode()).hexdigest()[:12]}>"


_REPLACE: dict[str, Callable[[_Found], str]] = {
    "redact": lambda found: f"[REDACTED_{found.kind.upper()}]",
    "mask": _mask,
    "hash": _hash,
}


def _check(what: str, given: Collection[str], known: Collection[str]) -> None:
    if unknown := [item for item in given if item not in known]:
        raise GraphCompileError(f"PIIMiddleware has no {what} {unknown[0]!r}; there are {', '.join(known)}.")
