"""Where words begin and end, in text of any script."""

from __future__ import annotations

import re

UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f"
"""Characters, for a class of a pattern, that may stand right beside another word: Chinese, Japanese, Korean, Thai and the like."""

LETTER = rf"[^\W{UNSPACED}]"
"""Pattern of a character that would be part of the word beside it."""


def whole_word(text: str) -> re.Pattern[str]:
    """A pattern that finds a word or phrase, in any case, but not as a part of a longer word."""
    after = rf"(?!{LETTER})" if re.match(LETTER, text[-1:]) else ""
    return re.compile(beginning_of_word(text).pattern + after, re.IGNORECASE)


def beginning_of_word(text: str) -> re.Pattern[str]:
    """A pattern that finds a word or phrase, in any case, also as the beginning of a longer word."""
    before = rf"(?<!{LETTER})" if re.match(LETTER, text) else ""
    return re.compile(before + re.escape(text), re.IGNORECASE)
