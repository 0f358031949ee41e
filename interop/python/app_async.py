"""The app code of the provider pages, with the published asynchronous client.

    python app_async.py PROVIDER USER [SCOPE...]

Same lines as app.py.
"""

import asyncio
import sys

from arcadepy import AsyncArcade

from lines import failed, say, succeeded


async def main(provider: str, user_id: str, *scopes: str) -> None:
    client = AsyncArcade()

    # Start the authorization process
    auth_response = await client.auth.start(
        user_id=user_id,
        provider=provider,
        scopes=list(scopes),
    )

    if auth_response.status != "completed":
        say(event="please_complete", id=auth_response.id, url=auth_response.url)

    # Wait for the authorization to complete
    auth_response = await client.auth.wait_for_completion(auth_response)

    token = auth_response.context.token
    succeeded(auth_response, token)


try:
    asyncio.run(main(*sys.argv[1:]))
except Exception as problem:  # what an app would see is what the tests look at
    failed(problem)
