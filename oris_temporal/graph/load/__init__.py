"""Graphs declared as data: a dict, JSON or YAML text, or a file.

A graph file says what `StateGraph` says in code, and means the same::

    name: review
    state:
      topic: str
      draft: {type: str, default: ""}
      rounds: {type: int, reducer: add}
    nodes:
      - {name: write, function: "my_app.nodes:write", options: {timeout: 2m}}
      - {name: cool_down, plugin: delay, config: {seconds: 1}}
      - {name: publish, graph: publish.yaml}
    edges:
      - {from: START, to: write}
      - {from: write, to: cool_down}
      - from: cool_down
        when: [{field: rounds, op: ">=", value: 3, to: publish}]
        else: write
      - {from: publish, to: END}
    interrupt_before: [publish]

Code is named by reference: ``module:attribute``, or a name given in ``load_graph(..., functions={...})``. A
graph file runs the code that it names, so load only files you trust.
"""

from .graph_file import graph_file_schema
from .loader import load_graph

__all__ = ["graph_file_schema", "load_graph"]
