"""What went wrong at a provider, as a `ModelError`; the same for all of them. None of it ever holds a key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from oris_temporal.graph.errors import ModelError
from oris_temporal.models.providers import AdapterSettings
from oris_temporal.models.retry_after import retry_after

LONGEST_MESSAGE = 500
"""Characters that are kept of what a provider says."""

_READ = 20_000  # characters of a provider's message that are looked at; bodies can be pages
_DEPTH = 6  # levels of an error body in which its message is looked for

_BY_STATUS = {
    401: "authentication",
    402: "permission",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    429: "rate_limit",
    503: "overloaded",
    529: "overloaded",
}

_WHATEVER_STATUS = {
    **dict.fromkeys(
        (
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "access_terminated",
            "account_deactivated",
            "arrearage",
            "billing_error",
        ),
        "permission",
    ),
    **dict.fromkeys(("invalid_api_key", "api_key_invalid"), "authentication"),
    **dict.fromkeys(("context_length_exceeded", "exceed_context_size_error"), "context_length"),
    **dict.fromkeys(
        (
            "content_filter",
            "content_policy_violation",
            "image_content_policy_violation",
            "responsibleaipolicyviolation",
            "moderation_blocked",
            "bio_policy",
            "cyber_policy",
            "cyber_policy_violation",
            "misalignment_policy_violation",
            "data_inspection_failed",
            "datainspectionfailed",
        ),
        "refused",
    ),
}
"""Kinds by a code or type of the error's body, where that says more than the status."""

_WITHOUT_STATUS = {
    "server_error": "server",
    "internal_error": "server",
    "api_error": "server",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "too_many_requests": "rate_limit",
    "server_is_overloaded": "overloaded",
    "slow_down": "overloaded",
    "overloaded_error": "overloaded",
    "vector_store_timeout": "timeout",
    "timeout": "timeout",
    "timeout_error": "timeout",
    "conflict_error": "conflict",
    "model_not_found": "not_found",
    "not_found_error": "not_found",
    "request_too_large": "invalid_request",
    "image_file_not_found": "invalid_request",
    "failed_to_download_image": "invalid_request",
    "empty_image_file": "invalid_request",
    "unsupported_image_media_type": "invalid_request",
    "invalid_request_error": "invalid_request",
    "data_residency_mismatch": "invalid_request",
    "authentication_error": "authentication",
    "permission_error": "permission",
}
"""Kinds by a code or type of an error inside of a stream, which has no status."""

_TOO_LONG = re.compile(
    r"maximum context length|context (length|window|size)[^.]*exceed|exceeds?[^.]*context (length|window|size)"
    r"|exceeds? context limit|prompt is too long|input token count[^.]*exceeds|range of input length should be|input is too long",
    re.IGNORECASE,
)
_AGAINST_POLICY = re.compile(
    r"content exists risk|usage polic|content management policy|content filtering policy|flagged (as|by|for)",
    re.IGNORECASE,
)

_UNPAID = re.compile(r"credit balance|insufficient (balance|funds|credit)|API usage limits", re.IGNORECASE)

_REMEDIES = {
    "authentication": "Check the key that the worker's environment has for it.",
    "permission": "Check the account's balance and limits, and what the key may do.",
    "not_found": "Check the name of the model and the address of the provider.",
    "invalid_request": "Another attempt would be refused too: change the request.",
    "context_length": "Shorten the conversation, or choose a model with a longer context.",
    "refused": "Another attempt would be refused too: change what is asked.",
    "rate_limit": "Ask less often, or have the provider raise the limit.",
    "connection": "Check that the worker can reach it.",
}

