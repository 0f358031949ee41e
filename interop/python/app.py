"""The app code of the provider pages, with the published synchronous client.

    python app.py PROVIDER USER [SCOPE...]

ARCADE_BASE_URL and ARCADE_API_KEY say where the engine is, as for any app.
Each thing that a person would see is one JSON line on standard output.
"""

import sys

from arcadepy import Arcade

from lines import failed, say, succeeded

provider, user_id, *scopes = sys.argv[1:]

client = Arcade()  # Automatically finds the `ARCADE_API_KEY` env variable

try:
    # Start the authorization process
    auth_response = client.auth.start(
        user_id=user_id,
        provider=provider,
        scopes=scopes,
    )

    if auth_response.status != "completed":
        say(event="please_complete", id=auth_response.id, url=auth_response.url)

    # Wait for the authorization to complete
    auth_response = client.auth.wait_for_completion(auth_response)

    token = auth_response.context.token
    succeeded(auth_response, token)
except Exception as problem:  # what an app would see is what the tests look at
    failed(problem)
