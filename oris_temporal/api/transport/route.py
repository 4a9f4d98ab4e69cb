"""The route class of every endpoint: decodes ids, checks the query and reads the body before FastAPI does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, get_origin

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from .json_body import Absent, read_json
from .problems import wrong_shape
from .query import check_query
from .segments import decode_segments


class _ReadRequest(Request):
    """A request whose body is read and parsed already; this is all FastAPI gets to see of it."""

    def __init__(self, request: Request, document: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._document = document

    async def body(self) -> bytes:
        return b"" if self._document is Absent else b"read"

    async def json(self) -> Any:
        return self._document


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
            return await handle(_ReadRequest(request, document))

        return handle_wire
