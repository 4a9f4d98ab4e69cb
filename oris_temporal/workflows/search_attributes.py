"""The search attributes by which runs are found and listed, in the Web UI as well as by `OrisClient.list`.

A namespace must know them before a workflow may set them: `oris-temporal setup` registers them on an existing
cluster, the embedded dev server is started with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from temporalio.common import SearchAttributeKey

GRAPH: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("OrisGraph")
"""Name of the graph."""

STATUS: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("OrisStatus")
"""Status of the run: ``running``, ``interrupted``, ``completed``, ``failed`` or ``cancelled``."""

TENANT: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("OrisTenant")
"""The tenant that the run was started for."""

INTERRUPTS: Final = SearchAttributeKey.for_keyword_list("OrisInterrupts")
"""Ids of the pending interrupts, so that one visibility query finds every run that waits for a person."""

UPDATED_AT: Final[SearchAttributeKey[datetime]] = SearchAttributeKey.for_datetime("OrisUpdatedAt")
"""When the status last changed."""

PARENT: Final[SearchAttributeKey[str]] = SearchAttributeKey.for_keyword("OrisParent")
"""Thread id of the run that this one is a subgraph or a fork of."""

SEARCH_ATTRIBUTES: Final[Mapping[str, SearchAttributeKey[Any]]] = MappingProxyType(
    {key.name: key for key in (GRAPH, STATUS, TENANT, INTERRUPTS, UPDATED_AT, PARENT)}
)
"""Every search attribute of this package by its name."""


def type_name(key: SearchAttributeKey[Any]) -> str:
    """Name of an attribute's type as the ``temporal`` command line writes it, such as ``KeywordList``."""
    return key.indexed_value_type.name.title().replace("_", "")
