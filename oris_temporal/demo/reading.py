"""Reading Markdown: headings, sections, words, the sentence that says most. Plain functions without effects."""

from __future__ import annotations

import re
from collections import Counter

_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*")
_WORD = re.compile(r"[^\W\d_][\w'-]*")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_MARKUP = re.compile(r"[`*|]+|^\s*>|!?\[([^]]*)\]\([^)]*\)")
_COMMON = """
a about after all also an and any are as at be because been but by can do does each every for from had has have how
if in into is it its may more most must no not of on one only or other our out over own same so some such than that
the their them then there these they this those to two under until up use used uses using very was we what when
where which while who why will with without you your
"""


def headings(text: str) -> list[tuple[int, str]]:
    """Level and text of every heading, outside of code blocks."""
    return [(len(found[1]), _plain(found[2])) for line in _prose(text) if (found := _HEADING.fullmatch(line))]


def sections(text: str) -> list[tuple[str, str]]:
    """Heading and body of every section that has a body; what comes first may have no heading."""
    found: list[tuple[str, list[str]]] = [("Beginning", [])]
    for line in _prose(text):
        if heading := _HEADING.fullmatch(line):
            found.append((_plain(heading[2]), []))
        else:
            found[-1][1].append(line)
    return [(heading, body) for heading, lines in found if (body := "\n".join(lines).strip())]


def count_words(text: str) -> int:
    """Number of words."""
    return len(_WORD.findall(text))


def frequent_terms(text: str, limit: int) -> list[tuple[str, int]]:
    """The words used most, without the common ones; equal counts in alphabetical order."""
    words = (word.lower() for line in _prose(text) for word in _WORD.findall(_plain(line)))
    common = set(_COMMON.split())
    counts = Counter(word for word in words if len(word) > 2 and word not in common)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]


def key_sentence(body: str, terms: set[str]) -> str:
    """The sentence with most of the given terms; the first of several."""
    paragraphs = (" ".join(_plain(part).split()) for part in re.split(r"\n\s*\n|\n[-*] ", body))
    sentences = [sentence for part in paragraphs for sentence in _SENTENCE_END.split(part) if sentence]
    return max(sentences, key=lambda item: len(terms & {word.lower() for word in _WORD.findall(item)}), default="")


def _prose(text: str) -> list[str]:
    """The lines outside of code blocks."""
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            lines.append(line)
    return lines


def _plain(line: str) -> str:
    return _MARKUP.sub(lambda found: found[1] or "", line).strip()
