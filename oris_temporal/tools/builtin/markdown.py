"""A program: HTML on stdin becomes Markdown on stdout.

`web_fetch` starts it for each page. What some pages make of a parser's time - blanks by the megabyte are enough for hours - is then not
the worker's, and ends with the time limit.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from bs4 import BeautifulSoup
from markdownify import MarkdownConverter

_HIDDEN = ("script", "style", "noscript", "template", "svg", "head")


def markdown(html: str) -> str:
    """What a page says, as Markdown."""
    page = BeautifulSoup(html, "html.parser")
    title = page.title.get_text(" ", strip=True) if page.title else ""
    for hidden in page(_HIDDEN):
        hidden.decompose()
    try:
        converter: Any = MarkdownConverter(heading_style="ATX", strip=["img"])
        text = converter.convert_soup(page)
    except RecursionError:  # nested more deeply than any page needs
        text = " ".join(page.strings)
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip(" \t") for line in text.split("\n"))).strip()
    return f"# {title}\n\n{text}" if title and title not in text[:500] else text


if __name__ == "__main__":
    sys.stdout.buffer.write(markdown(sys.stdin.buffer.read().decode()).encode(errors="replace"))
