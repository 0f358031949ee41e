"""Tools of ours: what a worker finds in its context, and how tools fail."""

from typing import Annotated

from arcade_tdk import ToolContext, tool
from arcade_tdk.auth import OAuth2
from arcade_tdk.errors import RetryableToolError, UpstreamError


@tool(requires_auth=OAuth2(id="hooli", scopes=["scope1"]), requires_secrets=["TEA_HOUSE"])
async def what_is_there(context: ToolContext) -> Annotated[dict, "What the engine gave to this call"]:
    """Tell what the context holds."""
    return {
        "user": context.user_id,
        "sub": context.authorization.user_info.get("sub"),
        "token": bool(context.get_auth_token_or_empty()),
        "secret": context.get_secret("TEA_HOUSE"),
    }


@tool
async def fail_retryable(what: Annotated[str, "What is wrong"]) -> Annotated[str, "Nothing"]:
    """Fail so that a model may try again."""
    raise RetryableToolError(what, developer_message="the tool's log", additional_prompt_content="Try teapots.", retry_after_ms=20)


@tool
async def fail_upstream(what: Annotated[str, "What is wrong"]) -> Annotated[str, "Nothing"]:
    """Fail as the API behind the tool did."""
    raise UpstreamError(what, status_code=404)
