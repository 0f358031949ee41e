// The app code of the provider pages, with the published JavaScript client.
//
//   node app.mjs PROVIDER USER [SCOPE...]
//
// ARCADE_BASE_URL and ARCADE_API_KEY say where the engine is, as for any app.
// Each thing that a person would see is one JSON line on standard output.

import { Arcade } from '@arcadeai/arcadejs';

import { failed, say, succeeded } from './lines.mjs';

const [provider, userId, ...scopes] = process.argv.slice(2);

const client = new Arcade(); // Automatically finds the `ARCADE_API_KEY` env variable

try {
  // Start the authorization process
  let authResponse = await client.auth.start(userId, provider, { scopes });

  if (authResponse.status !== 'completed') {
    say({ event: 'please_complete', id: authResponse.id, url: authResponse.url });
  }

  // Wait for the authorization to complete
  authResponse = await client.auth.waitForCompletion(authResponse);

  const token = authResponse.context.token;
  succeeded(authResponse, token);
} catch (problem) {
  failed(problem);
}
