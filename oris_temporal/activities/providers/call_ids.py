"""Ids of tool calls, as each provider takes them: a conversation may have been begun with another one.

Ids are changed on the wire only, and only where the provider would refuse them; the same id becomes the same every time, in the call
and in its result.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from string import ascii_letters, digits

_CHARACTERS = digits + ascii_letters


@dataclass(frozen=True)
class CallIds:
    """A provider's rule.

    Attributes:
        allowed: What an id must be.
        length: Characters, letters and digits, of those that take the place of others.
    """

    allowed: re.Pattern[str]
    length: int

    def fit(self, id: str) -> str:
        """The id, or if the provider would refuse it one that follows from it."""
        if self.allowed.fullmatch(id):
            return id
        number = int.from_bytes(hashlib.sha256(id.encode(errors="surrogatepass")).digest())
        made = []
        for _ in range(self.length):
            number, place = divmod(number, len(_CHARACTERS))
            made.append(_CHARACTERS[place])
        return "".join(made)


MISTRAL = CallIds(re.compile(r"[a-zA-Z0-9]{9}"), 9)
"""Mistral: "must be a-z, A-Z, 0-9, with a length of 9", says its API of others."""

ANTHROPIC = CallIds(re.compile(r"[a-zA-Z0-9_-]+"), 24)
"""Anthropic: the pattern in its API reference."""

CHAT = CallIds(re.compile(r".{0,40}", re.DOTALL), 24)
"""OpenAI's Chat Completions: "maximum length 40"."""

RESPONSES = CallIds(re.compile(r".{0,64}", re.DOTALL), 24)
"""OpenAI's Responses API: "maximum length 64"."""

_MISTRALS = re.compile(r"(mis|minis|codes|devs|magis|pixs)tral|(mix|pix)tral")


def chat_ids(provider: str, model: str) -> CallIds:
    """The rule of a model behind Chat Completions. Mistral's models have theirs wherever they are served."""
    is_mistral = provider == "mistral" or (provider != "openai" and _MISTRALS.search(model.lower()))
    return MISTRAL if is_mistral else CHAT
