"""The route class of every endpoint: decodes ids, checks the query and reads the body before FastAPI does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, get_origin

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from ..transport.json_body import Absent, read_json
from ..transport.problems import wrong_shape
from ..transport.query import check_query
from ..transport.segments import decode_segments
from .request import WireRequest


class WireRoute(APIRoute):
    """An endpoint that reads its input by the API's rules and in its order: path, query, body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, behind the reading of its input."""
        handle = super().get_route_handler()
        params = self.dependant.query_params
        query_names = [field.alias for field in params if get_origin(field.field_info.annotation) is not list]
        body_field = self.body_field

        async def handle_wire(request: Request) -> Response:
            request.scope["path_params"] = decode_segments(request.path_params)
            check_query(request.scope["query_string"], query_names)
            document: Any = Absent
            if body_field is not None:
                document = await read_json(request, required=body_field.field_info.is_required())
                if document is not Absent and not isinstance(document, dict):
                    raise wrong_shape(document)
            return await handle(WireRequest(request.scope, request.receive, document))

        return handle_wire
