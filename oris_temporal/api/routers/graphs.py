"""Which graphs there are."""

from __future__ import annotations

from fastapi import APIRouter

from ..models.envelope import Envelope
from ..models.graphs import Graph, GraphList
from ..openapi import errors
from .request import WireRequest
from .route import WireRoute

router = APIRouter(prefix="/v1/graphs", tags=["graphs"], route_class=WireRoute)


@router.get("", name="list_graphs", summary="List graphs", responses=errors())
async def list_graphs(request: WireRequest) -> Envelope[GraphList]:
    """The graphs that this server was given (`ORIS_GRAPHS`); none if it leaves that to its workers."""
    return request.envelope(request.services.graphs.list())


@router.get("/{name}", name="get_graph", summary="Inspect a graph", responses=errors(404))
async def get_graph(name: str, request: WireRequest) -> Envelope[Graph]:
    """Its nodes and where they run, its edges, a diagram, and what its input, state and output look like."""
    return request.envelope(request.services.graphs.get(name))
