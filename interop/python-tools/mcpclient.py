"""Drives an MCP server with the published Python SDK, as told on standard input.

    python mcpclient.py URL auto|legacy [opens]

One JSON line {"method": "call_tool", "args": [...]} is one call of the client; the answer is {"result": ...} or
{"exception": {...}}. The environment has the API key and the user. With "opens" the client can show links: it says
{"result": {"open": URL}} in the middle of a call, and the next line is what the person did: {"action": "accept"}.
"""

import asyncio
import json
import os
import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult


def say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


async def hear() -> Any:
    line = await asyncio.to_thread(sys.stdin.readline)
    return json.loads(line) if line else None


async def shows_link(_: Any, params: Any) -> ElicitResult:
    say(result={"open": params.url, "message": params.message})
    return ElicitResult(**await hear())


async def main(url: str, mode: str, opens: bool) -> None:
    headers = {"Authorization": "Bearer " + os.environ["ARCADE_API_KEY"], "Arcade-User-ID": os.environ["ARCADE_USER_ID"]}
    async with httpx2.AsyncClient(headers=headers, timeout=120) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode, elicitation_callback=shows_link if opens else None) as client:
            say(result={"protocol": client.protocol_version, "server": client.server_info.name})
            while call := await hear():
                try:
                    result = await getattr(client, call["method"])(*call.get("args", []))
                    say(result=result.model_dump(mode="json", by_alias=True, exclude_none=True))
                except Exception as problem:
                    say(exception={"class": type(problem).__name__, "text": str(problem), "status": getattr(problem, "code", 0)})


asyncio.run(main(sys.argv[1], sys.argv[2], "opens" in sys.argv[3:]))
