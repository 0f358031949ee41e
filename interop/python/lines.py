"""What the Python programs of the interop tests print: one JSON object a line."""

import json
from typing import Any

from arcadepy import APIError


def say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def succeeded(response: Any, token: str) -> None:
    say(
        event="completed",
        id=response.id,
        status=response.status,
        token=token,
        user_info=response.context.user_info,
        provider_id=response.provider_id,
        user_id=response.user_id,
        scopes=response.scopes,
    )


def failed(problem: Exception) -> None:
    say(event="exception", **described(problem))


def described(problem: Exception) -> dict[str, Any]:
    """An exception as the tests compare it: its class, and the answer behind it."""
    body = problem.body if isinstance(problem, APIError) else None
    return {
        "class": type(problem).__name__,
        "status": getattr(problem, "status_code", 0),
        "body": body if isinstance(body, dict) else {},
        "text": str(problem),
    }
