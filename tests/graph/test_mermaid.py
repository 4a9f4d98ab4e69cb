"""Drawing: what it shows, that ids never collide and that labels survive Mermaid's syntax."""

from __future__ import annotations

import itertools
import re
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypedDict

from oris_temporal.graph.builder import StateGraph
from oris_temporal.graph.compiled import CompiledGraph
from oris_temporal.graph.context import Context
from oris_temporal.graph.control import END, START, Command

NODE = re.compile(r"([A-Za-z0-9_]+)(?:\(\[|\[\[|\[|\()\"?([^\"\n\])]+)\"?(?:\]\)|\]\]|\]|\))")
ARROW = re.compile(r"([A-Za-z0-9_]+) (?:-->|-\.->|-\. \"([^\"\n]+)\" \.->) ([A-Za-z0-9_]+)")


class State(TypedDict, total=False):
    n: int


def work(state: State) -> None:
    """Does nothing."""


async def wait(state: State, ctx: Context) -> None:
    """Does nothing, in the workflow."""


def test_drawing() -> None:
    child = StateGraph(State).add_node("work", work).add_edge(START, "work").add_edge("work", END)
    graph = StateGraph(State)
    graph.add_node("fetch_all", work).add_node("wait", wait).add_node("sub-graph", child.compile(name="child"))
    graph.add_edge(START, "fetch_all").add_edge(START, "wait").add_edge(["fetch_all", "wait"], "sub-graph")
    graph.add_conditional_edges("sub-graph", lambda state: True, {True: END, False: "wait"})
    assert graph.compile(name="shapes").to_mermaid() == "\n    ".join(
        [
            "flowchart TD",
            "start_([START]) --> fetch_all(fetch_all)",
            "start_ --> wait",
            'fetch_all --> n_sub_2d_graph[["sub-graph"]]',
            "wait --> n_sub_2d_graph",
            'n_sub_2d_graph -. "True" .-> end_([END])',
            'n_sub_2d_graph -. "False" .-> wait',
        ]
    )


def test_where_a_command_may_lead_is_dotted() -> None:
    def decide(state: State) -> Command[Literal["b", "__end__"]]:
        return Command(goto="b")

    graph = StateGraph(State).add_node("decide", decide).add_node("b", work)
    graph.add_edge(START, "decide").add_edge("b", END)
    assert graph.compile(name="commands").to_mermaid().splitlines()[1:] == [
        "    start_([START]) --> decide(decide)",
        "    b(b) --> end_([END])",
        "    decide -.-> b",
        "    decide -.-> end_",
    ]


def test_edges_that_follow_each_other_are_one_line() -> None:
    graph = StateGraph(State).add_node("a", work).add_node("b", work).add_node("c", wait)
    graph.add_edge(START, "a").add_edge("a", "b").add_edge(START, "c").add_edge(["b", "c"], END)
    assert graph.compile(name="lines").to_mermaid().splitlines()[1:] == [
        "    start_([START]) --> a(a) --> b(b)",
        "    start_ --> c",
        "    b --> end_([END])",
        "    c --> end_",
    ]


def test_a_router_without_mapping_may_lead_to_what_it_lists_or_anywhere() -> None:
    graph = StateGraph(State).add_node("a", work).add_node("b", work).add_edge(START, "a")
    graph.add_conditional_edges("a", lambda state: "b", ["b"]).add_conditional_edges("b", lambda state: END)
    arrows = graph.compile(name="routers").to_mermaid().splitlines()[-4:]
    assert [arrow.strip() for arrow in arrows] == [
        "a -.-> b(b)",
        "b -.-> a",
        "b -.-> b",
        "b -.-> end_([END])",
    ]


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.é-]{0,6}", fullmatch=True).filter(lambda name: name != "n")


@given(st.lists(NAMES, min_size=1, unique=True))
def test_ids_differ_whenever_names_do(names: list[str]) -> None:
    ids, labels = zip(*_nodes(_chain(names, {})), strict=True)
    assert len(set(ids)) == len(names) + 2
    assert labels == ("START", *names, "END")  # each node has its label once
    assert "end" not in ids  # a keyword


def test_a_name_that_begins_like_a_keyword_of_mermaid_is_quoted() -> None:
    drawn = _chain(["End", "endpoint", "class_a", "style", "sender"], {}).to_mermaid()
    assert drawn.splitlines()[1].strip() == (
        'start_([START]) --> n_End("End") --> n_endpoint("endpoint") --> n_class__a("class_a") --> n_style("style") '
        "--> sender(sender)"
    )


def test_names_that_differ_only_in_punctuation() -> None:
    names = ["a-b", "a.b", "a_b", "a__b", "a_2d_b", "end", "end_", "n_end", "start_", "n_a", "n_a_2d_b"]
    assert len(set(dict(_nodes(_chain(names, {}))))) == len(names) + 2


@given(st.lists(st.text(max_size=12).filter(lambda key: key.strip() and key != "stop"), unique=True, max_size=5))
def test_labels_show_mapping_keys_as_they_are(keys: list[str]) -> None:
    assert _choices(_chain(["a"], dict.fromkeys(keys, "a"))) == [*keys, "stop"]


def test_text_that_means_something_to_mermaid_markdown_or_html() -> None:
    keys = [
        '"',
        "#quot;",
        "%%{init: {}}%%",
        "`x`",
        "_i_",
        "1. x",
        "<b>x</b>",
        "&amp;",
        "a;b",
        "--> z",
        "$$x$$",
    ]
    drawn = _chain(["a"], dict.fromkeys(keys, "a")).to_mermaid()
    raw = [match[2] for match in ARROW.finditer(drawn) if match[2]]
    assert not set("".join(raw)) & set('"%`<>&{}$*')
    assert _choices(_chain(["a"], dict.fromkeys(keys, "a"))) == [*keys, "stop"]


def test_readable_labels_stay_readable_and_none_is_empty() -> None:
    drawn = _chain(["a"], {"approved": "a", "n = 3, x-y.z (again?)": "a", "": "a", " \n": "a"}).to_mermaid()
    raw = [match[2] for match in ARROW.finditer(drawn) if match[2]]
    assert raw == ["approved", "n = 3, x-y.z (again?)", "#34;#34;", "#34;#34;", "stop"]


def _chain(names: list[str], mapping: dict[Any, str]) -> CompiledGraph:
    graph = StateGraph(State).add_edge(START, names[0])
    for name in names:
        graph.add_node(name, work)
    for source, target in itertools.pairwise(names):
        graph.add_edge(source, target)
    graph.add_conditional_edges(names[-1], lambda state: "stop", {**mapping, "stop": END})
    return graph.compile(name="drawn", lint="off")


def _nodes(graph: CompiledGraph) -> list[tuple[str, str]]:
    drawn = graph.to_mermaid()
    for line in drawn.splitlines()[1:]:
        tokens = re.split(r"(-->|-\.->|-\. \"[^\"\n]+\" \.->)", NODE.sub(r"\1", line.strip()))
        assert len(tokens) >= 3
        assert all(re.fullmatch(r"[A-Za-z0-9_]+", name.strip()) for name in tokens[::2])
    return [(match[1], _decoded(match[2])) for match in NODE.finditer(drawn)]


def _choices(graph: CompiledGraph) -> list[str]:
    return [_decoded(match[2]) for match in ARROW.finditer(graph.to_mermaid()) if match[2]]


def _decoded(label: str) -> str:
    """The label as Mermaid shows it."""
    return re.sub(r"#(\d+);", lambda code: chr(int(code[1])), label)