_SECRETS = (
    (re.compile(r"(\w://)[^/\s@]+@"), r"\1***@"),
    (re.compile(r"(?i)\b(authorization['\"]?\s*[:=]\s*)['\"]?(?:(?:bearer|basic)\s+)?[^\s,;'\"]+"), r"\1***"),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/*=-]{4,}"), r"\1***"),
    (re.compile(r"(?i)(api[ _-]?key(?: provided)?['\"]?\s*[:=]\s*)[^\s,;&]+"), r"\1***"),
    (re.compile(r"(?i)([?&](?:key|token|access_token|sig|signature)=)[^&\s]+"), r"\1***"),
    (re.compile(r"\b(?:(?:sk|pk|rk|gsk|xai)[-_]|hf_|AIza)[\w*.-]{4,}"), "***"),
)


class Failures:
    """Makes the errors of one provider; none of them ever holds its key."""

    def __init__(self, settings: AdapterSettings) -> None:
        self._provider = settings.provider
        self._key = settings.api_key
        self._base_url = settings.base_url

    def malformed(self, reason: str) -> ModelError:
        """The answer breaks the protocol."""
        return self._error("malformed", f"the answer breaks the protocol: {reason}")

    def invalid_request(self, reason: str, **details: Any) -> ModelError:
        """The request cannot be sent."""
        return self._error("invalid_request", reason, remedy="", **details)

    def timed_out(self) -> ModelError:
        """It said nothing for too long."""
        return self._error("timeout", "it did not answer in time.")

    def unreachable(self, error: BaseException) -> ModelError:
        """No answer has begun."""
        return self._error("connection", f"cannot be reached at {_place(self._base_url)}: {_cause(error)}.")

    def broken_off(self, error: BaseException) -> ModelError:
        """The connection ended within an answer."""
        return self.malformed(f"the connection broke before its end ({_cause(error)}).")

    def in_stream(self, body: object, message: str = "") -> ModelError:
        """An error that the provider wrote into its answer.

        Args:
            body: The error as JSON.
            message: What to say if the body has no message.
        """
        words = _words(body)
        said = _said(body) or message
        status = next((int(word) for word in words if re.fullmatch(r"[45]\d\d", word)), None)
        kind = _kind(words, said, status) or next(
            (_WITHOUT_STATUS[word] for word in words if word in _WITHOUT_STATUS),
            "invalid_request" if any(word.startswith(("invalid_", "image_")) for word in words) else "server",
        )
        return self._error(kind, said or "its answer ended with an error.", provider_code=next(iter(words), None))

    def refused(
        self, status: int, body: object, headers: Mapping[str, str], request_id: str | None = None
    ) -> ModelError:
        """An answer with a status of 400 or more.

        Args:
            status: The status.
            body: Its body, as JSON or as text.
            headers: Its headers.
            request_id: The provider's id of the request.
        """
        words = _words(body)
        said = _said(body)
        return self._error(
            _kind(words, said, status) or "invalid_request",
            said or "its answer has no message.",
            status=status,
            wait=retry_after(headers),
            provider_code=next(iter(words), None),
            request_id=request_id,
        )

    def _error(
        self,
        kind: str,
        said: str,
        *,
        remedy: str | None = None,
        status: int | None = None,
        wait: float | None = None,
        **details: Any,
    ) -> ModelError:
        text = self._shown(said)
        text = text if text.endswith((".", "!", "?", "…")) else f"{text}."
        todo = _REMEDIES.get(kind, "") if remedy is None else remedy
        return ModelError(
            f"Provider {self._provider}{f' ({status})' if status else ''}: {text}{f' {todo}' if todo else ''}",
            kind=kind,
            provider=self._provider,
            status=status,
            retry_after=wait,
            **{name: self._shown(value) if isinstance(value, str) else value for name, value in details.items()},
        )

    def _shown(self, text: str) -> str:
        """A text of the provider's without secrets, on one line, shortened."""
        if self._key:
            # a short key, such as "test" of a local server, may be part of an innocent word
            whole = re.escape(self._key)
            text = re.sub(whole if len(self._key) >= 8 else rf"(?<!\w){whole}(?!\w)", "***", text)
        text = text[:_READ]  # not before: half a key would be none to the line above
        for secret, shown in _SECRETS:
            text = secret.sub(shown, text)
        text = " ".join(text.split())
        return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def _kind(words: list[str], said: str, status: int | None) -> str | None:
    """The kind by what the body says, else by the status."""
    for word in words:
        if word in _WHATEVER_STATUS:
            return _WHATEVER_STATUS[word]
    if status in (None, 400, 413, 422) or (status and status >= 500):
        if _TOO_LONG.search(said[:_READ]):
            return "context_length"
        if _AGAINST_POLICY.search(said[:_READ]):
            return "refused"
        if _UNPAID.search(said[:_READ]):
            return "permission"
    if status is None:
        return None
    return _BY_STATUS.get(status, "server" if status >= 500 else "invalid_request")


def _words(body: object) -> list[str]:
    """Codes and types of an error's body, in lower case, the most exact first."""
    return list(dict.fromkeys(str(word).lower() for word in _codes(body, _DEPTH) if isinstance(word, str | int)))


def _codes(body: object, depth: int) -> Iterator[object]:
    if depth == 0:
        return
    if isinstance(body, list):
        for item in body[:5]:
            yield from _codes(item, depth - 1)
    if isinstance(body, Mapping):
        for inner in ("error", "innererror", "details"):
            yield from _codes(body.get(inner), depth - 1)
        for name in ("reason", "code", "type", "status"):
            if word := body.get(name):
                yield word


def _said(body: object, depth: int = _DEPTH) -> str:
    """The message of an error's body, in whatever shape servers write one."""
    if isinstance(body, str):
        return "it answered with a web page." if body.lstrip().startswith("<") else body
    if depth == 0:
        return ""
    if isinstance(body, list):
        return "; ".join(filter(None, (_said(item, depth - 1) for item in body[:3])))
    if isinstance(body, Mapping):
        found = next(
            filter(None, (_said(body.get(name), depth - 1) for name in ("message", "error", "detail", "msg"))), ""
        )
        where = body.get("loc")
        return f"{'.'.join(map(str, where))}: {found}" if found and isinstance(where, list) else found
    return ""


def _cause(error: BaseException) -> str:
    cause = error.__cause__ or error
    return (str(cause) or type(cause).__name__).rstrip(".")


def _place(base_url: str | None) -> str:
    """Host and port of an address; the rest of it may be secret."""
    parts = urlsplit(base_url or "")
    return f"{parts.hostname or 'its address'}{f':{parts.port}' if parts.port else ''}"
