"""Unknown path: 404; known path, other method: 405 with ``Allow``. Both with an empty body."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Answer for the router; handlers never raise `HTTPException` themselves."""
    assert isinstance(error, HTTPException)
    headers = {"allow": allowed_methods(request.scope)} if error.status_code == 405 else None
    return Response(status_code=error.status_code, headers=headers)


def allowed_methods(scope: Scope) -> str:
    """Methods that this path has a route for, in the form of the ``Allow`` header."""
    allowed = []
    for method in _METHODS:
        probe = {key: value for key, value in scope.items() if key not in ("fastapi", "path_params")}
        probe["method"] = method
        if any(route.matches(probe)[0] is Match.FULL for route in scope["app"].routes):
            allowed += ["GET", "HEAD"] if method == "GET" else [method]
    return ",".join(allowed)
