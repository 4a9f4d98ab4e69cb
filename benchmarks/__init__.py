"""The same work as an Oris graph, as a hand-written Temporal workflow and through the official LangGraph plugin, measured side by side."""
