"""Calls methods of a published client of Jira or Confluence, as told on standard input.

    python products.py jira|api-jira|api-confluence

jira is the package of that name, the others are atlassian-python-api. One JSON line
{"method": "search_issues", "args": [...], "kwargs": {...}} is one call; the answer is {"result": ...} or
{"exception": {...}}. HOST is the base URL, ACCESS_TOKEN a token to be sent as Bearer.
"""

import json
import os
import sys
from typing import Any

from lines import described, say


def client(kind: str) -> Any:
    host, token = os.environ["HOST"], os.environ["ACCESS_TOKEN"]
    if kind == "jira":
        from jira import JIRA

        return JIRA(server=host, token_auth=token, max_retries=0)
    from atlassian import Confluence, Jira

    return (Jira if kind == "api-jira" else Confluence)(url=host, token=token)


def plain(value: Any) -> Any:
    """What a client returns as JSON: a resource by what the server sent, a list item by item."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return getattr(value, "raw", value)


def main(kind: str) -> None:
    made = None
    for line in sys.stdin:
        call = json.loads(line)
        try:
            made = made or client(kind)
            result = getattr(made, call["method"])(*call.get("args", []), **call.get("kwargs", {}))
            say(result=plain(result))
        except Exception as problem:
            say(exception=described(problem))


main(sys.argv[1])
