"""Calls methods of the published Python client, as told on standard input.

    python driver.py sync|async

One JSON line {"method": "admin.auth_providers.get", "args": [...], "kwargs": {...}} is one call;
the answer is {"result": ...} or {"exception": {...}}. "every": true walks all pages of a list
and answers with the items. The client is made with nothing but its own environment variables.
"""

import asyncio
import inspect
import json
import sys
from typing import Any

from arcadepy import Arcade, AsyncArcade

from lines import described, say


def plain(value: Any) -> Any:
    """A model of the client as JSON, a list of models item by item."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.to_dict(mode="json") if hasattr(value, "to_dict") else value


async def answer(client: Any, call: dict[str, Any]) -> Any:
    method = client
    for name in call["method"].split("."):
        method = getattr(method, name)
    result = method(*call.get("args", []), **call.get("kwargs", {}))
    if call.get("every"):
        if hasattr(result, "__aiter__"):
            return [item async for item in result]
        return list(result)
    return await result if inspect.isawaitable(result) else result


async def main(style: str) -> None:
    client = AsyncArcade() if style == "async" else Arcade()
    for line in sys.stdin:
        try:
            say(result=plain(await answer(client, json.loads(line))))
        except Exception as problem:
            say(exception=described(problem))


asyncio.run(main(sys.argv[1]))
